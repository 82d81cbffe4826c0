"""A loop that polls sleeps on while its look would find nothing, and never beyond what comes due."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.clock import Scheduler
from tests.simulation.idling import (
    LONGEST_NAP_SECONDS,
    LONGEST_SECONDS,
    NEVER,
    SLOT_GAP_SECONDS,
    UNASKED_SECONDS,
    Idling,
    slots_stay_taken,
)
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import START_MS
from workers.limiter import NAP_OF
from workers.recovery import LONGEST_GAP_SECONDS
from workers.redrive import LONGEST_GAP_SECONDS as REDRIVE_GAP_SECONDS


class Stage:
    """One loop that looks once."""

    def __init__(self, name: str = "recovery of partium", gap_seconds: float = LONGEST_GAP_SECONDS) -> None:
        self.scheduler = Scheduler()
        self.idling = self.scheduler.idling = Idling(self.scheduler)
        self.loop = VirtualLoop(self.scheduler, "worker")
        self._name = name
        self._gap_seconds = gap_seconds

    def learn_at(self, moment: float, due: float | None) -> None:
        """Let it be known from a moment on when something comes due."""
        due_ms = NEVER if due is None else str(START_MS + int(due * 1000))
        self.loop.call_at(moment, self.idling.learn, "partium", due_ms, 0)

    def look(self) -> float:
        """Give when the next look comes, one that began at 0.1 s."""

        async def poll() -> None:
            await asyncio.sleep(0.1)
            await asyncio.sleep(self._gap_seconds)

        task = self.loop.create_task(poll(), name=self._name)
        self.scheduler.run(task.done)
        return round(self.scheduler.now, 3)


@pytest.mark.parametrize(
    ("due", "looks_at"),
    [
        pytest.param(None, 0.1 + LONGEST_SECONDS, id="never: at last all the same"),
        pytest.param(0.0, 0.35, id="long ago: at the next step"),
        pytest.param(0.2, 0.35, id="before the next step: at the next step"),
        pytest.param(7.0, 7.1, id="later: at the step behind it"),
    ],
)
def test_a_look_comes_at_the_step_behind_what_is_due(due: float | None, looks_at: float) -> None:
    stage = Stage()
    stage.learn_at(0.0, due)
    assert stage.look() == looks_at


def test_something_that_comes_due_earlier_wakes_a_sleeper() -> None:
    stage = Stage()
    stage.learn_at(0.0, 50.0)
    stage.learn_at(20.0, 22.0)
    assert stage.look() == 22.1


def test_something_that_was_put_off_lets_a_sleeper_sleep_on() -> None:
    stage = Stage()
    stage.learn_at(0.0, 10.0)
    stage.learn_at(5.0, 40.0)
    assert stage.look() == 40.1


def test_what_nobody_has_looked_for_yet_is_looked_for_at_the_next_step() -> None:
    assert Stage().look() == 0.35


def test_everybody_looks_when_the_clock_was_set() -> None:
    stage = Stage()
    stage.learn_at(0.0, 50.0)
    stage.loop.call_at(9.0, stage.idling.wake_all)
    assert stage.look() == 9.1


def test_loops_for_which_a_play_has_nothing_to_do_hardly_look() -> None:
    assert Stage("redrive of partium", REDRIVE_GAP_SECONDS).look() == 0.1 + UNASKED_SECONDS


def test_a_pause_that_is_no_idle_look_is_not_made_longer() -> None:
    assert Stage("recovery of partium", 0.2).look() == 0.3
    assert Stage("somebody else", LONGEST_GAP_SECONDS).look() == 0.35


class Limiting:
    """A limiter's poller: it asks for a slot, is refused, and naps."""

    key = "sr:{partium}:limit:state"

    def __init__(self, gap_seconds: float = SLOT_GAP_SECONDS, name: str = NAP_OF) -> None:
        self.scheduler = Scheduler()
        self.idling = self.scheduler.idling = Idling(self.scheduler)
        self.loop = VirtualLoop(self.scheduler, "worker")
        self._name = name
        self._gap_seconds = gap_seconds

    def asks_again(self) -> float:
        """Give how long it napped."""

        async def nap() -> None:
            await asyncio.sleep(self._gap_seconds)

        task = self.loop.create_task(nap(), name=self._name + self.key)
        self.scheduler.run(task.done)
        return round(self.scheduler.now, 3)


def test_a_limiter_naps_on_while_all_slots_stay_taken_but_never_so_long_that_it_loses_its_turn() -> None:
    limiting = Limiting()
    limiting.idling.learn(limiting.key, NEVER, 0)
    assert limiting.asks_again() == LONGEST_NAP_SECONDS


@pytest.mark.parametrize("due_ms", [50, 60], ids=["between two steps", "at a step"])
def test_a_limiter_asks_at_the_step_behind_the_end_of_a_slots_life(due_ms: int) -> None:
    limiting = Limiting()
    limiting.idling.learn(limiting.key, str(START_MS + due_ms), 0)
    assert limiting.asks_again() == 0.06


def test_a_limiter_asks_at_the_next_step_when_a_slot_was_given_back() -> None:
    limiting = Limiting()
    limiting.idling.learn(limiting.key, NEVER, 0)
    limiting.loop.call_at(0.05, limiting.idling.learn, limiting.key, "0", 0)
    assert limiting.asks_again() == 0.06


@pytest.mark.parametrize(
    "limiting",
    [
        pytest.param(Limiting(gap_seconds=0.015), id="it waits for its rate"),
        pytest.param(Limiting(name="somebody else "), id="it is no limiter"),
    ],
)
def test_other_naps_are_not_made_longer(limiting: Limiting) -> None:
    limiting.idling.learn(limiting.key, NEVER, 0)
    assert limiting.asks_again() <= SLOT_GAP_SECONDS


@pytest.mark.parametrize(
    ("answer", "stays"),
    [
        pytest.param([1, 20_000, "all slots taken", 0, 0, 0, 0], True, id="all slots taken"),
        pytest.param([1, 20_000, "probing after a 429", 0, 2, 0, 0], True, id="probing"),
        pytest.param([1, 12_000, "all slots taken", 0, 0, 0, 0], False, id="a slot ends sooner"),
        pytest.param([1, 20_000, "another process first", 0, 0, 0, 0], False, id="another process first"),
        pytest.param([1, 0, "", 0, 0, 0, 5], False, id="granted"),
        pytest.param([1], False, id="released"),
        pytest.param("text", False, id="another script"),
    ],
)
def test_only_a_refusal_that_lasts_lets_a_limiter_nap_on(answer: object, stays: bool) -> None:  # noqa: FBT001
    assert slots_stay_taken(answer) is stays
