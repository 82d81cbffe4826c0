"""Virtual time passes only when nobody has anything to do, and a loop can die, freeze and be counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.simulation.clock import Scheduler, StandstillError
from tests.simulation.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Stage:
    """Two processes on one scheduler; what they do is noted with its moment."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.one, self.two = VirtualLoop(self.scheduler, "one"), VirtualLoop(self.scheduler, "two")
        self.seen: list[tuple[float, str]] = []

    def note(self, what: str) -> None:
        self.seen.append((round(self.scheduler.now, 6), what))

    def run(self, *work: Coroutine[object, object, None], loop: VirtualLoop | None = None) -> None:
        """Run until the given work has ended."""
        tasks = [(loop or self.one).create_task(each) for each in work]
        self.scheduler.run(lambda: all(task.done() for task in tasks))

    async def say(self, what: str, *pauses: float) -> None:
        for pause in pauses:
            await asyncio.sleep(pause)
            self.note(what)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_hour_of_sleep_takes_no_time_and_ends_on_the_second(stage: Stage) -> None:
    stage.run(stage.say("long", 3600.0), stage.say("short", 0.5, 0.5))
    assert stage.seen == [(0.5, "short"), (1.0, "short"), (3600.0, "long")]


def test_what_is_due_at_one_moment_comes_in_the_order_asked_for(stage: Stage) -> None:
    stage.run(*(stage.say(f"{number}", 1.0) for number in range(5)))
    assert [what for _, what in stage.seen] == ["0", "1", "2", "3", "4"]


def test_a_timeout_ends_a_wait_at_its_moment(stage: Stage) -> None:
    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        stage.note("gave up")

    stage.run(wait())
    assert stage.seen == [(2.5, "gave up")]


def test_a_killed_process_does_nothing_any_more_not_even_in_a_finally(stage: Stage) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(2.0)
        finally:
            stage.note("finally")

    stage.one.create_task(work())
    stage.two.call_later(1.0, stage.one.kill)
    stage.run(stage.say("the other goes on", 3.0), loop=stage.two)
    stage.one.dispose()
    assert stage.seen == [(3.0, "the other goes on"), (3.0, "finally")]


def test_what_a_killed_process_would_start_in_a_finally_never_runs(stage: Stage) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(2.0)
        finally:
            await asyncio.shield(asyncio.ensure_future(stage.say("written", 0.0)))

    task = stage.one.create_task(work())
    stage.two.call_later(1.0, stage.one.kill)
    stage.run(stage.say("later", 3.0), loop=stage.two)
    stage.one.dispose()
    assert stage.seen == [(3.0, "later")]
    assert not task.done()


def test_a_frozen_process_goes_on_later_without_knowing(stage: Stage) -> None:
    stage.two.call_later(0.5, stage.one.freeze)
    stage.two.call_later(9.0, stage.one.thaw)
    stage.run(stage.say("frozen", 1.0, 1.0))
    assert stage.seen == [(9.0, "frozen"), (10.0, "frozen")]


def test_an_answer_from_another_process_wakes_only_its_own(stage: Stage) -> None:
    answer = stage.one.create_future()

    async def ask() -> None:
        stage.note(await answer + " in " + str(getattr(asyncio.get_running_loop(), "name", "")))

    stage.two.call_later(1.5, answer.set_result, "heard")
    stage.run(ask())
    assert stage.seen == [(1.5, "heard in one")]


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_of_one_process_are_counted_to_its_end(stage: Stage, steps: int) -> None:
    async def count() -> None:
        while True:
            stage.note("step")
            await asyncio.sleep(0)

    stage.one.create_task(count())
    stage.one.after_steps(steps, stage.one.kill)
    stage.run(stage.say("after", 1.0), loop=stage.two)
    assert [what for _, what in stage.seen] == ["step"] * steps + ["after"]
    stage.one.dispose()


def test_who_goes_on_without_letting_time_pass_is_named(stage: Stage) -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110  that is what goes wrong
            await asyncio.sleep(0)

    with pytest.raises(StandstillError, match=r"at 0\.000000 s .* without time passing"):
        stage.run(spin())
    stage.one.kill()
    stage.one.dispose()


def test_a_world_in_which_nothing_is_left_to_wait_for_says_so(stage: Stage) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="nothing is left to wait for"):
        stage.run(wait())
    stage.one.kill()
    stage.one.dispose()


def test_a_failure_that_somebody_notes_ends_the_run(stage: Stage) -> None:
    stage.one.call_later(1.0, stage.scheduler.failures.append, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        stage.run(stage.say("never", 2.0))
    assert stage.seen == []
    stage.one.kill()
    stage.one.dispose()
