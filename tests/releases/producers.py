"""What producers keep on their disks while Redis or the relay is away: made by the real programs."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.acceptance.files_program import HEADER, FilesProgram
from tests.acceptance.station_harness import Bench, FakeRelay, moves
from tests.acceptance.webhooks_server import WebhooksServer
from tests.integration.hooks_harness import TOKEN
from tests.process import wait_until
from tests.releases.scene import FIRST_MS, PARTS, SHELF
from tests.releases.state import read_sqlite
from tests.sandbox.partsbox import id_for
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPOOL: Final = "spool.sqlite3"
FILES: Final = "files.sqlite3"
OUTBOX: Final = "outbox.sqlite3"
#: How many of each, all different.
ENTRIES: Final = 3
MOVES: Final = moves(0, ENTRIES)
#: What a row of the files program says; quantities tell them apart.
ROWS: Final = HEADER + "".join(f"{40 + number},{id_for('part', PARTS[number])}\n" for number in range(ENTRIES))


def spooled_bodies() -> list[dict[str, Any]]:
    """Give the commands that a client sends to the webhooks server while Redis is away."""
    return [
        {
            "kind": "stock.add",
            "part_id": id_for("part", PARTS[number]),
            "storage_id": SHELF,
            "quantity": 30 + number,
            "stock_timestamp": FIRST_MS + number,
        }
        for number in range(ENTRIES)
    ]


async def recorded(folder: Path) -> dict[str, str]:
    """Let each program keep some; gives each file as SQL by its name."""
    station = folder / "station"
    await asyncio.to_thread(station.mkdir)
    return {
        SPOOL: _cut_off(folder / "spool", WebhooksServer, _spool),
        FILES: _cut_off(folder / "files", FilesProgram, _drop),
        OUTBOX: await _scanned(station),
    }


def _cut_off(folder: Path, program: Callable[[Path, str], Any], use: Callable[[Any], str]) -> str:
    """Start a program, take Redis away, use it, and read what it has kept."""
    folder.mkdir()
    with ValkeyServer(folder / "valkey") as valkey, program(folder, valkey.url) as running:
        valkey.kill()
        name = use(running)
        running.stop()
    return read_sqlite(folder / name)


def _spool(server: WebhooksServer) -> str:
    for body in spooled_bodies():
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = requests.post(f"{server.url}/v1/commands", json=body, headers=headers, timeout=30)
        if answer.json().get("state") != "spooled":
            raise RuntimeError(f"not spooled: {answer.text}")
    return SPOOL


def _drop(program: FilesProgram) -> str:
    program.put("delivery.csv", ROWS)
    wait_until(lambda: len(program.done()) == 1, "the file is done")
    return FILES


async def _scanned(folder: Path) -> str:
    bench = Bench(folder, FakeRelay())
    await bench.learn(ENTRIES)
    await bench.play(MOVES, "--drain-seconds", "0")
    return read_sqlite(folder / OUTBOX)


def states(path: Path) -> list[str]:
    """Tell the state of every entry of an outbox, in order."""
    with closing(sqlite3.connect(path)) as database:
        return [state for (state,) in database.execute("SELECT state FROM outbox ORDER BY seq")]
