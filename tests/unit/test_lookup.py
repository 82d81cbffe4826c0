"""Judging the vendor's history: what is proved there, what is proved absent, and what only a person may decide."""

from __future__ import annotations

import dataclasses

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tasks.identity import marker_of
from tasks.lookup import Absent, Finding, Image, Landed, Leg, Undecidable, Why, judge
from tasks.ports import StockEntry

KEY, OTHER_KEY = "a" * 20, "b" * 20
OURS = f"from bench 3 {marker_of(KEY)}"
THEIRS = marker_of(OTHER_KEY)
ADD = (Leg("shelf", 5),)
REMOVE = (Leg("shelf", -5, "lot1"),)
MOVE = (Leg("shelf", -5, "lot1"), Leg("bin", 5, "lot1"))


def entry(
    timestamp_ms: int,
    quantity: int = 5,
    storage_id: str | None = "shelf",
    comments: str = "",
    *,
    user: str | None = "robot",
    status: str | None = None,
    lot_id: str | None = None,
) -> StockEntry:
    return StockEntry("part", timestamp_ms, quantity, storage_id, lot_id, status, comments, user)


def judged(entries: list[StockEntry], legs: tuple[Leg, ...] = ADD, before: set[int] | None = None) -> Finding:
    return judge(entries, KEY, legs, Image(timestamps=frozenset(before or ())), "robot")


def why(finding: Finding) -> Why:
    assert isinstance(finding, Undecidable), finding
    return finding.why


LANDED: list[tuple[tuple[Leg, ...], list[StockEntry]]] = [
    (ADD, [entry(1, comments=OURS)]),
    (ADD, [entry(1, 2, comments=OURS), entry(2, 3, comments=OURS)]),  # the vendor split it
    (ADD, [entry(1, comments=OURS, user="somebody")]),  # the marker is ours whoever the vendor names
    (ADD, [entry(1, comments=OURS), entry(2), entry(3, comments=THEIRS)]),
    (REMOVE, [entry(1, -5, comments=OURS, lot_id="lot1")]),
    (REMOVE, [entry(1, -5, comments=OURS)]),  # a plan without lots names none
    (MOVE, [entry(1, -5, comments=OURS), entry(2, 5, "bin", OURS)]),
    (MOVE, [entry(1, -2, comments=OURS), entry(2, -3, comments=OURS), entry(3, 5, "bin", OURS)]),
]


@pytest.mark.parametrize(("legs", "entries"), LANDED)
@pytest.mark.parametrize("known_before", [False, True])
def test_a_whole_marked_effect_has_landed(
    legs: tuple[Leg, ...], entries: list[StockEntry], *, known_before: bool
) -> None:
    before = {found.timestamp_ms for found in entries} if known_before else set()
    finding = judged(entries, legs, before)
    assert finding == Landed(tuple(found for found in entries if KEY in found.comments))


@pytest.mark.parametrize(
    ("legs", "entries", "reason"),
    [
        (ADD, [entry(1, 4, comments=OURS)], Why.PARTIAL),
        (MOVE, [entry(1, -5, comments=OURS)], Why.PARTIAL),
        (MOVE, [entry(1, 5, "bin", OURS)], Why.PARTIAL),
        (MOVE, [entry(1, -5, comments=OURS), entry(2, 4, "bin", OURS)], Why.PARTIAL),
        (ADD, [entry(1, comments=OURS), entry(2, comments=OURS)], Why.DOUBLE),
        (MOVE, [entry(n, -5, comments=OURS) for n in (1, 2)] + [entry(3, 5, "bin", OURS)], Why.DOUBLE),
        (ADD, [entry(1, -5, comments=OURS)], Why.MISPLACED),
        (ADD, [entry(1, 5, "bin", OURS)], Why.MISPLACED),
        (ADD, [entry(1, 5, None, OURS)], Why.MISPLACED),
        (ADD, [entry(1, comments=OURS, status="reserved")], Why.MISPLACED),
        (ADD, [entry(1, comments=OURS), entry(2, 1, "bin", OURS)], Why.MISPLACED),
        (REMOVE, [entry(1, -5, comments=OURS, lot_id="lot2")], Why.MISPLACED),
    ],
)
def test_a_marker_that_does_not_prove_the_whole_is_for_a_person(
    legs: tuple[Leg, ...], entries: list[StockEntry], reason: Why
) -> None:
    assert why(judged(entries, legs)) is reason


@pytest.mark.parametrize(
    "candidate",
    [
        entry(9),
        entry(9, user=None),
        entry(9, comments="from bench 3"),  # the comment was stripped
        entry(9, comments=OURS[:-1]),  # or cut
        entry(9, lot_id="any"),
    ],
)
def test_an_entry_like_ours_without_a_marker_is_for_a_person(candidate: StockEntry) -> None:
    assert why(judged([entry(1), candidate], before={1})) is Why.UNMARKED


def test_one_leg_of_a_move_without_a_marker_is_for_a_person() -> None:
    assert why(judged([entry(9, 5, "bin")], MOVE)) is Why.UNMARKED


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry(1)],  # it was there before
        [entry(9, 4)],
        [entry(9, -5)],
        [entry(9, 5, "bin")],
        [entry(9, status="ordered")],
        [entry(9, user="anna")],  # another user's hand
        [entry(9, comments=THEIRS)],  # another command of ours
    ],
)
def test_nothing_like_ours_is_absent(entries: list[StockEntry]) -> None:
    assert judged(entries, before={1}) == Absent()


def test_without_a_known_user_anybodys_entry_may_be_ours() -> None:
    assert why(judge([entry(9, user="anna")], KEY, ADD, Image(), None)) is Why.UNMARKED


def test_an_older_timestamp_than_any_known_one_is_as_new_as_a_younger() -> None:
    # the vendor's clock may have stepped back: sets are compared, never clocks
    assert why(judged([entry(1_000), entry(3)], before={1_000})) is Why.UNMARKED
    assert why(judged([entry(1_000), entry(3_000)], before={1_000})) is Why.UNMARKED


entries_of_a_part = st.lists(
    st.builds(
        entry,
        st.integers(0, 20),
        st.integers(-6, 6),
        st.sampled_from(["shelf", "bin", None]),
        st.sampled_from(["", "by hand", OURS, OURS[:-1], THEIRS, OURS + THEIRS]),
        user=st.sampled_from(["robot", "anna", None]),
        status=st.sampled_from([None, None, "ordered"]),
        lot_id=st.sampled_from([None, "lot1", "lot2"]),
    ),
    max_size=6,
)
any_legs = st.sampled_from([ADD, REMOVE, MOVE])
any_before = st.frozensets(st.integers(0, 20))


@given(entries_of_a_part, any_legs, any_before)
def test_nothing_has_landed_without_its_marker(
    entries: list[StockEntry], legs: tuple[Leg, ...], before: frozenset[int]
) -> None:
    finding = judge(entries, KEY, legs, Image(timestamps=before), "robot")
    marked = [found for found in entries if marker_of(KEY) in found.comments]
    if isinstance(finding, Landed):
        assert list(finding.entries) == marked != []
        assert sum(found.quantity for found in marked) == sum(leg.quantity for leg in legs)
    if not marked:
        assert not isinstance(finding, Landed)


@given(entries_of_a_part, any_legs, any_before)
def test_nothing_is_absent_while_something_of_ours_is_there(
    entries: list[StockEntry], legs: tuple[Leg, ...], before: frozenset[int]
) -> None:
    finding = judge(entries, KEY, legs, Image(timestamps=before), "robot")
    if isinstance(finding, Absent):
        assert not any(marker_of(KEY) in found.comments for found in entries)
        for found in entries:
            foreign = found.timestamp_ms in before or found.user == "anna" or marker_of(OTHER_KEY) in found.comments
            alike = found.status is None and any(
                leg.quantity == found.quantity
                and leg.storage_id == found.storage_id
                and (None in (leg.lot_id, found.lot_id) or leg.lot_id == found.lot_id)
                for leg in legs
            )
            assert foreign or not alike


@given(entries_of_a_part, any_legs, any_before, st.integers(-10_000, 10_000))
def test_neither_order_nor_clock_of_the_vendor_matters(
    entries: list[StockEntry], legs: tuple[Leg, ...], before: frozenset[int], step: int
) -> None:
    finding = judge(entries, KEY, legs, Image(timestamps=before), "robot")
    shuffled = [dataclasses.replace(found, timestamp_ms=found.timestamp_ms + step) for found in reversed(entries)]
    moved = judge(shuffled, KEY, legs, Image(timestamps=frozenset(stamp + step for stamp in before)), "robot")
    assert type(moved) is type(finding)
    if isinstance(finding, Undecidable):
        assert why(moved) is finding.why


@given(entries_of_a_part, any_legs, any_before)
def test_a_marked_entry_is_found_even_if_its_timestamp_was_there_before(
    entries: list[StockEntry], legs: tuple[Leg, ...], before: frozenset[int]
) -> None:
    marked = [found for found in entries if marker_of(KEY) in found.comments]
    if marked:
        assert judge(entries, KEY, legs, Image(timestamps=before), "robot") == judge(marked, KEY, legs, Image(), None)
