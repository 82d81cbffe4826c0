"""The station: how long a scan takes from its last byte to the operator's answer, which comes after the disk's."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from producers.scanner.commands import Instruction, encode
from tests.acceptance.station_harness import SHELF, Bench, FakeRelay, part, pieces
from tests.process import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from tests.acceptance.station_harness import StationProcess

ADD: Final = encode(Instruction.ADD)
_MS: Final = 1000


@dataclass(frozen=True)
class Answering:
    """One kind of scan, measured over `scans`."""

    name: str
    scans: int
    #: From the last byte leaving the scanner to the answer on the screen, both on this machine.
    p50_ms: float
    p99_ms: float
    slowest_ms: float


def measure(console: Console, folder: Path, *, scans: int) -> dict[str, Any]:
    """Scan so many new parts and their quantities over TCP while all is delivered, and again without a relay."""
    answers = asyncio.run(_measure(folder, scans))
    for one in answers:
        console.print(f"{one.name}: p50 {one.p50_ms:g} ms, p99 {one.p99_ms:g} ms")
    return {"answers": [asdict(one) for one in answers]}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(title="a station's answer after a scan's last byte, on disk before it is shown")
    for heading in ("", "scans", "p50 ms", "p99 ms", "slowest ms"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for one in figures["answers"]:
        shown.add_row(*(f"{value:g}" if name != "name" else value for name, value in one.items()))
    return shown


async def _measure(folder: Path, scans: int) -> list[Answering]:
    relay = FakeRelay()
    bench = Bench(folder, relay)
    async with relay.serving():
        asked, stored = await _scan_all(bench, scans)
    known, stored_alone = await _scan_all(bench, scans)
    return [
        _answering("part asked of the relay", asked),
        _answering("stored, deliveries beside it", stored),
        _answering("part known, no relay", known),
        _answering("stored, no relay", stored_alone),
    ]


async def _scan_all(bench: Bench, scans: int) -> tuple[list[float], list[float]]:
    """Give the milliseconds of each part and of each quantity, which completes and stores its entry."""
    port = free_port()
    async with bench.station("--input", f"tcp:127.0.0.1:{port}", "--drain-seconds", "0") as station:
        await station.read_until(lambda station: any("listening" in line.get("message", "") for line in station.lines))
        _, scanner = await asyncio.open_connection("127.0.0.1", port)
        for scan in (ADD, SHELF):
            await _answer_ms(station, scanner, scan)
        parts, quantities = [], []
        for number in range(scans):
            parts.append(await _answer_ms(station, scanner, part(number)))
            quantities.append(await _answer_ms(station, scanner, pieces(number + 1)))
        scanner.close()
        await scanner.wait_closed()
        if len(station.stored) != scans:
            raise RuntimeError(f"{len(station.stored)} of {scans} entries were stored")
    return parts, quantities


async def _answer_ms(station: StationProcess, scanner: asyncio.StreamWriter, scan: str) -> float:
    began, seen = time.perf_counter(), len(station.lines)
    scanner.write(f"{scan}\r".encode())
    await station.read_until(lambda station: any("tone" in line for line in station.lines[seen:]))
    return (time.perf_counter() - began) * _MS


def _answering(name: str, milliseconds: Sequence[float]) -> Answering:
    percentiles = statistics.quantiles(milliseconds, n=100)
    return Answering(
        name=name,
        scans=len(milliseconds),
        p50_ms=round(percentiles[49], 2),
        p99_ms=round(percentiles[98], 2),
        slowest_ms=round(max(milliseconds), 2),
    )
