"""Grids played in several processes, row by row."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Final

from tests.grids.ambiguity import AMBIGUITY
from tests.grids.crashes import CRASHES
from tests.grids.late_commits import BEYOND_SETTLING, LATE_COMMITS
from tests.grids.redelivery import REDELIVERY
from tests.grids.turned_away import TURNED_AWAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.grids.cell import Ended, Grid

#: By name, as they are shown.
GRIDS: Final = {
    grid.name: grid for grid in (CRASHES, LATE_COMMITS, BEYOND_SETTLING, AMBIGUITY, TURNED_AWAY, REDELIVERY)
}


def play_row(name: str, row: str, number: int = 0, stride: int = 1) -> list[Ended]:
    """Play one row: of its cells every `stride`-th, beginning at another one in each row."""
    return list(GRIDS[name].play_row(row, number % stride, stride))


def sample(name: str, rows: int, stride: int) -> list[Ended]:
    """Play a fixed sample in this process: every so-many-th row of a grid, and every `stride`-th cell of these."""
    numbered = list(enumerate(GRIDS[name].rows))
    return [cell for number, row in numbered[::rows] for cell in play_row(name, row, number, stride)]


def run(
    grid: Grid, rows: list[str], stride: int, jobs: int, advance: Callable[[list[Ended]], None] = lambda _: None
) -> list[Ended]:
    """Play rows of a grid in `jobs` processes, or in this one; `advance` is called with the cells of each row."""
    asked = {row: number for number, row in enumerate(grid.rows) if row in rows}
    found: dict[str, list[Ended]] = {}
    for row, cells in _rows(grid.name, asked, stride, jobs):
        found[row] = cells
        advance(cells)
    return [cell for row in asked for cell in found[row]]


def _rows(name: str, asked: Mapping[str, int], stride: int, jobs: int) -> Iterator[tuple[str, list[Ended]]]:
    if jobs == 1:
        for row, number in asked.items():
            yield row, play_row(name, row, number, stride)
        return
    # spawned: each process has a server of its own, and nothing of this one's event loops and handlers
    context = multiprocessing.get_context("spawn")
    # the parent hears Ctrl-C and ends them
    ignoring = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=signal.signal, initargs=ignoring) as pool:
        playing = {pool.submit(play_row, name, row, number, stride): row for row, number in asked.items()}
        for played in as_completed(playing):
            yield playing[played], played.result()
