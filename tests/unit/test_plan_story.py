"""A play is told so that a person sees what was asked, what went wrong and what the vendor got."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.checker.evidence import Entry, Evidence, Step, Told, VendorBooks
from tests.simulation import warehouse
from tests.simulation.examine import BROKEN, STUCK, Totals, examine
from tests.simulation.expect import command_of, expected
from tests.simulation.plan import START_MS, Plan, Submit, Trouble
from tests.simulation.screen import as_json
from tests.simulation.story import story

if TYPE_CHECKING:
    from collections.abc import Sequence

SHELF = warehouse.storage_id("line-1")
FIELDS: dict[str, Any] = {"part_id": warehouse.part_id("bolt"), "storage_id": SHELF, "quantity": 3}
PLAN = Plan(
    7,
    1,
    (
        Submit(1_500, "partsbox", "stock.add", FIELDS, "ST-01", 1_500),
        Submit(62_000, "partsbox", "stock.add", FIELDS, "ST-01", 1_500),
        Trouble(2_000, "kill", {"process": 0, "after_steps": 9}),
        Trouble(
            2_500, "vendor_fault", {"vendor": "partsbox", "kind": "hang", "operation": "stock/add", "commit": True}
        ),
    ),
)
KEY = command_of(PLAN.submits[0]).key()
MARKER = f"[cmd:{KEY}]"


def _effect(seq: int, **changes: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "operation": "stock/add",
        "subjects": [f"part:{FIELDS['part_id']}"],
        "marker": MARKER,
        "foreign": False,
        "user": "relay",
        "committed_ms": START_MS + 3_000 + seq,
        "request_seq": seq,
        "comment": MARKER,
        "details": {},
        "legs": [{"storage_id": SHELF, "quantity": 3, "comments": MARKER}],
        **changes,
    }


def _request(seq: int, **changes: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "operation": "stock/add",
        "subjects": [f"part:{FIELDS['part_id']}"],
        "marker": MARKER,
        "arrived_ms": START_MS + 2_900 + seq,
        "faults": [],
        "outcome": "ok",
        "client_left": False,
        **changes,
    }


def _played(effects: Sequence[dict[str, Any]], *, state: str = "applied", stuck: Sequence[str] = ()) -> Any:
    requests = [_request(effect["seq"]) for effect in effects if effect["request_seq"]]
    limits: dict[str, Any] = {"violations": []}
    books = VendorBooks(
        "partsbox",
        {"effects": effects, "requests": requests},
        limits,
        faults=[{"kind": kind, "fired": 1} for kind in ("hang", "kill")],
    )
    told = {"partsbox": Told([Entry("partsbox", KEY, "stock.add", state)], [Step(KEY, "accepted"), Step(KEY, state)])}
    evidence = Evidence(expected(PLAN, told), {"partsbox": books}, told)
    return SimpleNamespace(trace=["a"], digest="d", evidence=evidence, virtual_seconds=60.0, stuck=list(stuck))


def test_it_tells_what_happened_in_order_and_by_name() -> None:
    told = story(PLAN, _played([_effect(1)]))
    assert f"00:01.500  ST-01 submits stock.add {KEY}: part_id=bolt storage_id=line-1 quantity=3" in told
    assert f"01:02.000  ST-01 submits again stock.add {KEY}" in told
    assert "00:02.000  ** worker 0 kill (after_steps 9)" in told
    assert "00:02.500  ** at partsbox vendor fault (kind hang, operation stock/add, commit true)" in told
    assert f"00:03.001  partsbox has: we did stock/add of part:bolt {MARKER}" in told
    assert told.endswith("What is wrong:\n  nothing")
    assert FIELDS["part_id"] not in told


def test_it_tells_who_else_wrote_and_what_became_of_requests() -> None:
    colleague = _effect(2, foreign=True, user="colleague", marker=None, comment=None, request_seq=None)
    played = _played([_effect(1), colleague])
    played.evidence.books["partsbox"].journal["requests"] = [
        _request(1, faults=["hang"], outcome="hang", client_left=True)
    ]
    told = story(PLAN, played)
    assert "00:03.002  partsbox has: colleague did stock/add of part:bolt" in told
    assert f"is asked stock/add of part:bolt {MARKER} [hang]: hang, and nobody waited for it" in told


def test_it_tells_what_is_wrong() -> None:
    told = story(PLAN, _played([_effect(1), _effect(2)], stuck=["stock.add x is delayed"]))
    assert f"doubled: partsbox: stock.add {KEY} has 2 effects at the vendor" in told
    assert "stuck: stock.add x is delayed" in told


def test_a_doubled_write_a_stuck_command_and_a_broken_world_are_wrong() -> None:
    right = examine(PLAN, lambda _: _played([_effect(1)]))
    doubled = examine(PLAN, lambda _: _played([_effect(1), _effect(2)]))
    stuck = examine(PLAN, lambda _: _played([_effect(1)], stuck=["stock.add x is delayed"]))
    broken = examine(PLAN, _break)
    assert right.wrongs == {}
    assert (list(doubled.wrongs), list(stuck.wrongs), list(broken.wrongs)) == (["doubled"], [STUCK], [BROKEN])
    assert "the world ends" in broken.wrongs[BROKEN][0]


def _break(_plan: Plan) -> Any:
    raise RuntimeError("the world ends")


def _totals(*outcomes: Any, times: int = 60) -> Totals:
    totals = Totals()
    for outcome in outcomes * times:
        totals.add(outcome)
    return totals


def test_totals_add_up_and_name_what_fails() -> None:
    right = examine(PLAN, lambda _: _played([_effect(1)]))
    doubled = examine(PLAN, lambda _: _played([_effect(1), _effect(2)]))
    totals = _totals(right, doubled)
    shown = as_json(totals, 2.0)
    assert (shown["seeds"], shown["commands"], shown["commands_per_second"]) == (120, 120, 60)
    assert shown["wrongs"]["doubled"] == 60
    assert shown["failing_seeds"] == [7] * 60
    assert not totals.is_right


def test_a_run_that_applies_little_or_meets_no_fault_shows_nothing() -> None:
    right = examine(PLAN, lambda _: _played([_effect(1)]))
    refused = examine(PLAN, lambda _: _played([], state="rejected"))
    calm = _played([_effect(1)])
    for fault in calm.evidence.books["partsbox"].faults:
        fault["fired"] = 0
    assert _totals(right).is_right
    assert _totals(refused).trivial() == ["partsbox: only 0 of 60 commands were applied"]
    assert _totals(examine(PLAN, lambda _: calm)).trivial() == ["hang never came about", "kill never came about"]
    assert _totals(refused, times=1).trivial() == []
