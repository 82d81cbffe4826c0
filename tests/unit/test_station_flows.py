"""The flows MOVE and RECEIVE as a state machine."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.codes import Code, Instruction, QuantityCode, Unreadable, VendorIdCode
from producers.scanner.flows import Draft, Entry, Flows, Reply, Tone

SHELF, BIN, PART, OTHER = ("a" * 26, "b" * 26, "p" * 26, "q" * 26)
MOVE, RECEIVE, CANCEL = Instruction.MOVE, Instruction.RECEIVE, Instruction.CANCEL


@dataclass
class Run:
    """A station's state and what its scans led to."""

    flows: Flows = field(default_factory=Flows)
    entry: Entry = field(default_factory=Entry)
    drafts: list[Draft] = field(default_factory=list)

    def scan(self, *scans: Code | str | int) -> Reply:
        for scan in scans:
            self.last = self.flows.take(self.entry, _code(scan))
            self.entry = self.last.entry
            if self.last.draft is not None:
                self.drafts.append(self.last.draft)
        return self.last

    @property
    def prompt(self) -> str:
        return self.flows.prompt(self.entry)


def _code(scan: Code | str | int) -> Code:
    if isinstance(scan, int):
        return QuantityCode(scan)
    if isinstance(scan, str) and not isinstance(scan, Instruction):
        return VendorIdCode(scan)
    return scan


def _move(quantity: int) -> Draft:
    return Draft(
        "stock.move",
        {"part_id": PART, "from_storage_id": SHELF, "to_storage_id": BIN, "quantity": quantity},
    )


def test_a_move_is_source_part_quantity_destination_and_the_mode_stays() -> None:
    run = Run()

    reply = run.scan(MOVE, SHELF, PART, 5, BIN)

    assert reply.tone is Tone.STORED
    assert run.drafts == [_move(5)]
    assert run.entry == Entry(MOVE)


def test_a_receipt_is_order_and_location() -> None:
    run = Run()

    run.scan(RECEIVE, OTHER, BIN)

    assert run.drafts == [Draft("order.receive", {"order_id": OTHER, "storage_id": BIN})]
    assert run.entry == Entry(RECEIVE)


def test_each_step_of_a_move_says_what_to_scan_next() -> None:
    run = Run()
    prompts = [run.prompt]

    for scan in (MOVE, SHELF, PART, 5):
        run.scan(scan)
        prompts.append(run.prompt)

    assert prompts == [
        "scan CMD:MOVE or CMD:RECEIVE",
        "scan the source location",
        "scan the part",
        "scan or type the quantity",
        "scan the destination location",
    ]


def test_nothing_is_taken_before_a_mode_is_chosen() -> None:
    run = Run()

    assert run.scan(SHELF).tone is Tone.ERROR
    assert run.scan(5).tone is Tone.ERROR
    assert run.entry == Entry()


def test_a_move_without_quantity_is_asked_for_it_and_goes_on() -> None:
    run = Run()

    refused = run.scan(MOVE, SHELF, PART, BIN)
    run.scan(7, BIN)

    assert refused.tone is Tone.ERROR
    assert "quantity missing" in refused.message
    assert run.drafts == [_move(7)]


def test_a_default_quantity_makes_three_scans_a_move_and_a_scanned_quantity_wins() -> None:
    run = Run(Flows(default_quantity=1))

    run.scan(MOVE, SHELF, PART)
    assert run.prompt == "scan the destination location (or a quantity, else 1)"
    run.scan(BIN, SHELF, PART, 9, BIN)

    assert run.drafts == [_move(1), _move(9)]


def test_a_second_quantity_replaces_the_first_before_the_destination() -> None:
    run = Run()

    reply = run.scan(MOVE, SHELF, PART, 5, 50)
    run.scan(BIN)

    assert reply.message == "quantity 50 instead of 5"
    assert run.drafts == [_move(50)]


@pytest.mark.parametrize("before", [(MOVE,), (MOVE, SHELF), (RECEIVE,), (RECEIVE, OTHER)])
def test_a_quantity_where_none_is_wanted_is_refused_and_changes_nothing(before: tuple[Code | str, ...]) -> None:
    run = Run()
    run.scan(*before)
    entry = run.entry

    assert run.scan(5).tone is Tone.ERROR
    assert run.entry == entry


@pytest.mark.parametrize(
    ("before", "again", "message"),
    [
        ((MOVE, SHELF), SHELF, "is the source location already"),
        ((MOVE, SHELF, PART, 5), SHELF, "is the source location already"),
        ((MOVE, SHELF, PART, 5), PART, "is the part already"),
        ((MOVE, SHELF, PART), PART, "is the part already"),
        ((RECEIVE, OTHER), OTHER, "is the order already"),
    ],
)
def test_the_same_id_in_two_places_is_refused_at_the_scan(
    before: tuple[Code | str | int, ...], again: str, message: str
) -> None:
    run = Run()
    run.scan(*before)
    entry = run.entry

    reply = run.scan(again)

    assert reply.tone is Tone.ERROR
    assert message in reply.message
    assert run.entry == entry


def test_cancel_drops_the_entry_and_keeps_the_mode() -> None:
    run = Run()

    run.scan(MOVE, PART, SHELF)
    reply = run.scan(CANCEL)

    assert reply.message == "entry cancelled, nothing stored"
    assert run.entry == Entry(MOVE)
    assert run.scan(CANCEL).message == "nothing to cancel"
    assert run.scan(SHELF, PART, 5, BIN).draft == _move(5)


def test_changing_the_mode_drops_the_entry_and_says_so() -> None:
    run = Run()

    assert "dropped" not in run.scan(MOVE).message
    assert "the unfinished entry is dropped" in run.scan(SHELF, RECEIVE).message
    assert run.entry == Entry(RECEIVE)


def test_an_unreadable_scan_changes_nothing() -> None:
    run = Run()
    run.scan(MOVE, SHELF)
    entry = run.entry

    reply = run.scan(Unreadable("junk"))

    assert (reply.tone, reply.message, reply.entry) == (Tone.ERROR, "junk", entry)


_CODES = st.one_of(
    st.sampled_from(list(Instruction)),
    st.sampled_from([SHELF, BIN, PART, OTHER]).map(VendorIdCode),
    st.integers(1, 10).map(QuantityCode),
    st.just(Unreadable("junk")),
)


@given(st.lists(_CODES, max_size=60), st.none() | st.integers(1, 5))
def test_no_sequence_of_scans_raises_or_completes_an_entry_with_a_gap(
    codes: list[Code], default_quantity: int | None
) -> None:
    run = Run(Flows(default_quantity))

    for code in codes:
        before = run.entry
        reply = run.scan(code)

        assert run.prompt
        assert (reply.draft is not None) == (reply.tone is Tone.STORED)
        if reply.tone is Tone.ERROR:
            assert run.entry == before
    for draft in run.drafts:
        ids = [value for name, value in draft.fields.items() if name.endswith("_id")]
        assert len(ids) == len(set(ids)) == (3 if draft.kind == "stock.move" else 2)
        assert draft.kind == "order.receive" or draft.fields["quantity"] >= 1
