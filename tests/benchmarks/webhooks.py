"""Signed webhooks into the ledger: requests a second and how long each waits for its durable 202."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from rich.table import Table
from standardwebhooks import Webhook

from tests.benchmarks.measure import cpu_seconds, rss_mib
from tests.process import Process, accepts, free_port
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

TOKEN: Final = "invented-token-of-a-bench"
SECRET: Final = "whsec_aW52ZW50ZWQtc2VjcmV0LW9mLXRoaXJ0eS10d28tYnk="
#: Without a moment of the sender, so that the first look at each event is kept in Redis as well.
CONFIG: Final = """
[sources.bench]
scheme = "standard-webhooks"
secrets = [{ env = "BENCH_SECRET" }]

[[sources.bench.commands]]
when = 'event.kind == `"picked"`'
kind = "stock.remove"
fields.part_id = "event.part"
fields.storage_id = { literal = "aaaaaaaaaaaaaaaaaaaaaaaaaa" }
fields.quantity = "event.quantity"
"""
AT_ONCE: Final = (1, 32)
WARM_UP: Final = 200
#: Parts in turn: as many lanes.
PARTS: Final = 500
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Round:
    """So many requests at so many connections, each waiting for its answer before the next."""

    at_once: int
    requests: int
    seconds: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms_per_request: float
    client_cpu_ms_per_request: float
    rss_mib: float
    statuses: dict[str, int]


def measure(console: Console, folder: Path, *, webhooks: int) -> dict[str, Any]:
    """Measure one server process on one Redis that syncs every write, for each number of connections."""
    rounds = []
    with ValkeyServer(folder / "valkey") as valkey, _server(folder, valkey.url) as server:
        url = f"http://127.0.0.1:{server.name}/v1/hooks/bench"
        asyncio.run(_round(url, server, 8, WARM_UP))
        for at_once in AT_ONCE:
            rounds.append(asyncio.run(_round(url, server, at_once, webhooks)))
            console.print(_line(rounds[-1]))
    return {"durable": "appendfsync always", "rounds": [asdict(one) for one in rounds]}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(title=f"signed webhook to durable 202 ({figures['durable']})", caption="cpu: of a request, in ms")
    for heading in ("at once", "requests", "/s", "p50 ms", "p99 ms", "server cpu", "client cpu", "MiB"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in figures["rounds"]:
        cells = (
            one["at_once"],
            one["requests"],
            one["requests_per_second"],
            one["p50_ms"],
            one["p99_ms"],
            one["server_cpu_ms_per_request"],
            one["client_cpu_ms_per_request"],
            one["rss_mib"],
        )
        shown.add_row(*(f"{cell:g}" for cell in cells))
    return shown


def _line(one: Round) -> str:
    ends = ", ".join(f"{count} answered {status}" for status, count in one.statuses.items())
    return f"{one.at_once} at once: {one.requests_per_second:g}/s, p99 {one.p99_ms:g} ms; {ends}"


def _server(folder: Path, redis_url: str) -> Process:
    port = free_port()
    config = folder / "stockrelay.toml"
    config.write_text(CONFIG)
    settings = {
        "REDIS_URL": redis_url,
        "BENCH_SECRET": SECRET,
        "STOCKRELAY_WEBHOOKS_PORT": str(port),
        "STOCKRELAY_WEBHOOKS_TOKENS": f"bench:{TOKEN}",
        "STOCKRELAY_WEBHOOKS_CONFIG": str(config),
        "STOCKRELAY_WEBHOOKS_SPOOL": str(folder / "spool.sqlite3"),
        "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE": "0",
    }
    return Process(
        str(port),
        [sys.executable, "-m", "producers.webhooks.main", "run"],
        log=folder / "webhooks.log",
        ready=lambda: accepts(port),
        environment={**os.environ, **settings},
    )


def _deliveries(count: int) -> list[tuple[bytes, dict[str, str]]]:
    """Sign beforehand: the client's work is not what is measured."""
    return [_delivery(number) for number in itertools.islice(_numbers, count)]


def _delivery(number: int) -> tuple[bytes, dict[str, str]]:

    part = str(number % PARTS).rjust(26, "0")
    body = json.dumps({"kind": "picked", "part": part, "quantity": 1, "note": "x" * 400}).encode()
    now = dt.datetime.now(dt.UTC)
    name = f"bench_{number}"
    signature = Webhook(SECRET).sign(msg_id=name, timestamp=now, data=body.decode())
    stamp = str(int(now.timestamp()))
    return body, {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}


async def _round(url: str, server: Process, at_once: int, count: int) -> Round:
    deliveries = iter(_deliveries(count))
    took: list[float] = []
    statuses: dict[str, int] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        server_cpu, client_cpu, began = cpu_seconds(server.pid), time.process_time(), time.perf_counter()
        await asyncio.gather(*[_send(session, url, deliveries, took, statuses) for _ in range(at_once)])
        seconds = time.perf_counter() - began
        server_cpu, client_cpu = cpu_seconds(server.pid) - server_cpu, time.process_time() - client_cpu
    return Round(
        at_once=at_once,
        requests=count,
        seconds=round(seconds, 3),
        requests_per_second=round(count / seconds, 1),
        p50_ms=round(statistics.median(took) * 1000, 2),
        p99_ms=round(statistics.quantiles(took, n=100)[98] * 1000, 2),
        server_cpu_ms_per_request=round(server_cpu * 1000 / count, 3),
        client_cpu_ms_per_request=round(client_cpu * 1000 / count, 3),
        rss_mib=round(rss_mib(server.pid), 1),
        statuses=statuses,
    )


async def _send(
    session: aiohttp.ClientSession,
    url: str,
    deliveries: Iterator[tuple[bytes, dict[str, str]]],
    took: list[float],
    statuses: dict[str, int],
) -> None:
    for body, headers in deliveries:
        began = time.perf_counter()
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
        took.append(time.perf_counter() - began)
        statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
