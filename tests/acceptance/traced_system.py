"""The whole system with a collector beside it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.acceptance.station_harness import TOKEN
from tests.otlp_collector import collecting
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.stack import API_CLIENT, API_TOKEN, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.otlp_collector import Collector, Seen

PART, SHELF = id_for("part", "R-1K"), id_for("storage", "shelf-3")
COLLECTOR_SECRET: Final = "canaryCollector0099"
ENDED: Final = ("applied", "rejected", "held")
PATIENCE_SECONDS: Final = 60


def tracing_settings(collector: Collector) -> dict[str, str]:
    """Name the collector, a secret for it, and let spans be sent soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{COLLECTOR_SECRET}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


SETTINGS: Final = {
    "STOCKRELAY_PARTSBOX_RATES": "100/1s+20",
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1",
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "5",
    "STOCKRELAY_WORKER_LEASE_SECONDS": "1",
    "STOCKRELAY_WORKER_RECONCILE_AT": "off",
    "STOCKRELAY_WEBHOOKS_TOKENS": f"{API_CLIENT}:{API_TOKEN},ST-01:{TOKEN}",
}


@dataclass(frozen=True, slots=True)
class Traced:
    """The running system and its collector."""

    stack: Stack
    collector: Collector
    folder: Path

    def submit(self, traceparent: str = "", **fields: Any) -> str:
        """Ask for a command, by default for stock; gives its key."""
        about = {"kind": "stock.add", "part_id": PART, "storage_id": SHELF, "quantity": 5}
        answer = requests.post(
            f"{self.stack.api_url}/v1/commands",
            json={**(fields if "kind" in fields else about | fields), "stock_timestamp": time.time_ns() // 1_000_000},
            headers={"Authorization": f"Bearer {API_TOKEN}"} | ({"traceparent": traceparent} if traceparent else {}),
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["key"])

    def command(self, key: str) -> dict[str, Any]:
        """Ask what became of a command."""
        url = f"{self.stack.api_url}/v1/commands/{key}"
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        found: dict[str, Any] = requests.get(url, headers=headers, timeout=PATIENCE_SECONDS).json()
        return found

    def until_ended(self, *keys: str) -> None:
        """Wait until all of them have ended."""
        wait_until(lambda: all(self.command(key)["state"] in ENDED for key in keys), "the commands have ended")

    def fault(self, **fault: Any) -> None:
        """Let the vendor do that to the next request."""
        requests.post(f"{self.stack.control_url}/faults", json=fault, timeout=30).raise_for_status()

    def settled(self, key: str) -> list[Seen]:
        """Wait for the own span of the command; gives all spans of its trace."""

        def is_there(spans: Sequence[Seen]) -> bool:
            return any(span.name.startswith("command ") and span.key == key for span in spans)

        spans = self.collector.await_spans(is_there, "the command's own span arrived")
        (found,) = [span for span in spans if span.name.startswith("command ") and span.key == key]
        return self.collector.of(found.trace)


@contextmanager
def traced_system(folder: Path, settings: Mapping[str, str] | None = None, **options: Any) -> Iterator[Traced]:
    """Run the system beside a collector; of the environment's own settings none is taken."""
    with collecting() as collector:
        given = {**SETTINGS, **tracing_settings(collector), **(settings or {})}
        with Stack(folder, settings=given, environment={}, **options) as stack:
            yield Traced(stack, collector, folder)
