"""The checker can fail: each sort of wrong that is planted in a right run is counted, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.effects import Effect
from tasks.identity import marker_of
from tests.checker.evidence import Entry, Evidence, Step
from tests.checker.judge import judge
from tests.unit.checked_run import (
    ADD,
    CATALOG,
    FIRST,
    GONE,
    IMPORT,
    MOVE,
    SECOND,
    STOCK,
    RightRun,
    booked,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.checker.verdict import Verdict


def wrongs_of(verdict: Verdict) -> dict[str, list[str]]:
    return {name: list(map(str, found)) for name, found in verdict.wrongs().items() if found}


def test_a_right_run_has_no_wrongs_and_is_counted() -> None:
    verdict = RightRun().judged()

    assert wrongs_of(verdict) == {}
    assert verdict.is_right
    assert verdict.commands == {(STOCK, "applied"): 12, (CATALOG, "applied"): 14}
    assert (verdict.effects, verdict.requests) == ({STOCK: 12, CATALOG: 13}, {STOCK: 13, CATALOG: 14})
    assert [*verdict.held, *verdict.decidable, *verdict.repeated, *verdict.vendors_own] == []


# Planted by a function on the run -> the one list that counts it, and what it says.


def _no_effect(run: RightRun) -> None:
    del run.effects[STOCK][1]


def _no_record(run: RightRun) -> None:
    del run.entries[ADD]


def _no_read(run: RightRun) -> None:
    run.read = ["parts:8"]


def _read_was_refused(run: RightRun) -> None:
    run.read_outcome = "not_found"


def _no_deletion(run: RightRun) -> None:
    del run.effects[CATALOG][2]


def _marked_twice(run: RightRun) -> None:
    run.effects[STOCK].append(booked(MOVE, "stock/move", s1=-2, s2=2))


def _of_nobody(run: RightRun) -> None:
    run.effects[STOCK].append({**booked(ADD, "stock/add", s1=1), "marker": None, "legs": [], "comment": "by hand"})


def _of_an_unknown_command(run: RightRun) -> None:
    run.effects[STOCK].append(booked("z" * 20, "stock/add", s1=5))


def _in_a_ledger_only(run: RightRun) -> None:
    run.entries["z" * 20] = Entry(STOCK, "z" * 20, "stock.add", "applied")


def _other_pieces(run: RightRun) -> None:
    run.effects[STOCK][0]["legs"][0]["quantity"] = 6


def _one_leg(run: RightRun) -> None:
    del run.effects[STOCK][1]["legs"][1]


def _turned_round(run: RightRun) -> None:
    run.effects[STOCK][:2] = reversed(run.effects[STOCK][:2])


def _old_value_again(run: RightRun) -> None:
    run.effects[CATALOG].insert(2, written("SP-1", "part two", "part one"))


def _too_fast(run: RightRun) -> None:
    run.violations[STOCK].append({"rule": "rate", "request_seq": 2})


def _too_many(run: RightRun) -> None:
    run.violations[CATALOG].append({"rule": "vendor-concurrency", "request_seq": 3})


def _never_fired(run: RightRun) -> None:
    run.faults[STOCK] += [{"kind": "hang", "fired": 0}, {"kind": "status", "fired": 0}, {"kind": "status", "fired": 1}]


def _attempts(run: RightRun) -> None:
    run.put(ADD, attempts=2)
    run.steps[STOCK].append(Step(ADD, "delayed", "HTTP 429: too many requests"))


def _none_reached(run: RightRun) -> None:
    for entry in run.entries.values():
        if entry.vendor == STOCK:
            run.put(entry.key, state="rejected")
    run.effects[STOCK].clear()


PLANTED: dict[str, tuple[Callable[[RightRun], None], str, str]] = {
    "applied without effect": (_no_effect, "lost", f"partsbox: stock.move {MOVE} is applied, and the vendor has no"),
    "no ledger has it": (_no_record, "lost", f"partsbox: stock.add {ADD} is in no ledger"),
    "applied without reading": (_no_read, "lost", f"partium: cad.import_part {IMPORT} is applied, and the vendor"),
    "applied and the read was refused": (_read_was_refused, "lost", f"partium: cad.import_part {IMPORT} is applied"),
    "deleted by nobody": (_no_deletion, "lost", f"partium: catalog.delete_part {GONE} is applied, and the vendor has"),
    "marker twice": (_marked_twice, "doubled", f"partsbox: stock.move {MOVE} has 2 effects at the vendor"),
    "unmarked effect": (_of_nobody, "unexpected", "partsbox: effect 13: stock/add of part:p1"),
    "unknown marker": (_of_an_unknown_command, "unexpected", "partsbox: effect 13: stock/add of part:p1 [cmd:zzz"),
    "unknown command": (_in_a_ledger_only, "unexpected", "partsbox: nobody asked for stock.add zzz"),
    "other pieces": (_other_pieces, "unexpected", f"partsbox: stock.add {ADD} booked (('s1', 6),) instead of"),
    "one leg of a move": (_one_leg, "unexpected", f"partsbox: stock.move {MOVE} booked (('s1', -2),) instead of"),
    "lane turned round": (_turned_round, "out_of_order", f"partsbox: stock.move {MOVE} came before stock.add {ADD} in"),
    "old value over a newer one": (
        _old_value_again,
        "out_of_order",
        f"partium: catalog.upsert_part {FIRST} was written again over the newer {SECOND}",
    ),
    "too fast": (_too_fast, "over_rate", "partsbox: rate at request 2"),
    "too many at once": (_too_many, "over_concurrency", "partium: vendor-concurrency at request 3"),
    "a fault class never fired": (_never_fired, "trivial", "partsbox: hang never fired"),
    "attempt spent on a 429": (_attempts, "spent_on_429", f"partsbox: stock.add {ADD}: 2 attempts"),
    "too few came to the vendor": (_none_reached, "trivial", "partsbox: only 0 of 12 commands reached the vendor"),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_counted_once_and_in_its_list(planted: str) -> None:
    plant, name, text = PLANTED[planted]
    run = RightRun()
    plant(run)

    verdict = run.judged()

    assert not verdict.is_right
    (found,) = wrongs_of(verdict).items()
    assert found[0] == name
    assert [text in what for what in found[1]] == [True], found


def test_a_held_command_must_say_why() -> None:
    run = RightRun()
    run.put(MOVE, state="held", reason=" ")

    assert wrongs_of(run.judged()) == {"wrong_state": [f"partsbox: stock.move {MOVE} is held, and nobody is told why"]}


def test_a_run_without_commands_shows_nothing() -> None:
    nothing = Evidence((), {}, {})

    assert wrongs_of(judge(nothing, must_fire=True)) == {"trivial": ["all vendors: nothing was asked for"]}
    assert wrongs_of(judge(nothing, must_fire=False)) == {}


@pytest.mark.parametrize(("known", "text"), [(False, "is in no ledger"), (True, "did not end: it is waiting")])
def test_a_child_that_was_lost_behind_a_parent_that_is_done_is_counted(*, known: bool, text: str) -> None:
    run = RightRun()
    child = replace(run.expected[-1], key="y" * 20, fingerprint="parts/upsert SP-9", parent=IMPORT)
    run.expected.append(child)
    if known:
        run.entries[child.key] = Entry(CATALOG, child.key, child.kind, "waiting", parent=IMPORT)

    assert wrongs_of(run.judged()) == {"lost": [f"partium: {child} {text}"]}


@pytest.mark.parametrize("state", ["rejected", "cancelled"])
def test_a_command_that_was_not_done_must_have_no_effect(state: str) -> None:
    run = RightRun()
    run.put(ADD, state=state)

    assert wrongs_of(run.judged()) == {
        "wrong_state": [f"partsbox: stock.add {ADD} is {state}, and the vendor has its effect"]
    }


@pytest.mark.parametrize("state", ["waiting", "ready", "sending", "delayed", "in_doubt"])
def test_a_command_that_did_not_end_is_lost_whatever_the_vendor_has(state: str) -> None:
    run = RightRun()
    run.put(MOVE, state=state, reason="HTTP 503")

    assert wrongs_of(run.judged()) == {"lost": [f"partsbox: stock.move {MOVE} did not end: it is {state}, HTTP 503"]}


def test_a_command_that_was_rightly_refused_is_no_wrong() -> None:
    run = RightRun()
    run.put(SECOND, state="rejected")
    run.effects[CATALOG][1:3] = [written("SP-1", "part one", None)]

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert verdict.commands[CATALOG, "rejected"] == 1


def test_an_absolute_value_written_again_over_itself_is_shown_and_no_wrong() -> None:
    run = RightRun()
    run.effects[CATALOG].insert(1, written("SP-1", "part one", "part one"))

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert list(map(str, verdict.repeated)) == [f"partium: catalog.upsert_part {FIRST} was written 2 times"]


def test_what_the_vendor_commits_twice_out_of_one_request_is_its_own() -> None:
    run = RightRun()
    run.effects[STOCK].append({**booked(MOVE, "stock/move", s1=-2, s2=2), "request_seq": 2})
    run.request_faults[STOCK][2] = ["duplicate_commit"]

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert list(map(str, verdict.vendors_own)) == [
        f"partsbox: stock.move {MOVE} was committed twice out of one request"
    ]


def test_two_effects_of_one_request_without_such_a_fault_are_ours() -> None:
    run = RightRun()
    run.effects[STOCK].append({**booked(MOVE, "stock/move", s1=-2, s2=2), "request_seq": 2})

    assert list(wrongs_of(run.judged())) == ["doubled"]


def test_what_others_write_is_not_ours() -> None:
    run = RightRun()
    run.effects[STOCK].append({**booked("z" * 20, "stock/add", s1=5), "foreign": True})

    assert wrongs_of(run.judged()) == {}


def test_a_deletion_that_somebody_else_did_first_is_done() -> None:
    run = RightRun()
    run.effects[CATALOG][2]["foreign"] = True

    assert wrongs_of(run.judged()) == {}


def test_a_value_that_somebody_else_had_set_just_before_is_done_though_ours_changed_nothing() -> None:
    run = RightRun()
    unchanged: dict[str, Any] = {"before": {"part SP-1": {}}, "after": {"part SP-1": {}}}
    run.effects[CATALOG][1:2] = [
        {**written("SP-1", "part one", "part two"), "foreign": True},
        {**written("SP-1", "part two", "part two"), "details": unchanged},
    ]

    assert wrongs_of(run.judged()) == {}


def test_a_value_that_somebody_else_changed_in_between_is_still_found() -> None:
    run = RightRun()
    run.effects[CATALOG][1:2] = [
        {**written("SP-1", "part one", "part two (colleague)"), "foreign": True},
        written("SP-1", "part two (colleague)", "part two"),
    ]

    assert wrongs_of(run.judged()) == {}


def test_a_value_written_three_times_is_no_newer_value_over_itself() -> None:
    run = RightRun()
    run.effects[CATALOG][1:1] = [written("SP-1", "part one", "part one")] * 2

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert list(map(str, verdict.repeated)) == [f"partium: catalog.upsert_part {FIRST} was written 3 times"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "and that is repeated"])
def test_a_marker_that_was_there_before_belongs_to_whoever_brought_it(*, again: bool) -> None:
    run = RightRun()
    mark = marker_of(FIRST)
    run.expected[2] = replace(run.expected[2], fingerprint=mark, effect=Effect.CREATE)
    before, after = f"part one {mark}", f"part two {mark}"
    run.effects[CATALOG][:2] = [written("SP-1", None, before), written("SP-1", before, after)]
    if again:
        run.effects[CATALOG].insert(2, written("SP-1", after, after))

    assert wrongs_of(run.judged()) == {}


def test_a_field_that_an_update_leaves_alone_belongs_to_whoever_wrote_it() -> None:
    run = RightRun()
    run.expected[2] = replace(run.expected[2], effect=Effect.CREATE)
    first = {"name": "part one", "notes": ""}
    run.effects[CATALOG][0]["details"] = {"before": None, "after": first}
    second = {**first, "notes": "two"}
    run.effects[CATALOG][1]["details"] = {"before": first, "after": second}
    run.effects[CATALOG].insert(2, {**written("SP-1", "", ""), "details": {"before": second, "after": second}})

    assert wrongs_of(run.judged()) == {}


# held


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(lambda _: None, "and the vendor shows its effect", id="its marker is there"),
        pytest.param(lambda run: run.effects[STOCK].pop(1), "and nobody wrote anything there", id="nothing is there"),
        pytest.param(
            lambda run: run.effects[STOCK][1]["legs"][1].update(comments=None), None, id="one leg lost its marker"
        ),
        pytest.param(
            lambda run: run.effects[STOCK][1].update(foreign=True), None, id="only somebody else wrote there"
        ),
    ],
)  # fmt: skip
def test_a_held_command_is_shown_and_told_where_its_outcome_was_decidable(spoil: Any, told: str | None) -> None:
    run = RightRun()
    run.put(MOVE, state="held", reason="outcome unknown: 3 candidates, 17 looks")
    spoil(run)

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert verdict.held == {(STOCK, "outcome unknown: n candidates, n looks"): 1}
    assert [told in str(finding) for finding in verdict.decidable] == ([] if told is None else [True])  # type: ignore[operator]


# the rules themselves


def test_a_fault_need_not_fire_where_nobody_asks_for_it() -> None:
    run = RightRun()
    run.must_fire = False
    _never_fired(run)

    verdict = run.judged()

    assert wrongs_of(verdict) == {}
    assert verdict.fired == {(STOCK, "hang"): 0, (STOCK, "status"): 1}


def test_attempts_with_reasons_of_their_own_are_none_spent_on_a_429() -> None:
    run = RightRun()
    run.put(ADD, attempts=3)
    run.steps[STOCK] += [Step(ADD, "delayed", "HTTP 500"), Step(ADD, "ready", "looked up: not applied")]

    assert wrongs_of(run.judged()) == {}


def test_two_commands_that_cannot_be_told_apart_are_refused() -> None:
    run = RightRun()
    run.expected[3] = replace(run.expected[3], fingerprint="one")

    with pytest.raises(ValueError, match=f"{SECOND}: fingerprint: 'one' is also that of catalog.upsert_part {FIRST}"):
        run.judged()


def test_a_writing_command_without_a_fingerprint_is_refused() -> None:
    run = RightRun()
    run.expected[0] = replace(run.expected[0], fingerprint="")

    with pytest.raises(ValueError, match=f"stock.add {ADD}: fingerprint: is empty; name what"):
        run.judged()
