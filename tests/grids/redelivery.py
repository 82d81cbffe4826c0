"""Redelivery: hints that come once, twice and five times, before, while and after their command runs."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from tasks.envelope import queue_of
from tasks.ledger import prefix_of
from tasks.registry import vendors as all_vendors
from tests.grids.cell import Ended, Grid, Seen, applied_once, ended, see
from tests.grids.ways import QUIET_MS, WAYS
from tests.simulation import world
from tests.simulation.expect import command_of
from tests.simulation.misfortune import Misfortune
from tests.simulation.plan import Plan, Trouble
from tests.simulation.redis_client import StoreClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.grids.ways import Way
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import Event
    from tests.simulation.store import Store

#: Of each hint, the first one included.
DELIVERIES: Final = (1, 2, 5)
WORKERS: Final = (1, 3)
#: A trouble of this grid alone: every command that there is by then gets one more hint, running or ended.
REDELIVERED: Final = "redelivered"
#: Workers that stand still find all hints in their queues at once.
STILL_SECONDS: Final = 2.0
#: What a command takes, nearly.
RUN_MS: Final = 300
#: Between looks of one in doubt, and until the last of them.
DOUBT_MS: Final = 11_000
#: When everything is over but the last deliveries, and when these are too.
AFTER_MS: Final = QUIET_MS + 150_000
REST_MS: Final = 8_000

_PUSH: Final = "return redis.call('LPUSH', KEYS[1], ARGV[1])"


class _Redelivering(Misfortune):
    def __init__(self, outside: VirtualLoop, store: Store, *others: Any) -> None:
        super().__init__(outside, store, *others)
        self._pushing = StoreClient(store, outside).register_script(_PUSH)
        self._ways[REDELIVERED] = self._redeliver

    def _redeliver(self) -> None:
        for vendor in all_vendors():
            (steps,) = self._store.look(("XRANGE", prefix_of(vendor) + "events", "-", "+"))
            keys = dict.fromkeys(fields[fields.index("key") + 1] for _, fields in steps)
            for key in keys:
                message = json.dumps({"headers": {"id": key}})
                self._outside.create_task(self._pushing(keys=[queue_of(vendor)], args=[message]))


def _before(_: Way, times: int) -> list[Trouble]:
    places = range(max(WORKERS))
    still = [Trouble(QUIET_MS - 1, "freeze", {"process": place, "seconds": STILL_SECONDS}) for place in places]
    return still + [Trouble(QUIET_MS + 1_000, REDELIVERED)] * (times - 1)


def _while_it_runs(_: Way, times: int) -> list[Trouble]:
    return [Trouble(QUIET_MS + number * RUN_MS // times, REDELIVERED) for number in range(1, times)]


def _in_doubt(way: Way, times: int, **fault: Any) -> list[Trouble]:
    lost = Trouble(0, "vendor_fault", {"vendor": way.vendor, "operation": way.operation, **fault})
    return [lost, *(Trouble(QUIET_MS + number * DOUBT_MS, REDELIVERED) for number in range(1, times))]


def _landed(way: Way, times: int) -> list[Trouble]:
    return _in_doubt(way, times, kind="late_commit", delay_seconds=30.0)


def _never_landed(way: Way, times: int) -> list[Trouble]:
    return _in_doubt(way, times, kind="drop_before")


def _after(_: Way, times: int) -> list[Trouble]:
    return [Trouble(AFTER_MS, REDELIVERED)] * (times - 1)


MOMENTS: Final[dict[str, Callable[[Way, int], list[Trouble]]]] = {
    "before it runs": _before,
    "while it runs": _while_it_runs,
    "in doubt, landed late": _landed,
    "in doubt, never landed": _never_landed,
    "after its end": _after,
}
PLACES: Final = tuple(itertools.product(MOMENTS, DELIVERIES, WORKERS))


def _play_row(row: str, offset: int, stride: int) -> Iterator[Ended]:
    for moment, times, workers in PLACES[offset::stride]:
        with patch.object(world, "Misfortune", _Redelivering):
            seen = see(_plan(WAYS[row], moment, times, workers))
        sends = 2 if moment == "in doubt, never landed" else 1
        place = f"{moment}, {times} times, {workers} workers"
        wrongs = [*applied_once(seen), *_sent(seen, WAYS[row], sends), *_too_few(seen, times)]
        yield ended(row, place, seen, wrongs)


def _plan(way: Way, moment: str, times: int, workers: int) -> Plan:
    end = Trouble(AFTER_MS + REST_MS, "store_clock", {"step_ms": 0})
    events: tuple[Event, ...] = (way.submit(), *MOMENTS[moment](way, times), end)
    return Plan(1, workers, tuple(sorted(events, key=lambda event: event.at_ms)))


def _sent(seen: Seen, way: Way, sends: int) -> Iterator[str]:
    """Of several writes of a kind, what goes wrong at one vendor's request happens to one."""
    most = max((write.entry.attempts for write in seen.of(way.writer)), default=0)
    if most != sends:
        yield f"sent {most} times, not {sends}"


def _too_few(seen: Seen, times: int) -> Iterator[str]:
    """Say where a command did not come to a worker as often as it was to."""
    if seen.played is None:
        return
    key = command_of(seen.plan.submits[0]).key()
    claims = sum(f': claim {{"key": "{key}"' in line for line in seen.played.trace)
    if claims < times:
        yield f"delivered {claims} times, not {times}"


REDELIVERY: Final = Grid("redelivery", "each hint once, twice and five times", tuple(WAYS), _play_row)
