"""What a producer with an outbox counts, for Prometheus."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from producers.outbox import OutboxError
from producers.outbox_records import OutboxState, now_ms
from tasks.metrics import REGISTRY, serving_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from producers.outbox import Outbox

FILES_ENDED: Final = Counter(
    "stockrelay_files_ended",
    "Dropped files that were dealt with, by what they are now.",
    ["feed", "outcome"],
    registry=REGISTRY,
)


@contextmanager
def serving_outbox(outbox: Outbox, producer: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Serve the numbers of this process and its outbox while the block runs; raises as `serving_metrics`."""
    collector = OutboxCollector(outbox, producer)
    REGISTRY.register(collector)
    try:
        with serving_metrics(environ):
            yield
    finally:
        REGISTRY.unregister(collector)


class OutboxCollector(Collector):
    """Reads an outbox in the moment of being asked; one that cannot be read shows `stockrelay_outbox_readable` 0."""

    def __init__(self, outbox: Outbox, producer: str) -> None:
        self._outbox = outbox
        self._producer = producer

    def describe(self) -> list[Metric]:
        """Name nothing ahead: that would read the outbox."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all families."""
        labels = ["producer"]
        readable = GaugeMetricFamily("stockrelay_outbox_readable", "1 while the outbox can be read.", labels=labels)
        entries = GaugeMetricFamily("stockrelay_outbox_entries", "Entries by state.", labels=[*labels, "state"])
        oldest = GaugeMetricFamily("stockrelay_outbox_oldest_seconds", "Age of the oldest that waits.", labels=labels)
        try:
            counts, first = self._outbox.counts(), self._outbox.first_undelivered()
        except OutboxError:
            readable.add_metric([self._producer], 0)
            yield readable
            return
        readable.add_metric([self._producer], 1)
        for state in OutboxState:
            entries.add_metric([self._producer, state.value], counts.get(state, 0))
        oldest.add_metric([self._producer], 0 if first is None else max(0, now_ms() - first.stock_timestamp) / 1000)
        yield from (readable, entries, oldest)
