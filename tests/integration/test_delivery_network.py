"""Two producers behind a network that is cut again and again: all arrives once per key, in order per lane."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web

from tests.backing import ROOT
from tests.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

TOKEN: Final = "invented-token-of-a-station"
COUNT: Final = 150
LANES: Final = 4
#: Stores a numbered entry in a lane of its own name every now and then, while what is stored is delivered.
CHILD: Final = f"""
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from producers import results
from producers.delivery import Delivery
from producers.outbox import Capture, Outbox
from producers.scanner.receiver import Receiver

results.BACKOFF_MAX_SECONDS = 0.02

async def main(path, url, name):
    with Outbox(Path(path), name) as outbox:
        async with Receiver(url, SecretStr("{TOKEN}")) as receiver:
            delivery = Delivery(outbox, receiver, lambda *_: None, results_seconds=600, stream=receiver)
            tasks = [asyncio.create_task(delivery.deliver()), asyncio.create_task(delivery.follow())]
            for number in range({COUNT}):
                body = '{{"name": "%s", "n": %d}}' % (name, number)
                key = name * 16 + "%04d" % number
                outbox.store(Capture(key, ("%s %d" % (name, number % {LANES}),), number, body, key))
                delivery.wake()
                await asyncio.sleep(0.002)
            await delivery.finish()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        states = outbox.counts()
    print(*states.items())

asyncio.run(main(*sys.argv[1:]))
"""


class CutOffRelay:
    """Keeps what it takes; cuts connections before or after, answers nonsense, and is away in between."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.taken: dict[str, dict[str, Any]] = {}
        self.is_calm = False
        self.cuts = 0

    async def take(self, request: web.Request) -> web.Response:
        items = await request.json()
        is_good = self.is_calm or self.chance.random() < 0.6
        trouble = "" if is_good else self.chance.choice(["before", "after", "html", "503", "401", "short"])
        self.cuts += trouble != ""
        if trouble in ("before", "html", "503", "401"):
            return self._break(request, trouble)
        results = [self._take(item) for item in items[: self.chance.randrange(1, len(items) + 1)]]
        if trouble in ("after", "short"):
            return self._break(request, trouble, results[:-1])
        missing = {"key": None, "status": "unavailable", "problem": {"detail": "not now"}}
        return web.json_response({"results": results + [missing] * (len(items) - len(results))})

    def _break(self, request: web.Request, trouble: str, results: list[Any] | None = None) -> web.Response:
        if trouble in ("before", "after"):
            assert request.transport is not None
            request.transport.abort()
        if trouble == "html":
            return web.Response(text="<html>guest network</html>", content_type="text/html")
        if trouble == "short":
            return web.json_response({"results": results})
        return web.Response(status=401 if trouble == "401" else 503)

    def _take(self, item: dict[str, Any]) -> dict[str, Any]:
        key = item["name"] * 16 + f"{item['n']:04d}"
        status = "duplicate" if key in self.taken else "stored"
        assert self.taken.setdefault(key, item) == item
        return {"key": key, "status": status}

    async def show(self, request: web.Request) -> web.Response:
        keys = request.query["keys"].split(",")
        states = {key: {"state": "applied", "reason": ""} if key in self.taken else None for key in keys}
        return web.json_response({"commands": states})


@pytest.mark.slow
async def test_what_two_processes_store_arrives_once_and_in_order_through_a_network_that_is_cut(
    tmp_path: Path,
) -> None:
    relay, port = CutOffRelay(4), free_port()
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CHILD, str(tmp_path / f"{name}.sqlite3"), f"http://127.0.0.1:{port}", name),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        for name in "ab"
    ]
    ends = [asyncio.create_task(child.communicate()) for child in children]
    try:
        async with asyncio.timeout(90):
            for outage in range(4):
                relay.is_calm = outage == 3
                await _serve_until(relay, port, 100 * (outage + 1) if outage < 2 else 2 * COUNT)
            outputs = await _serve_through(relay, port, ends)
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
        await asyncio.gather(*ends, return_exceptions=True)

    assert [child.returncode for child in children] == [0, 0]
    assert outputs == [f"(<OutboxState.APPLIED: 'applied'>, {COUNT})\n"] * 2
    assert relay.cuts > 3
    for name in "ab":
        arrived = [item["n"] for item in relay.taken.values() if item["name"] == name]
        assert sorted(arrived) == list(range(COUNT))
        for lane in range(LANES):
            of_lane = [number for number in arrived if number % LANES == lane]
            assert of_lane == sorted(of_lane)


async def _open(relay: CutOffRelay, port: int) -> web.AppRunner:
    app = web.Application()
    app.router.add_post("/v1/scans", relay.take)
    app.router.add_get("/v1/commands", relay.show)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    return runner


async def _serve_until(relay: CutOffRelay, port: int, count: int) -> None:
    """Be there until so many have arrived, then be away."""
    runner = await _open(relay, port)
    try:
        while len(relay.taken) < count:  # noqa: ASYNC110  the relay answers in between
            await asyncio.sleep(0.01)
    finally:
        await runner.cleanup()


async def _serve_through(relay: CutOffRelay, port: int, ends: list[asyncio.Task[tuple[bytes, bytes]]]) -> list[str]:
    runner = await _open(relay, port)
    try:
        return [output.decode() for output, _ in await asyncio.gather(*ends)]
    finally:
        await runner.cleanup()
