"""Our worker and a plain Celery worker beside each other: same broker, same vendor, same calls."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any

import requests
from rich.table import Table

from tests.backing import ROOT
from tests.benchmarks.measure import Plain, Relay, Throughput, describe, latencies, recovery, throughput
from tests.process import Process
from tests.sandbox.partsbox import id_for
from tests.stack import WORKER, Stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

#: The vendor answers every call after this; both workers wait for it equally.
VENDOR_MS = 20
#: As the Procfile starts our worker.
CONCURRENCY = 32
LEASE_SECONDS = 5
RECOVERY_COMMANDS = 24
SETTINGS = {
    "STOCKRELAY_PARTSBOX_RATES": "10000/1s+1000",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": str(CONCURRENCY),
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "10",
    "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
}


def measure(
    console: Console, folder: Path, *, rounds: int, commands: int, samples: int, recoveries: int
) -> dict[str, Any]:
    """Measure rounds of throughput in turns, the latency at a low rate, and how fast a killed worker is replaced."""
    sandbox = ("--read-latency-ms", str(VENDOR_MS), "--write-latency-ms", str(VENDOR_MS))
    with Stack(folder, workers=0, settings=SETTINGS, sandbox_options={WORKER: sandbox}, environment={}) as stack:
        parts = _load_parts(stack.control_url, max(commands, samples))
        stack.start_worker()
        with _plain_worker(stack, folder) as process:
            relay, plain = Relay(stack), Plain(stack, process)
            for candidate in (relay, plain):
                throughput(candidate, parts[:50])  # a warm-up that is not counted
            done: dict[str, list[Throughput]] = {relay.name: [], plain.name: []}
            for number in range(rounds):
                for candidate in (relay, plain):
                    done[candidate.name].append(throughput(candidate, parts[:commands]))
                console.print(f"round {number + 1} of {rounds}: {_last(done)}")
            waits = {
                candidate.name: latencies(candidate, parts[:samples], stack.control_url, 20.0)
                for candidate in (relay, plain)
            }
        seconds = [recovery(stack, parts[:RECOVERY_COMMANDS]) for _ in range(recoveries)]
    return {
        "vendor_ms": VENDOR_MS,
        "concurrency": CONCURRENCY,
        "lease_seconds": LEASE_SECONDS,
        "rounds": {name: describe(found) for name, found in done.items()},
        "latency_ms": {name: {"p50": _share(found, 50), "p99": _share(found, 99)} for name, found in waits.items()},
        "recovery_seconds": [round(one, 2) for one in seconds],
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


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"medians; CPU per command; three vendor calls of {VENDOR_MS} ms each", caption=_recovery(figures)
    )
    for heading in ("worker", "commands/s", "spread", "CPU ms", "RSS MiB", "p50 ms", "p99 ms"):
        shown.add_column(heading, justify="left" if heading == "worker" else "right", no_wrap=True)
    for name, rounds in figures["rounds"].items():
        speeds = [one["commands_per_second"] for one in rounds]
        waits = figures["latency_ms"][name]
        shown.add_row(
            name,
            f"{statistics.median(speeds):.0f}",
            f"{min(speeds):.0f} to {max(speeds):.0f}",
            f"{statistics.median(one['cpu_ms_per_command'] for one in rounds):.2f}",
            f"{statistics.median(one['rss_mib'] for one in rounds):.0f}",
            f"{waits['p50']:g}",
            f"{waits['p99']:g}",
        )
    return shown


def _recovery(figures: dict[str, Any]) -> str | None:
    seconds = figures["recovery_seconds"]
    if not seconds:
        return None
    return (
        f"commands of a SIGKILLed worker, claimed and not sent, applied by another after "
        f"{statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (worst of {len(seconds)}); "
        f"lease {LEASE_SECONDS} s"
    )
