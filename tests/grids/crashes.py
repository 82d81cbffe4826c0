"""Crash boundaries: a worker dies at each await of each kind of command, and a new one takes over."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

from tests.grids.cell import Ended, Grid, Seen, applied_once, ended, see
from tests.grids.ways import QUIET_MS, WAYS
from tests.simulation.plan import Plan, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.grids.ways import Way
    from tests.simulation.world import Played

#: The ledger's steps that end a command or make it others.
ENDS: Final = (": settle {", ": expand {")
#: Behind the last of them, until the worker has nothing left to do for the command.
TAIL_SECONDS: Final = 0.05
KILLED: Final = "worker-1 is killed"


def _calm(_: Way) -> tuple[Trouble, ...]:
    return ()


def _answer_lost(way: Way) -> tuple[Trouble, ...]:
    fault = {"vendor": way.vendor, "kind": "accept_then_drop", "operation": way.operation}
    return (Trouble(0, "vendor_fault", fault),)


_MOODS: Final = {"": _calm, ", answer lost": _answer_lost}
_ROWS: Final = {name + mood: (way, troubles(way)) for mood, troubles in _MOODS.items() for name, way in WAYS.items()}


def _play_row(row: str, offset: int, stride: int) -> Iterator[Ended]:
    way, troubles = _ROWS[row]
    calm = see(Plan(1, 1, (*troubles, way.submit())))
    yield ended(row, "no crash", calm, applied_once(calm))
    over = _last_end(calm) + TAIL_SECONDS
    for step in itertools.count(offset, stride):
        seen = see(Plan(1, 1, (*troubles, way.submit(), _kill(step))))
        if seen.played is not None and _killed_at(seen.played) > over:
            return
        yield ended(row, f"step {step}", seen, applied_once(seen))
        if seen.played is None:
            return


def _kill(step: int) -> Trouble:
    return Trouble(QUIET_MS, "kill", {"process": 0, "after_steps": step})


def _last_end(calm: Seen) -> float:
    trace = calm.played.trace if calm.played is not None else []
    return max((_moment(line) for line in trace if any(end in line for end in ENDS)), default=0.0)


def _killed_at(played: Played) -> float:
    """Tell when the worker died; never, where the play was over first."""
    return next((_moment(line) for line in played.trace if line.endswith(KILLED)), math.inf)


def _moment(line: str) -> float:
    return float(line.partition(" ")[0])


CRASHES: Final = Grid("crashes", "a worker dies at every await, a new one takes over", tuple(_ROWS), _play_row)
