"""Dropped files into the ledger: rows a second until they are on disk here and in Redis, and many small files."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tests.acceptance.files_program import HEADER, FilesProgram, rows
from tests.benchmarks.measure import cpu_seconds
from tests.process import wait_until
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from rich.console import Console

#: Parts in turn: as many lanes.
PARTS: Final = 500
#: Between two looks at the folders: looking at thousands of files costs the processor that is measured.
LOOK_SECONDS: Final = 0.5
ROUND_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Round:
    """One shape of work: so many rows in so many files, dropped while the program was frozen."""

    name: str
    files: int
    rows: int
    #: Until every row is in the outbox and every file at its place, with Redis away.
    durable_seconds: float
    durable_rows_per_second: float
    #: From then on until the ledger has every row.
    handover_seconds: float
    handover_rows_per_second: float
    cpu_ms_per_row: float
    peak_rss_mib: float


def measure(console: Console, folder: Path, *, file_rows: int, small_files: int) -> dict[str, Any]:
    """Measure one long file of many parts, one of a single part, and many files of one row."""
    shapes = (
        ("many parts", 1, file_rows, PARTS),
        ("one part", 1, file_rows // 10, 1),
        ("small", small_files, 1, PARTS),
    )
    rounds = []
    for name, files, each, parts in shapes:
        rounds.append(_round(folder / name.replace(" ", "-"), name, files, each, parts))
        console.print(_line(rounds[-1]))
    return {"durable": "appendfsync always", "rounds": [asdict(one) for one in rounds]}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(title=f"dropped files, first with Redis away, then handed over ({figures['durable']})")
    for heading in ("", "files", "rows", "on disk s", "rows/s", "to Redis s", "rows/s", "cpu ms", "peak MiB"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for one in figures["rounds"]:
        shown.add_row(*(value if isinstance(value, str) else f"{value:g}" for value in one.values()))
    return shown


def _line(one: Round) -> str:
    return (
        f"{one.name}: {one.rows} rows on disk at {one.durable_rows_per_second:g}/s,"
        f" in Redis at {one.handover_rows_per_second:g}/s, peak {one.peak_rss_mib:g} MiB"
    )


def _round(folder: Path, name: str, files: int, each: int, parts: int) -> Round:
    folder.mkdir()
    count = files * each
    with ValkeyServer(folder / "valkey") as valkey, FilesProgram(folder, valkey.url) as program:
        valkey.kill()
        program.stop_signal()
        for number in range(files):
            program.put(f"{number:06d}.csv", HEADER + rows(number * each + 1, (number + 1) * each + 1, parts=parts))
        cpu, began = cpu_seconds(program.pid), time.monotonic()
        program.cont()
        while program.left() or len(program.done()) < files:
            time.sleep(LOOK_SECONDS)
        durable = time.monotonic() - began
        valkey.start()
        wait_until(lambda: program.commands() > 0, "Redis is found", ROUND_SECONDS)
        first, began = program.commands(), time.monotonic()
        wait_until(lambda: program.commands() == count, "all in the ledger", ROUND_SECONDS)
        handover = time.monotonic() - began
        cpu = cpu_seconds(program.pid) - cpu
        peak = _peak_mib(program.pid)
    return Round(
        name=name,
        files=files,
        rows=count,
        durable_seconds=round(durable, 2),
        durable_rows_per_second=round(count / durable),
        handover_seconds=round(handover, 2),
        handover_rows_per_second=round((count - first) / handover),
        cpu_ms_per_row=round(cpu * 1000 / count, 3),
        peak_rss_mib=round(peak, 1),
    )


def _peak_mib(pid: int) -> float:
    """Read the largest resident memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
