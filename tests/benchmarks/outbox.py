"""The outbox: how many entries a second are on disk, and how long one store takes, alone and in groups."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from producers.outbox import Capture, Outbox
from producers.outbox_writer import OutboxWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

#: As long as a station's entry with its raw scan.
BODY: Final = '{"kind":"stock.move",' + "x" * 280 + "}"
BATCH: Final = 32
#: An outage of days, for the figures of `due`.
WAITING: Final = 100_000


@dataclass(frozen=True)
class Storing:
    """One way of storing, measured over `entries`."""

    name: str
    entries: int
    entries_per_second: float
    #: Of one call, which returns when its entries are on disk.
    p50_ms: float
    p99_ms: float


def measure(console: Console, folder: Path, *, entries: int) -> dict[str, Any]:
    """Store so many entries one by one, 32 at a time, and from 32 tasks at once; then ask a long queue what is due."""
    cases = [
        _calls(folder, "1 a call", entries, 1),
        _calls(folder, f"{BATCH} a call", entries, BATCH),
        asyncio.run(_tasks(folder, entries)),
    ]
    for case in cases:
        console.print(f"{case.name}: {case.entries_per_second:g}/s, p50 {case.p50_ms:g} ms, p99 {case.p99_ms:g} ms")
    due = _due_ms(folder)
    console.print(f"due with {WAITING} waiting: {', '.join(f'{name} {ms:g} ms' for name, ms in due.items())}")
    return {"cases": [asdict(case) for case in cases], "waiting": WAITING, "due_ms": due}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    due = ", ".join(f"{name} {ms:g} ms" for name, ms in figures["due_ms"].items())
    shown = Table(
        title="storing in the outbox, every call flushed to disk",
        caption=f"what is due of {figures['waiting']} that wait: {due}",
    )
    for heading in ("", "entries", "/s", "p50 ms", "p99 ms"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for case in figures["cases"]:
        shown.add_row(*(f"{case[name]:g}" if name != "name" else case[name] for name in Storing.__dataclass_fields__))
    return shown


def _capture(number: int) -> Capture:
    return Capture(f"key-{number:015d}", (f"part:{number % 50}",), number, BODY, f"move {number}")


def _calls(folder: Path, name: str, entries: int, batch: int) -> Storing:
    with Outbox(folder / f"calls-{batch}.sqlite3", "bench") as outbox:
        seconds = []
        began = time.perf_counter()
        for start in range(0, entries, batch):
            captures = [_capture(number) for number in range(start, start + batch)]
            called = time.perf_counter()
            outbox.store(*captures)
            seconds.append(time.perf_counter() - called)
        return _storing(name, len(seconds) * batch, time.perf_counter() - began, seconds)


async def _tasks(folder: Path, entries: int) -> Storing:
    seconds: list[float] = []

    async def store(writer: OutboxWriter, first: int) -> None:
        for number in range(first, entries, BATCH):
            called = time.perf_counter()
            await writer.store(_capture(number))
            seconds.append(time.perf_counter() - called)

    with Outbox(folder / "tasks.sqlite3", "bench") as outbox:
        async with OutboxWriter(outbox) as writer:
            began = time.perf_counter()
            await asyncio.gather(*(store(writer, first) for first in range(BATCH)))
            return _storing(f"{BATCH} tasks", entries, time.perf_counter() - began, seconds)


def _storing(name: str, entries: int, whole: float, seconds: Sequence[float]) -> Storing:
    percentiles = statistics.quantiles(seconds, n=100)
    return Storing(
        name=name,
        entries=entries,
        entries_per_second=round(entries / whole),
        p50_ms=round(percentiles[49] * 1000, 2),
        p99_ms=round(percentiles[98] * 1000, 2),
    )


def _due_ms(folder: Path) -> dict[str, float]:
    """Ask for the next 500 of a long queue: many lanes, one lane, one lane that is stuck, and none at all."""
    shapes = {"many lanes": 5_000, "one lane": 1, "one stuck lane": 1, "no lanes": 0}
    found = {}
    for name, lanes in shapes.items():
        with Outbox(folder / f"{name}.sqlite3", "bench") as outbox:
            outbox.store(
                *(
                    Capture(str(number), (f"part:{number % lanes}",) if lanes else (), number, "{}", "")
                    for number in range(WAITING)
                )
            )
            if "stuck" in name:
                outbox.postpone(outbox.due(1)[0], 600, "")
            tries = []
            for _ in range(5):
                began = time.perf_counter()
                outbox.due(500)
                tries.append(time.perf_counter() - began)
        found[name] = round(statistics.median(tries) * 1000, 2)
    return found
