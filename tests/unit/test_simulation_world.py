"""A play runs the real executor to an end that can be judged, and everything that a plan may bring does happen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.checker.judge import judge
from tests.simulation import warehouse, world
from tests.simulation.expect import command_of
from tests.simulation.plan import Event, Plan, Submit, Trouble
from tests.simulation.surroundings import BrokenError
from tests.simulation.world import Played, play, play_together
from workers.executor import Executor
from workers.recovery import LONGEST_GAP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

BOLT = warehouse.part_id("bolt")
SHELF = warehouse.storage_id("line-1")


def _adds(count: int, gap_ms: int = 200) -> list[Submit]:
    fields = {"part_id": BOLT, "storage_id": SHELF, "quantity": 1}
    return [
        Submit(number * gap_ms, "partsbox", "stock.add", fields, "ST-01", number * gap_ms) for number in range(count)
    ]


def _plan(*troubles: Trouble, commands: Sequence[Submit] = (), processes: int = 2) -> Plan:
    events: list[Event] = sorted((*(commands or _adds(8)), *troubles), key=lambda event: event.at_ms)
    return Plan(11, processes, tuple(events))


def _wrongs(played: Played) -> dict[str, list[str]]:
    found = judge(played.evidence, must_fire=True).wrongs()
    return {name: [str(each) for each in findings] for name, findings in found.items() if findings}


def _fired(played: Played) -> dict[str, int]:
    return {fault["kind"]: fault["fired"] for books in played.evidence.books.values() for fault in books.faults}


def _states(played: Played) -> list[str]:
    return [entry.state for told in played.evidence.told.values() for entry in told.entries]


def test_a_calm_play_applies_every_command_once_and_in_order() -> None:
    played = play(_plan())
    assert _wrongs(played) == {}
    assert played.stuck == []
    assert _states(played) == ["applied"] * 8
    assert len(played.evidence.books["partsbox"].journal["effects"]) == 8


@pytest.mark.parametrize(
    ("what", "options", "seen"),
    [
        pytest.param("kill", {"process": 0, "after_steps": 40}, "is killed", id="kill"),
        pytest.param("freeze", {"process": 0, "seconds": 20.0}, "freezes for 20 s", id="freeze"),
        pytest.param("stop", {"process": 1}, "is told to stop", id="stop"),
        pytest.param("store_cut", {"process": 0, "when": "before", "calls": 3}, "off before", id="cut before"),
        pytest.param("store_cut", {"process": 0, "when": "after", "calls": 3}, "off behind", id="cut behind"),
        pytest.param("store_away", {"seconds": 3.0}, "store breaks off", id="store away"),
        pytest.param("store_restart", {}, "store breaks off", id="store restart"),
        pytest.param("store_clock", {"step_ms": -5_000}, "store_clock", id="store clock"),
        pytest.param("hints_lost", {"vendor": "partsbox"}, "hints_lost", id="hints lost"),
        pytest.param("hints_doubled", {"vendor": "partsbox"}, "hints_doubled", id="hints doubled"),
        pytest.param("vendor_clock", {"vendor": "partsbox", "step_ms": 3_600_000}, "vendor_clock", id="vendor clock"),
    ],
)
@pytest.mark.parametrize("processes", [1, 2], ids=["one worker", "two workers"])
def test_what_befalls_workers_and_store_happens_and_harms_nothing(
    what: str, options: dict[str, Any], seen: str, processes: int
) -> None:
    played = play(_plan(Trouble(450, what, options), processes=processes))
    assert any(seen in line for line in played.trace)
    assert _fired(played)[what] == 1
    assert _wrongs(played) == {}
    assert _states(played) == ["applied"] * 8


@pytest.mark.parametrize(
    "kind", ["accept_then_drop", "drop_before", "late_commit", "truncated", "garbage", "hang", "status"]
)
def test_a_vendors_fault_is_looked_up_and_harms_nothing(kind: str) -> None:
    options = {"vendor": "partsbox", "kind": kind, "operation": "stock/add", "count": 2}
    played = play(_plan(Trouble(100, "vendor_fault", options)))
    assert _fired(played)[kind] == 2
    assert _wrongs(played) == {}
    assert _states(played) == ["applied"] * 8


def test_hints_that_were_lost_are_published_again() -> None:
    still = Trouble(0, "freeze", {"process": 0, "seconds": 2.0})
    played = play(_plan(still, Trouble(1_900, "hints_lost", {"vendor": "partsbox"}), processes=1))
    assert any('"republished": 1' in line for line in played.trace)
    assert played.virtual_seconds > 10
    assert _wrongs(played) == {}


def test_hints_that_are_there_twice_are_claimed_twice_and_applied_once() -> None:
    still = Trouble(0, "freeze", {"process": 0, "seconds": 2.0})
    played = play(_plan(still, Trouble(1_900, "hints_doubled", {"vendor": "partsbox"}), processes=1))
    assert sum(" claim " in line for line in played.trace) > 8
    assert _wrongs(played) == {}


def test_a_worker_that_is_told_to_stop_ends_what_it_has_begun() -> None:
    slow = {"vendor": "partsbox", "kind": "delay", "operation": "stock/add", "delay_seconds": 10.0}
    stop = Trouble(3_000, "stop", {"process": 0})
    played = play(_plan(Trouble(0, "vendor_fault", slow), stop, commands=_adds(1), processes=1))
    steps = [step.state for step in played.evidence.told["partsbox"].steps]
    assert steps == ["accepted", "ready", "sending", "applied"]
    assert any("worker-2 starts" in line for line in played.trace)


def test_the_connections_of_a_killed_worker_close() -> None:
    slow = {"vendor": "partsbox", "kind": "delay", "operation": "stock/add", "delay_seconds": 15.0}
    kill = Trouble(5_000, "kill", {"process": 0, "after_steps": 0})
    played = play(_plan(Trouble(0, "vendor_fault", slow), kill, commands=_adds(1), processes=1))
    requests = played.evidence.books["partsbox"].journal["requests"]
    assert [request["client_left"] for request in requests if request["operation"] == "stock/add"] == [True]
    assert _wrongs(played) == {}


def test_maintenance_ends_and_nothing_is_lost_by_it() -> None:
    fields = [{"part_id": f"P-{number}", "name": {"en": f"word{number}"}} for number in range(1, 6)]
    feed = [
        Submit(number * 500, "partium", "catalog.upsert_part", each, "feed", number * 500)
        for number, each in enumerate(fields)
    ]
    played = play(_plan(Trouble(100, "maintenance", {"seconds": 30.0}), commands=feed))
    assert _wrongs(played) == {}
    assert _states(played) == ["applied"] * 5
    assert any(" answers " in line and " 503 " in line for line in played.trace)


def test_tokens_that_expire_are_fetched_anew() -> None:
    rows = ["10R", "1K", "10K"]
    cells = [
        Submit(
            number * 3_000,
            "openbom",
            "bom.set_property",
            {"bom_id": warehouse.BOARD, "part_number": row, "property": "Bin", "value": f"bin{number}"},
            "feed",
            number * 3_000,
        )
        for number, row in enumerate(rows)
    ]
    played = play(_plan(Trouble(2_000, "tokens_expired"), commands=cells))
    assert _wrongs(played) == {}
    assert played.evidence.books["openbom"].state["logins"] == 2


def test_a_held_command_is_decided_by_a_person_so_that_those_behind_it_go_on() -> None:
    options = {"vendor": "partsbox", "kind": "comment_stripped", "operation": "stock/add", "count": 1}
    lost = {"vendor": "partsbox", "kind": "accept_then_drop", "operation": "stock/add", "count": 1}
    played = play(_plan(Trouble(0, "vendor_fault", options), Trouble(0, "vendor_fault", lost)))
    states = _states(played)
    assert states.count("held") == 1
    assert states.count("applied") == 7
    assert _wrongs(played) == {}


def test_the_same_plan_leaves_the_same_trace_and_another_seed_another() -> None:
    plan = _plan(Trouble(300, "kill", {"process": 0, "after_steps": 25}), Trouble(700, "store_restart"))
    first, second = play(plan), play(plan)
    assert first.trace == second.trace
    assert first.digest == second.digest
    assert play(Plan(12, plan.processes, plan.events)).digest != first.digest


def test_an_error_that_a_worker_logs_breaks_the_play(monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(Executor, "_step", break_down)
    before = logging.root.handlers[:], logging.root.manager.disable
    with pytest.raises(BrokenError, match="ZeroDivisionError"):
        play(_plan())
    assert (logging.root.handlers, logging.root.manager.disable) == before


def test_an_executor_that_never_ends_leaves_its_commands_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    async def do_nothing(*_: Any) -> str:
        return "nothing"

    monkeypatch.setattr(Executor, "deliver", do_nothing)
    monkeypatch.setattr(world, "PATIENCE_SECONDS", 200.0)
    played = play(_plan(commands=_adds(2)))
    assert len(played.stuck) == 2
    assert 200 < played.virtual_seconds < 210


def test_idle_looks_are_left_out() -> None:
    played = play(_plan(commands=_adds(2, gap_ms=600_000), processes=1))
    looks = played.virtual_seconds / LONGEST_GAP_SECONDS * len(warehouse.FIXTURES)
    assert len(played.trace) < looks / 10
    assert _states(played) == ["applied"] * 2


def test_plays_side_by_side_are_as_they_are_alone() -> None:
    troubles = (Trouble(300, "kill", {"process": 0, "after_steps": 25}), Trouble(700, "store_restart"))
    plans = [Plan(seed, 2, _plan(*troubles).events) for seed in range(3)]
    together = play_together(plans)
    assert [played.trace for played in together if isinstance(played, Played)] == [play(plan).trace for plan in plans]


def test_a_play_that_breaks_breaks_none_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Executor._step

    async def break_down(self: Executor, work: Any) -> str:
        if work.record.key == spoilt:
            raise ZeroDivisionError
        return await step(self, work)

    other = Submit(0, "partsbox", "stock.add", {**_adds(1)[0].fields, "quantity": 7}, "ST-02", 0)
    spoilt = command_of(other).key()
    monkeypatch.setattr(Executor, "_step", break_down)
    plans = [_plan(), _plan(commands=[other]), _plan()]
    first, broken, last = play_together(plans)
    assert isinstance(broken, BrokenError)
    assert isinstance(first, Played)
    assert isinstance(last, Played)
    assert _states(first) == _states(last) == ["applied"] * 8


def test_more_plays_than_go_on_at_once_all_end_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "AT_ONCE", 2)
    counts = [3, 1, 2, 5, 1]
    played = play_together([_plan(commands=_adds(count)) for count in counts])
    assert [len(_states(each)) for each in played if isinstance(each, Played)] == counts
