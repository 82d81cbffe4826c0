"""Late commits and reads behind them: within the stated assumption nothing is doubled; beyond it nothing is silent."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

from tasks.registry import command_type
from tests.checker.effects import ABSOLUTE
from tests.grids.cell import Ended, Grid, Seen, applied_once, ended, ending_of, see
from tests.grids.ways import WAYS
from tests.simulation.examine import BROKEN, STUCK
from tests.simulation.plan import Plan, Trouble
from tests.simulation.vendors import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.grids.ways import Way
    from tests.simulation.world import Played

#: When a vendor commits behind the closed connection, and how far its reads are behind its commits: of its settle
#: time, in hundredths.
DELAYS: Final = (0, 10, 30, 50, 80, 99)
LAGS: Final = (0, 1, 10, 40, 90)
#: Both together.
WITHIN: Final = 99
#: Who closes the connection: the vendor, or we when we have waited long enough.
CLOSERS: Final = ("closing", "client_left")
#: An answer, and reads that do not show yet what it confirms.
ANSWERED: Final = "an answer"
PLACES: Final = (
    *((closer, delay, lag) for closer, delay, lag in itertools.product(CLOSERS, DELAYS, LAGS) if delay + lag <= WITHIN),
    *((ANSWERED, 0, lag) for lag in LAGS if lag),
)
#: Too late, or seen too late.
BEYOND: Final = (
    *((closer, delay, lag) for closer in CLOSERS for delay, lag in ((105, 0), (150, 0), (300, 0), (0, 150), (80, 40))),
    (ANSWERED, 0, 105),
    (ANSWERED, 0, 150),
)
#: When the latest of them is over; from then to the time at which the reconciler runs, and what it needs.
OVER_MS: Final = 400_000
TO_NIGHT_MS: Final = 66_600_000
NIGHT_MS: Final = 60_000
#: How its report shows in the trace.
KEEPS: Final = ":reconcile: keep "


def _plan(way: Way, closer: str, delay: int, lag: int) -> Plan:
    settle_seconds = settings_of(way.vendor).settle_seconds
    late = {"kind": "late_commit", "delay_seconds": delay * settle_seconds / 100, "after": closer}
    troubles = []
    if closer != ANSWERED:
        troubles.append(Trouble(0, "vendor_fault", {"vendor": way.vendor, "operation": way.operation, **late}))
    if lag:
        stale = {"kind": "stale_read", "operation": "*", "count": None, "lag_seconds": lag * settle_seconds / 100}
        troubles.append(Trouble(0, "vendor_fault", {"vendor": way.vendor, **stale}))
    return Plan(1, 1, (*troubles, way.submit()))


def _place(closer: str, delay: int, lag: int) -> str:
    return f"committed {delay} % behind {closer}, read {lag} % later"


def _within(row: str, offset: int, stride: int) -> Iterator[Ended]:
    way = WAYS[row]
    for place in PLACES[offset::stride]:
        seen = see(_plan(way, *place))
        yield ended(row, _place(*place), seen, [*applied_once(seen), *_sent_once(seen, way)])


def _sent_once(seen: Seen, way: Way) -> Iterator[str]:
    yield from (f"sent more than once: {write}" for write in seen.of(way.writer) if write.entry.attempts != 1)


def _beyond(row: str, offset: int, stride: int) -> Iterator[Ended]:
    way = WAYS[row]
    for place in BEYOND[offset::stride]:
        seen = see(_reconciled(_plan(way, *place)))
        silent = tuple(_silent(seen))
        ending = "wrong" if silent else _ending_beyond(seen, way)
        yield Ended(row, _place(*place), ending, silent, seen.plan.to_json() if silent else "")


def _reconciled(plan: Plan) -> Plan:
    """Let the night come when everything is over."""
    night = Trouble(OVER_MS, "store_clock", {"step_ms": TO_NIGHT_MS})
    morning = Trouble(OVER_MS + NIGHT_MS, "store_clock", {"step_ms": 0})
    return Plan(plan.seed, plan.processes, (*plan.events, night, morning))


def _ending_beyond(seen: Seen, way: Way) -> str:
    """Name the worst, where nothing was silent."""
    if seen.outcome.verdict.doubled:
        return "doubled, detected"
    if any(write.entry.state != "applied" for write in seen.of(way.writer)):
        return ending_of(seen.of(way.writer))
    sent = max((write.entry.attempts for write in seen.of(way.writer)), default=0)
    return "applied, written again, nothing new" if sent > 1 else "applied"


def _silent(seen: Seen) -> Iterator[str]:
    """Name what nobody would hear of: all but a doubled write that the reconciler tells as one."""
    for name in (BROKEN, STUCK, "lost", "wrong_state", "over_rate", "over_concurrency"):
        yield from (f"{name}: {each}" for each in seen.outcome.wrongs.get(name, ()))
    told = set() if seen.played is None else _told_doubled(seen.played)
    for write in seen.writes:
        twice = write.effects > 1 and command_type(write.entry.kind).effect not in ABSOLUTE
        if twice and write.entry.key not in told:
            yield f"doubled, and the reconciler does not tell: {write}"


def _told_doubled(played: Played) -> set[str]:
    """Give the keys of what the reconcilers' reports call doubled."""
    texts = [line.partition(KEEPS)[2].rpartition(" -> ")[0] for line in played.trace if KEEPS in line]
    found = [json.loads(text[text.index("{") :]) for text in texts]
    return {each["key"] for report in found for each in report["differences"] if each["finding"] == "double"}


LATE_COMMITS: Final = Grid(
    "late-commits", "no answer; committed and shown within the settle time", tuple(WAYS), _within
)
BEYOND_SETTLING: Final = Grid("beyond", "outside the assumption: committed or shown too late", tuple(WAYS), _beyond)
