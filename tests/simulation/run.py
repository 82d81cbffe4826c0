"""Many seeds in several processes, and the smallest failing plans of them told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.simulation.examine import Outcome, Totals, examine
from tests.simulation.generate import generate
from tests.simulation.minimise import minimise
from tests.simulation.story import story
from tests.simulation.world import play, play_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.plan import Plan
    from tests.simulation.world import Played

DEFAULT_SEEDS: Final = 500
#: Seeds that a process plays between two reports.
PORTION: Final = 48
#: For each process, so that none waits long for the other's last; where there are so many seeds.
LEAST_PORTIONS: Final = 2


def play_seeds(seeds: Sequence[int]) -> list[Outcome]:
    """Play and judge the plans of these seeds, in this process."""
    began = time.process_time()
    plans = [generate(seed) for seed in seeds]
    found = [_judged(plan, left) for plan, left in zip(plans, play_together(plans), strict=True)]
    cpu_seconds = (time.process_time() - began) / len(found)
    return [replace(outcome, cpu_seconds=cpu_seconds) for outcome in found]


def _judged(plan: Plan, left: Played | Exception) -> Outcome:
    def give(_: Plan) -> Played:
        if isinstance(left, Exception):
            raise left
        return left

    return examine(plan, give)


def run(seeds: Sequence[int], jobs: int, advance: Callable[[Totals], None] = lambda _: None) -> Totals:
    """Play all seeds and add up what came of them; `advance` is called whenever more are done."""
    totals = Totals()
    for outcome in _outcomes(seeds, jobs):
        totals.add(outcome)
        advance(totals)
    totals.failing.sort(key=lambda outcome: outcome.seed)
    return totals


def _outcomes(seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    size = max(1, min(PORTION, len(seeds) // (jobs * LEAST_PORTIONS)))
    portions = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    if jobs == 1:
        for portion in portions:
            yield from play_seeds(portion)
        return
    # spawned: each process has a server of its own, and nothing of this one's event loops and handlers
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_interrupts_alone) as pool:
        for played in as_completed([pool.submit(play_seeds, portion) for portion in portions]):
            yield from played.result()


def _leave_interrupts_alone() -> None:
    # the parent hears Ctrl-C and ends them
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def tell_failing(outcome: Outcome) -> str:
    """Make the failing plan as small as it goes and tell it; what fails must be of a sort that failed before."""
    smallest = minimise(generate(outcome.seed), fails_as(outcome, play))
    try:
        told = story(smallest, play(smallest))
    except Exception:  # noqa: BLE001  a world that breaks leaves nothing but this to tell
        told = traceback.format_exc()
    return f"{told}\nThe plan, for --plan: {smallest.to_json()}"


def fails_as(outcome: Outcome, player: Callable[[Plan], Played]) -> Callable[[Plan], bool]:
    """Give the question whether a plan shows a wrong of the same sort."""
    return lambda plan: bool(examine(plan, player).wrongs.keys() & outcome.wrongs.keys())


def cores() -> int:
    """Tell how many processes can work at once here."""
    return len(os.sched_getaffinity(0))
