"""How everything stands, as Prometheus' families of numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tasks.records import DamagedRecord, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

    from workers.cli.standing import Status, VendorStatus

_MEMORY: Final = {
    "used_memory": "Memory that Redis uses, the ledger's among it.",
    "max_memory": "Memory that Redis may use; 0 for all there is.",
}


def _age(one: VendorStatus, now_ms: int) -> float:
    if one.oldest is None or isinstance(one.oldest, DamagedRecord):
        return 0.0
    return (now_ms - one.oldest.accepted_ms) / 1000


def _blocked_seconds(one: VendorStatus, now_ms: int) -> float:
    return max((now_ms - lane.since_ms for lane in one.blocked if lane.since_ms is not None), default=0) / 1000


def _allowed(one: VendorStatus) -> float:
    return min((rate.limit / rate.period_seconds for rate in one.limits.rates), default=float("inf"))


def _is_paused(one: VendorStatus) -> bool:
    return one.limits.operator_paused or one.limits.paused_until_ms is not None


#: name, help, reading of one vendor
_OF_VENDORS: Final[tuple[tuple[str, str, Callable[[VendorStatus, int], float]], ...]] = (
    ("dead_letters", "Commands that wait for a person.", lambda one, _: one.dead_letters),
    ("oldest_open_seconds", "Age of the command accepted first of those that are open.", _age),
    ("blocked_lanes", "Lanes in which others wait behind a stuck command.", lambda one, _: len(one.blocked)),
    ("blocked_lane_seconds", "For how long the longest blocked lane has been.", _blocked_seconds),
    ("blocked_commands", "Commands that wait behind a stuck one.", lambda one, _: sum(b.behind for b in one.blocked)),
    ("limit_in_flight", "Slots that are taken.", lambda one, _: one.limits.in_flight),
    ("limit_ghosts", "Slots kept for requests of unknown outcome.", lambda one, _: one.limits.ghosts),
    ("limit_concurrency", "Slots that there are.", lambda one, _: one.limits.concurrency),
    ("limit_rate", "Requests a second that the rates allow for long.", lambda one, _: _allowed(one)),
    ("limit_factor", "Part of the rates in use since the last 429; 1 for all.", lambda one, _: one.limits.factor),
    ("limit_paused", "1 while nothing is granted.", lambda one, _: _is_paused(one)),
    ("limit_paused_by_operator", "1 while a person has paused it.", lambda one, _: one.limits.operator_paused),
)


class StandingCollector(Collector):
    """Shows the last look; `found` is set by whoever looks, None while Redis cannot be asked."""

    def __init__(self) -> None:
        self.found: tuple[Status, Mapping[str, int]] | None = None

    def describe(self) -> list[Metric]:
        """Name nothing ahead: it may be that nothing can be shown yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all families."""
        found = self.found
        yield GaugeMetricFamily("stockrelay_redis_up", "1 while Redis answers.", float(found is not None))
        if found is None:
            return
        status, memory = found
        for name, value in memory.items():
            yield GaugeMetricFamily(f"stockrelay_redis_{name}_bytes", _MEMORY[name], value)
        if status.durability is not None:
            text = "1 when Redis keeps what it acknowledged."
            yield GaugeMetricFamily("stockrelay_redis_durable", text, float(status.durability.is_durable))
        if status.parked is not None:
            yield GaugeMetricFamily("stockrelay_parked_messages", "Messages that never reached a task.", status.parked)
        yield from _of_vendors(status)
        yield _processes(status)


def memory_of(info: Mapping[str, Any]) -> dict[str, int]:
    """Take what is shown out of Redis' own INFO."""
    names = {"used_memory": "used_memory", "max_memory": "maxmemory"}
    return {name: int(info[asked]) for name, asked in names.items() if asked in info}


def _of_vendors(status: Status) -> Iterator[Metric]:
    commands = GaugeMetricFamily("stockrelay_commands", "Commands by state.", labels=["vendor", "state"])
    granted = CounterMetricFamily("stockrelay_limit_granted", "Permits granted, by all processes.", labels=["vendor"])
    waits = CounterMetricFamily("stockrelay_limit_waits", "Permits that had to be waited for.", labels=["vendor"])
    for one in status.vendors:
        for state in State:
            commands.add_metric([one.vendor, state.value], one.counts.get(state, 0))
        granted.add_metric([one.vendor], one.limits.granted_total)
        waits.add_metric([one.vendor], one.limits.waits_total)
    yield from (commands, granted, waits)
    for name, text, read in _OF_VENDORS:
        family = GaugeMetricFamily(f"stockrelay_{name}", text, labels=["vendor"])
        for one in status.vendors:
            family.add_metric([one.vendor], float(read(one, status.now_ms)))
        yield family


def _processes(status: Status) -> Metric:
    family = GaugeMetricFamily(
        "stockrelay_processes",
        "Processes seen within the last minute; silent ones are frozen, cut off or dead.",
        labels=["role", "serves", "silent"],
    )
    seen = Counter(
        (one.process.role, serves, str(one.is_silent).lower())
        for one in status.processes
        for serves in (one.process.serves if one.process.role == "worker" else ("",))
    )
    for labels, count in seen.items():
        family.add_metric(list(labels), count)
    return family
