"""Commands that wait: what a step of the ledger costs its server with a thousand of them, and with a million."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from rich.table import Table

from tasks.ledger import Ledger, prefix_of
from tasks.records import NewCommand, State
from tests.benchmarks.measure import cpu_seconds
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from rich.console import Console

VENDOR: Final = "partsbox"
#: Admitted by one call.
BATCH: Final = 250
#: Calls under way at once: the next is encoded while the server works.
SIDE_BY_SIDE: Final = 2
#: Steps measured of each kind at each size: their CPU time is counted in hundredths of a second.
SAMPLES: Final = 4000
#: Steps under way at once, as the pool of one worker has them.
STEPS_AT_ONCE: Final = 32
#: Commands of the one long lane.
LONG_LANE: Final = 10_000
LEASE_SECONDS: Final = 3600.0
_STEPS: Final = ("admit", "claim", "intent", "settle", "promote")
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class Scale:
    """So many waiting commands of one vendor, and what each step costs the server beside them."""

    waiting: int
    admissions_per_second: float
    #: Of the admitting process.
    client_us_per_admission: float
    admit_us: float
    claim_us: float
    intent_us: float
    settle_us: float
    #: One look at the clock that finds nothing to move.
    promote_us: float
    #: Of the server's memory, the hint in the vendor's queue included; and of an applied one during its retention.
    bytes_per_waiting: int
    bytes_per_settled: int
    #: A claim, an intent and a settlement at the head of a lane in which 10,000 stand, one command after the other.
    long_lane_us: float


def measure(console: Console, folder: Path, *, waiting: Sequence[int] = (1_000, 100_000, 1_000_000)) -> dict[str, Any]:
    """Let commands of one vendor pile up to each of these numbers, and measure the steps there."""
    with ValkeyServer(folder / "valkey") as server:
        return asyncio.run(_measure(console, server, sorted(waiting)))


def table(figures: dict[str, Any]) -> Table:
    """Show a line for each number of waiting commands."""
    title = f"commands that wait, of {figures['command_bytes']} bytes each; microseconds of the server's CPU"
    shown = Table(title=title)
    for heading in ("waiting", "admitted/s", "client us", *_STEPS, "lane of 10k", "bytes waiting", "bytes settled"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in figures["scales"]:
        steps = (one[f"{step}_us"] for step in _STEPS)
        values = (one["waiting"], one["admissions_per_second"], one["client_us_per_admission"], *steps)
        bytes_each = (one["long_lane_us"], one["bytes_per_waiting"], one["bytes_per_settled"])
        shown.add_row(*(f"{value:,.0f}" for value in (*values, *bytes_each)))
    return shown


async def _measure(console: Console, server: ValkeyServer, sizes: Sequence[int]) -> dict[str, Any]:
    redis = Redis.from_url(server.url, decode_responses=True)
    ledger = Ledger(redis, VENDOR)
    scales: list[Scale] = []
    there = 0
    try:
        for size in sizes:
            scales.append(await _at(redis, ledger, server, size, size - there))
            there = size
            console.print(f"{size:,} waiting: {scales[-1].admissions_per_second:,.0f} admitted a second")
    finally:
        await redis.aclose()
    return {"command_bytes": _bytes_of(_new("part:x")), "scales": [asdict(scale) for scale in scales]}


async def _at(redis: Redis, ledger: Ledger, server: ValkeyServer, size: int, more: int) -> Scale:
    new = [_new(f"part:{next(_serial)}") for _ in range(more)]
    memory, client, began = await _memory(redis), time.process_time(), time.monotonic()
    await _admit(ledger, new)
    seconds, client = time.monotonic() - began, time.process_time() - client
    waiting = (await _memory(redis) - memory) / more
    steps, settled = await _steps(redis, ledger, server)
    return Scale(
        waiting=size,
        admissions_per_second=round(more / seconds),
        client_us_per_admission=round(client / more * 1e6, 1),
        **steps,
        bytes_per_waiting=round(waiting),
        bytes_per_settled=round(settled),
        long_lane_us=await _long_lane(redis, ledger, server),
    )


async def _admit(ledger: Ledger, new: Sequence[NewCommand]) -> None:
    """Admit in batches, some of them side by side."""
    batches = iter([new[at : at + BATCH] for at in range(0, len(new), BATCH)])

    async def some() -> None:
        for batch in batches:
            await ledger.admit(batch)

    await asyncio.gather(*(some() for _ in range(SIDE_BY_SIDE)))


async def _steps(redis: Redis, ledger: Ledger, server: ValkeyServer) -> tuple[dict[str, float], float]:
    """Measure the steps of commands that are admitted beside those that wait, and end; the pile is as before."""
    new = [_new(f"sample:{next(_serial)}") for _ in range(SAMPLES)]
    memory, cpu = await _memory(redis), cpu_seconds(server.pid)
    await _admit(ledger, new)
    admit = {"admit_us": round((cpu_seconds(server.pid) - cpu) / SAMPLES * 1e6, 1)}
    found = admit | await _life(ledger, server, [one.key for one in new])
    # their hints are gone with them: workers have taken them
    await redis.ltrim(f"vendor.{VENDOR}", SAMPLES, -1)
    settled = (await _memory(redis) - memory) / SAMPLES
    found["promote_us"] = await _cost(server, [ledger.promote] * (SAMPLES // 4))
    return found, settled


async def _life(ledger: Ledger, server: ValkeyServer, keys: Sequence[str]) -> dict[str, float]:
    found = {}
    for name, step in _life_of(ledger).items():
        found[f"{name}_us"] = await _cost(server, [partial(step, key) for key in keys])
    return found


async def _long_lane(redis: Redis, ledger: Ledger, server: ValkeyServer) -> float:
    """Measure a command's claim, intent and settlement at the head of a lane in which many more wait."""
    lane = f"part:long:{next(_serial)}"
    new = [_new(lane) for _ in range(LONG_LANE)]
    await _admit(ledger, new)
    cpu, count = cpu_seconds(server.pid), SAMPLES // 8
    for one in new[:count]:
        for step in _life_of(ledger).values():
            await step(one.key)
    cost = (cpu_seconds(server.pid) - cpu) / count * 1e6
    await _forget(redis, lane, new)
    return round(cost, 1)


def _life_of(ledger: Ledger) -> dict[str, Callable[[str], Awaitable[Any]]]:
    return {
        "claim": lambda key: ledger.claim(key, f"owner of {key}", LEASE_SECONDS),
        "intent": lambda key: ledger.intent(key, f"owner of {key}", {"timestamps": [1]}),
        "settle": lambda key: ledger.settle(
            key, f"owner of {key}", State.APPLIED, receipt={"proof": "marker"}, evidence={"what": "applied"}
        ),
    }


async def _forget(redis: Redis, lane: str, new: Iterable[NewCommand]) -> None:
    """Take a lane and its commands out of the ledger."""
    prefix = prefix_of(VENDOR)
    keys = [one.key for one in new]
    await redis.delete(f"{prefix}lane:{lane}", *(f"{prefix}cmd:{key}" for key in keys))
    await redis.zrem(f"{prefix}ready", *keys)


async def _cost(server: ValkeyServer, steps: Sequence[Callable[[], Awaitable[Any]]]) -> float:
    """Make the steps, some at once; microseconds of the server's CPU for each."""
    waiting = iter(steps)

    async def some() -> None:
        for step in waiting:
            await step()

    cpu = cpu_seconds(server.pid)
    await asyncio.gather(*(some() for _ in range(STEPS_AT_ONCE)))
    return round((cpu_seconds(server.pid) - cpu) / len(steps) * 1e6, 1)


async def _memory(redis: Redis) -> int:
    found: dict[str, Any] = await redis.info("memory")
    return int(found["used_memory"])


def _new(lane: str) -> NewCommand:
    """Invent a command of usual size."""
    number = next(_serial)
    fields = {
        "part_id": "part0123456789abcdefghijkl", "quantity": 25, "storage_id": "shelf123456789abcdefghijk",
        "comments": "goods in, dock 4", "lot": {"name": f"L-{number}"}, "stock_timestamp": 1_790_000_000_000,
        "source": "ST-01",
    }  # fmt: skip
    return NewCommand(
        key="".join(_BASE32[number >> shift & 31] for shift in range(95, -5, -5)),
        kind="stock.add",
        command=json.dumps(fields),
        summary=f"add 25 of part M3x{number}",
        lanes=(lane,),
        digest=f"{number:064x}",
        client="ST-01",
    )


def _bytes_of(new: NewCommand) -> int:
    return sum(len(part) for part in (new.key, new.kind, new.command, new.summary, *new.lanes, new.digest, new.client))
