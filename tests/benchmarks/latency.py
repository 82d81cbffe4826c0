"""How long a command takes at low load, from accepted to applied, beyond the vendor's own time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.benchmarks.commands import COMMANDS
from tests.benchmarks.figures import percentile
from tests.benchmarks.scene import VENDOR_MS, WORKERS, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from tasks.commands import Command
    from tests.benchmarks.scene import Relay

EVERY_SECONDS: Final = 0.05
WARM_UP: Final = 40
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Delays:
    """What the ledger says of commands that came one by one."""

    name: str
    calls: int
    samples: int
    #: From accepted to applied, and the same without the vendor's time for the calls.
    p50_ms: float
    p99_ms: float
    own_p50_ms: float
    own_p99_ms: float


def measure(console: Console, folder: Path, *, samples: int) -> dict[str, Any]:
    """Submit so many commands of each kind, one every 50 ms, to a worker that has nothing else to do."""
    found = []
    with Scene(folder) as scene:
        vendor = scene.lean_vendor()
        for database, (calls, (at, make)) in enumerate(COMMANDS.items()):
            relay = scene.relay(at, vendor, module=WORKERS, database=database)
            delays(relay, "warm-up", calls, make(WARM_UP))
            found.append(delays(relay, f"{calls} call(s)", calls, make(samples)))
            console.print(line(found[-1]))
            relay.process.kill()
    return {"vendor_ms": VENDOR_MS, "delays": [asdict(one) for one in found]}


def delays(relay: Relay, name: str, calls: int, commands: Sequence[Command]) -> Delays:
    """Submit the commands at an even rate and read from the ledger how long each took."""
    ended = relay.ended()
    keys = asyncio.run(_submit(relay.redis_url, commands))
    relay.until_ended(ended + len(keys), PATIENCE_SECONDS)
    took = []
    for state, accepted_ms, updated_ms in relay.fields(keys, "state", "accepted_ms", "updated_ms"):
        if state != "applied" or accepted_ms is None or updated_ms is None:
            raise RuntimeError(f"{name}: a command ended as {state}, not applied")
        took.append(int(updated_ms) - int(accepted_ms))
    p50, p99 = percentile(took, 50), percentile(took, 99)
    return Delays(name, calls, len(took), p50, p99, p50 - calls * VENDOR_MS, p99 - calls * VENDOR_MS)


async def _submit(url: str, commands: Sequence[Command]) -> list[str]:
    client, keys, start = open_redis(url), [], time.monotonic()
    try:
        submitter = Submitter(client)
        for number, command in enumerate(commands):
            await asyncio.sleep(start + number * EVERY_SECONDS - time.monotonic())
            keys.append((await submitter.submit(command)).key)
    finally:
        await client.aclose()
    return keys


def line(one: Delays) -> str:
    """Say how long they took."""
    return (
        f"{one.name}: accepted to applied p50 {one.p50_ms:g} ms, p99 {one.p99_ms:g} ms; "
        f"beyond the vendor's time {one.own_p50_ms:g} and {one.own_p99_ms:g} ms"
    )


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"accepted to applied, one command every {EVERY_SECONDS * 1000:g} ms",
        caption=f"own: without the vendor's {figures['vendor_ms']} ms a call",
    )
    for heading in ("", "samples", "p50 ms", "p99 ms", "own p50 ms", "own p99 ms"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for one in figures["delays"]:
        cells = (one["samples"], one["p50_ms"], one["p99_ms"], one["own_p50_ms"], one["own_p99_ms"])
        shown.add_row(one["name"], *(f"{cell:g}" for cell in cells))
    return shown
