"""A process's numbers on a port of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter

from producers.metrics import OutboxCollector
from producers.outbox import Outbox
from producers.outbox_records import Capture, now_ms
from tasks.metrics import serving_metrics
from tasks.settings import SettingsError
from tests.process import accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("stockrelay_probe", "Of this test.", registry=made).inc(3)
    return made


def on(port: int) -> Mapping[str, str]:
    return {"STOCKRELAY_METRICS_PORT": str(port)}


def test_numbers_are_served_while_the_block_runs_and_not_after_it() -> None:
    port = free_port()
    with serving_metrics(on(port), registry()) as address:
        assert address == f"http://127.0.0.1:{port}/metrics"
        answer = requests.get(address, timeout=10)
    assert "stockrelay_probe_total 3.0" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert not accepts(port)


def test_without_a_port_nothing_is_opened() -> None:
    with serving_metrics({}, registry()) as address:
        assert address is None


def test_a_port_that_another_process_has_is_refused_by_name() -> None:
    port = free_port()
    with (
        serving_metrics(on(port), registry()),
        pytest.raises(SettingsError, match=f"STOCKRELAY_METRICS_PORT: {port} at 127.0.0.1 cannot be opened"),
        serving_metrics(on(port), registry()),
    ):
        pass


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"STOCKRELAY_METRICS_PORT": "http"}, "STOCKRELAY_METRICS_PORT: "),
        ({"STOCKRELAY_METRICS_PORT": "65536"}, "STOCKRELAY_METRICS_PORT: "),
        ({"STOCKRELAY_METRICS_PROT": "9807"}, "STOCKRELAY_METRICS_PROT: unknown"),
        ({"STOCKRELAY_METRICS_PORT": "9807", "STOCKRELAY_METRICS_HOST": ""}, "STOCKRELAY_METRICS_HOST: "),
    ],
)
def test_a_wrong_setting_is_named(environ: Mapping[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named), serving_metrics(environ, registry()):
        pass


def test_an_outbox_shows_what_waits_and_since_when(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite3", "dock-1") as outbox:
        made = CollectorRegistry()
        made.register(OutboxCollector(outbox, "dock-1"))
        outbox.store(*(Capture(key, (), now_ms() - 60_000, "{}", key, "{}") for key in ("first", "second")))

        assert made.get_sample_value("stockrelay_outbox_entries", {"producer": "dock-1", "state": "stored"}) == 2
        oldest = made.get_sample_value("stockrelay_outbox_oldest_seconds", {"producer": "dock-1"})
        assert oldest is not None
        assert oldest >= 60
        assert made.get_sample_value("stockrelay_outbox_readable", {"producer": "dock-1"}) == 1


def test_an_outbox_that_cannot_be_read_says_so_and_the_other_numbers_stay(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite3", "dock-1")
    made = registry()
    made.register(OutboxCollector(outbox, "dock-1"))
    outbox.close()

    assert made.get_sample_value("stockrelay_outbox_readable", {"producer": "dock-1"}) == 0
    assert made.get_sample_value("stockrelay_outbox_oldest_seconds", {"producer": "dock-1"}) is None
    assert made.get_sample_value("stockrelay_probe_total") == 3
