"""The demo's count can fail: each kind of wrong is seen, at each vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.checker.attempts import spent_in_pauses
from tests.checker.evidence import Entry, Step, Told
from tests.demo.books import BOOKS
from tests.demo.counting import (
    Wrongs,
    count_markers,
    count_reads,
    count_record_order,
    count_state,
    count_stock_order,
    count_writes,
)
from tests.demo.records import ROUTES, plan_day
from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, ROUTING, VENDORS, Write, stock
from tests.sandbox import openbom
from tests.unit.demo_day import (
    ADDED,
    CATALOG,
    CORRECTED,
    DELETED,
    DESCRIBED,
    FIRST,
    ITEM,
    KINDS,
    PART,
    SECOND,
    SET,
    WRITTEN,
    RightDay,
    booked,
    catalogued,
    described,
    partsbox_state,
    request,
    set_cell,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.checker.evidence import Json
    from tests.demo.verdict import Verdict


def wrongs_of(verdict: Verdict) -> dict[tuple[str, str], list[str]]:
    """Give what is wrong, by vendor and count."""
    return {
        (vendor, name): found
        for vendor, wrongs in verdict.wrongs.items()
        for name, found in wrongs.counts().items()
        if found
    }


def test_a_right_day_has_no_wrongs_and_tells_what_it_took() -> None:
    verdict = RightDay().judged()

    assert wrongs_of(verdict) == {}
    assert verdict.is_right
    assert verdict.requests == {PARTSBOX: 1, PARTIUM: 2, OPENBOM: 1, PARTBOLT: 1}
    assert (verdict.catalog_writes, verdict.largest_batch, verdict.logins) == (1, 2, 2)


@pytest.mark.parametrize(("vendor", "place", "lost"), [(PARTSBOX, 0, ADDED), (PARTIUM, 2, DELETED), (OPENBOM, 0, SET)])
def test_a_write_that_is_in_no_journal_is_lost(vendor: str, place: int, lost: Write) -> None:
    day = RightDay()
    del day.effects[vendor][place]

    assert wrongs_of(day.judged()) == {(vendor, "lost"): [str(lost)]}


@pytest.mark.parametrize(
    ("vendor", "effect", "doubled"),
    [
        (PARTSBOX, booked(marker=None), ADDED),
        (PARTSBOX, described(), DESCRIBED),
        (PARTIUM, catalogued("parts/upsert", "SP-1", SECOND), CORRECTED),
        (OPENBOM, set_cell(), SET),
    ],
)
def test_a_write_that_is_there_twice_is_doubled_even_where_it_changed_nothing(
    vendor: str, effect: Json, doubled: Write
) -> None:
    day = RightDay()
    day.effects[vendor].append(effect)

    assert wrongs_of(day.judged())[vendor, "doubled"] == [str(doubled)]


@pytest.mark.parametrize(
    ("vendor", "effect", "words"),
    [
        (PARTSBOX, booked(stock("stock/add", "R-1K", "shelf-3", 6), "[cmd:b]"), "stock/add of R-1K in shelf-3: +6"),
        (PARTSBOX, described("Aisle 9"), "storage/update of storage shelf-3: Aisle 9"),
        (PARTIUM, catalogued("parts/delete", "SP-1", None), "parts/delete of part SP-1: gone"),
        (OPENBOM, set_cell("B-9"), "catalog/propertyvalue of Stock items: R-1K, Bin: B-9"),
    ],
)
def test_a_write_that_nobody_planned_is_unexpected(vendor: str, effect: Json, words: str) -> None:
    day = RightDay()
    day.effects[vendor].append(effect)

    assert wrongs_of(day.judged()) == {(vendor, "unexpected"): [words]}


def _set(state: Json, noun: str, name: str, value: Any) -> None:
    state[noun][0][name] = value


@pytest.mark.parametrize(
    ("vendor", "spoil", "words"),
    [
        (PARTSBOX, lambda state: _set(state, "on_hand", "quantity", 14), "R-1K in shelf-3: 14 instead of 15"),
        (PARTSBOX, lambda state: state["on_hand"].clear(), "R-1K in shelf-3: nothing instead of 15"),
        (
            PARTSBOX,
            lambda state: _set(state, "storages", "storage/description", ""),
            "storage shelf-3: no text instead of Aisle 3",
        ),
        (
            PARTSBOX,
            lambda state: state["parts"].append({"part/id": "x", "part/name": "R-2K"}),
            "part R-2K: no text instead of nothing",
        ),
        (
            PARTIUM,
            lambda state: _set(state, "parts", "name", FIRST["name"]),
            f"part SP-1: {WRITTEN.value} instead of {CORRECTED.value}",
        ),
        (
            PARTIUM,
            lambda state: state["parts"].append({"part_id": "SP-2", **FIRST}),
            f"part SP-2: {WRITTEN.value} instead of nothing",
        ),
        (
            OPENBOM,
            lambda state: _set(state["documents"][0], "rows", "Bin", "A-1"),
            "Stock items: R-1K, Bin: A-1 instead of B-1",
        ),
        (
            PARTBOLT,
            lambda state: _set(state, "parts", "tags", ["x"]),
            "part R-1K: [('name', 'R-1K'), ('tags', ['x'])] instead of [('name', 'R-1K'), ('tags', [])]",
        ),
    ],
)
def test_what_is_there_at_the_end_and_should_not_be_so_is_seen(
    vendor: str, spoil: Callable[[Json], None], words: str
) -> None:
    day = RightDay()
    spoil(day.states[vendor])

    assert wrongs_of(day.judged()) == {(vendor, "wrong_at_end"): [words]}


def test_the_second_edition_before_the_first_is_out_of_order() -> None:
    day = RightDay()
    day.effects[PARTIUM][:2] = reversed(day.effects[PARTIUM][:2])

    assert wrongs_of(day.judged()) == {
        (PARTIUM, "out_of_order"): [f"part SP-1: {CORRECTED.value}, then {WRITTEN.value}"]
    }


def test_stock_of_one_part_against_the_order_of_acceptance_makes_the_day_wrong() -> None:
    day = RightDay()
    removed = stock("stock/remove", "R-1K", "shelf-3", -2)
    day.day.writes += [removed, stock("stock/add", "R-1K", "shelf-3", 2)]
    day.effects[PARTSBOX] = [
        described(), booked(removed, "[cmd:b]"), booked(stock("stock/add", "R-1K", "shelf-3", 2), "[cmd:b2]"), booked()
    ]  # fmt: skip
    day.steps[PARTSBOX].append(Step("b2", "accepted"))

    assert wrongs_of(day.judged()) == {(PARTSBOX, "out_of_order"): [f"part {PART}: [1, 2, 0]"]}


def test_one_marker_on_two_bookings_makes_the_day_wrong() -> None:
    day = RightDay()
    other = stock("stock/add", "R-1K", "shelf-3", 0)
    day.day.writes.append(other)
    day.effects[PARTSBOX].append(booked(other))

    assert wrongs_of(day.judged()) == {(PARTSBOX, "doubled"): ["marker [cmd:a]"]}


def test_an_import_that_never_read_its_part_makes_the_day_wrong() -> None:
    day = RightDay()
    day.requests[PARTBOLT].clear()

    assert wrongs_of(day.judged()) == {(PARTBOLT, "lost"): [f"parts:{ITEM}"]}


def test_the_entries_of_a_project_are_counted_by_part_or_name() -> None:
    entry = {"entry/part-id": PART, "entry/quantity": 4}
    state = {
        **partsbox_state(0, ""),
        "projects": [{"project/id": "p", "project/name": "lamp"}],
        "project_entries": {"p": [entry, {"entry/name": "housing", "entry/quantity": 1}]},
    }
    details = {"after": {"entry:e": entry}}
    added = {"operation": "project/add-entries", "legs": [], "subjects": ["entry:e", "project:p"], "details": details}

    shelf, writes = BOOKS[PARTSBOX].shelf(state), BOOKS[PARTSBOX].writes([added], state)

    assert (shelf["entry R-1K of lamp"], shelf["entry housing of lamp"]) == ("4", "1")
    assert writes == [Write(PARTSBOX, "project/add-entries", "entry R-1K of lamp", "4")]


def test_stock_against_the_order_of_acceptance_is_out_of_order_but_not_two_orders_read_at_once() -> None:
    steps = [Step("a", "accepted"), Step("b", "accepted"), Step("b", "applied"), Step("a", "applied")]
    received = stock("order/receive", "R-1K", "shelf-3", 5)
    swapped, orders = Wrongs(), Wrongs()

    count_stock_order(swapped, steps, [booked(marker="[cmd:b]"), booked()])
    count_stock_order(orders, steps, [booked(received, "[cmd:b]"), booked(received)])

    assert swapped.out_of_order == [f"part {PART}: [1, 0]"]
    assert orders.out_of_order == []


def test_stock_of_somebody_elses_is_out_of_order() -> None:
    wrongs = Wrongs()

    count_stock_order(wrongs, [Step("a", "accepted")], [booked(), booked(marker=None)])

    assert wrongs.out_of_order == [f"part {PART}: [0, -1]"]


def test_one_marker_on_two_effects_is_doubled_even_when_two_were_planned() -> None:
    wrongs = Wrongs()

    count_writes(wrongs, [ADDED, ADDED], BOOKS[PARTSBOX].writes([booked(), booked()], partsbox_state(0, "")))
    count_markers(wrongs, [booked(), booked(), described(), described()])

    assert wrongs.doubled == ["marker [cmd:a]"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("state", ["rejected", "held", "sending"])
def test_a_command_that_is_not_applied_is_seen_at_its_vendor(vendor: str, state: str) -> None:
    day = RightDay()
    day.entries[vendor].append(Entry(vendor, "k", "some.kind", state, "because", parent="a"))

    assert wrongs_of(day.judged()) == {(vendor, "not_applied"): [f"some.kind k is {state}: because"]}


def test_what_was_refused_at_the_door_is_not_applied() -> None:
    day = RightDay()
    day.record.refused.append((PARTIUM, "catalog.upsert_part: 422 no"))

    assert wrongs_of(day.judged()) == {(PARTIUM, "not_applied"): ["catalog.upsert_part: 422 no"]}


@pytest.mark.parametrize("vendor", [PARTSBOX, PARTIUM, OPENBOM, PARTBOLT])
def test_a_promised_command_that_no_ledger_knows_is_lost(vendor: str) -> None:
    day = RightDay()
    key = day.entries[vendor].pop().key

    verdict = day.judged()

    assert wrongs_of(verdict) == {(vendor, "lost"): [f"command {key} is in no ledger"]}
    assert not verdict.is_right


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_command_that_nobody_was_promised_is_unexpected_unless_another_became_it(vendor: str) -> None:
    day, children = RightDay(), RightDay()
    day.entries[vendor].append(Entry(vendor, "k", "some.kind", "applied"))
    children.entries[vendor].append(Entry(vendor, "k", "some.kind", "applied", parent="routing:a"))

    assert wrongs_of(day.judged()) == {(vendor, "unexpected"): ["command k that nobody was promised"]}
    assert wrongs_of(children.judged()) == {}


def test_a_kind_that_was_applied_once_too_often_or_too_seldom_makes_the_day_wrong() -> None:
    often, seldom = RightDay(), RightDay()
    often.entries[ROUTING].append(Entry(ROUTING, "k", "catalog.route_part", "applied", parent="a"))
    seldom.day.commands[ROUTING, "catalog.route_part"] += 1

    assert not often.judged().is_right
    assert not seldom.judged().is_right


@pytest.mark.parametrize("vendor", BOOKS)
def test_a_broken_limit_is_seen_at_its_vendor(vendor: str) -> None:
    day = RightDay()
    day.violations[vendor].append({"rule": "rate", "request_seq": 7})

    assert wrongs_of(day.judged()) == {(vendor, "over_limit"): ["rate at request 7"]}


@pytest.mark.parametrize("vendor", BOOKS)
def test_a_fault_that_never_fired_makes_the_day_wrong(vendor: str) -> None:
    day = RightDay()
    day.faults[vendor] += [{"kind": "maintenance", "operation": "writes", "fired": fired} for fired in (0, 2)]

    assert wrongs_of(day.judged()) == {(vendor, "fault_not_fired"): ["maintenance on writes"]}


@pytest.mark.parametrize(
    ("reason", "spent"),
    [
        ("part/get: HTTP 429 “slow down”", True),
        ("POST /1/catalog/parts: HTTP 503 “Catalog manager is in maintenance mode - all”", True),
        ("paused by the operator; try again in 1.500 s", True),
        ("POST /1/catalog/assemblies: parent mill is not there yet", False),
        ("stock/add: HTTP 500: unclear", False),
    ],
)
def test_an_attempt_that_was_spent_on_a_closed_vendor_is_seen(reason: str, *, spent: bool) -> None:
    day = RightDay()
    day.steps[PARTIUM] += [Step("c", "delayed", reason), Step("c", "ready")]
    day.entries[PARTIUM][0] = Entry(PARTIUM, "c", KINDS["c"], "applied", attempts=2)

    expected = {(PARTIUM, "spent_in_pauses"): ["catalog.upsert_part c: 2 attempts"]} if spent else {}
    assert wrongs_of(day.judged()) == expected


def test_a_send_that_was_proved_lost_may_be_made_again_once() -> None:
    steps = [Step("a", "in_doubt"), Step("a", "ready", "looked up: not applied")]
    twice, thrice = (
        spent_in_pauses(Told([Entry(PARTSBOX, "a", "stock.add", "applied", attempts=attempts)], steps))
        for attempts in (2, 3)
    )

    assert twice == []
    assert thrice == ["stock.add a: 3 attempts"]


def test_of_a_vendor_that_is_only_read_everything_and_nothing_else_must_be_read() -> None:
    wrongs = Wrongs()
    refused = {"operation": "parts/get", "outcome": "not_found", "subjects": ["parts:A"]}

    count_reads(wrongs, {"parts:A", "parts:B"}, [request("parts/get", "parts:B", "parts:C"), refused])

    assert (wrongs.lost, wrongs.unexpected) == (["parts:A"], ["parts:C"])


def test_records_of_another_subject_may_come_in_any_order() -> None:
    wrongs = Wrongs()

    count_record_order(wrongs, [WRITTEN, DELETED, ADDED], [DELETED, ADDED, WRITTEN])

    assert wrongs.out_of_order == []


def test_an_empty_shelf_is_the_same_as_none() -> None:
    wrongs = Wrongs()

    count_state(wrongs, {"R-1K in shelf-3": "5"}, [stock("stock/remove", "R-1K", "shelf-3", -5)], {})

    assert wrongs.wrong_at_end == []


def test_two_rows_of_one_part_number_are_two_cells() -> None:
    rows = [{"Part Number": "R-1K", "Bin": "A"}, {"Part Number": "R-1K", "Bin": "B"}]
    state = {"documents": [{"id": CATALOG, "name": "Stock items", "rows": rows}]}

    assert BOOKS[OPENBOM].shelf(state)["Stock items: R-1K, Bin (2)"] == "B"


def test_the_day_has_hundreds_of_commands_at_all_vendors_and_some_calls_come_twice() -> None:
    day = plan_day(1_800_000_000_000)
    calls = [str(call) for calls in day.calls.values() for call in calls]

    assert {vendor for vendor, _ in day.commands} == set(VENDORS)
    assert day.commands[PARTIUM, "catalog.upsert_part"] >= 300
    assert sum(count for (vendor, _), count in day.commands.items() if vendor == PARTSBOX) >= 60
    assert len(day.scans) == 3
    assert len(set(calls)) < len(calls)
    assert openbom.id_for("catalog", "Stock items") in ROUTES
