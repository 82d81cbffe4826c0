"""A thousand copies of one delivery, while the server that takes them is killed and started again: one command."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tests.acceptance.webhooks_server import WebhooksServer
from tests.integration.hooks_harness import picked, signed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeValkey
    from tests.valkey import ValkeyServer

COPIES, AT_ONCE = 1_000, 32
PATIENCE_SECONDS = 100.0
#: The server is killed when so many copies are answered.
KILLS = (100, 400, 700)


class Sender:
    """Sends each copy until it is answered with a success, as senders do."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.answers: list[int] = []
        self.keys: set[str] = set()
        self.arrived = asyncio.Event()
        self._url = url
        self._session = session
        self._places = asyncio.Semaphore(AT_ONCE)

    async def send(self, id_: str) -> None:
        body = picked(3)
        async with self._places:
            status = 0
            while status not in (200, 202):
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    status = await self._try(body, id_)
                await asyncio.sleep(0 if status else 0.02)

    async def _try(self, body: bytes, id_: str) -> int:
        async with self._session.post(self._url, data=body, headers=signed(body, id_)) as answer:
            text = await answer.read()
        if answer.status in (200, 202):
            self.answers.append(answer.status)
            self.keys |= {command["key"] for command in json.loads(text)["commands"]}
            self.arrived.set()
        return answer.status

    async def until_answered(self, count: int) -> None:
        while len(self.answers) < count:
            self.arrived.clear()
            await self.arrived.wait()


async def _in_the_ledger(url: str) -> int:
    redis = open_redis(url)
    try:
        names = [name async for name in redis.scan_iter(match=f"{prefix_of('partsbox')}cmd:*")]
    finally:
        await redis.aclose()
    return len(names)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["server", "server and redis"])
async def test_a_thousand_copies_through_kills_are_one_command(
    tmp_path: Path, make_valkey: MakeValkey, what: str
) -> None:
    valkey: ValkeyServer = make_valkey()
    with WebhooksServer(tmp_path, valkey.url) as server:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_SECONDS):
            sender = Sender(f"{server.url}/v1/hooks/shop", session)
            copies = [asyncio.create_task(sender.send("msg_1")) for _ in range(COPIES)]
            for count in KILLS:
                await sender.until_answered(count)
                server.kill()
                if what == "server and redis":
                    valkey.kill()
                await asyncio.to_thread(server.start)
                if what == "server and redis":
                    await sender.until_answered(count + AT_ONCE + 1)
                    await asyncio.to_thread(valkey.start)
            await asyncio.gather(*copies)
            # one more delivery of something else is behind whatever is still in the spool
            await sender.send("msg_2")
            async with session.get(f"{server.url}/healthz") as answer:
                assert answer.status == 200
            while await _in_the_ledger(valkey.url) < 2:  # noqa: ASYNC110  another process does it
                await asyncio.sleep(0.05)
        log = server.log.read_text()

    assert len(sender.answers) == COPIES + 1
    assert await _in_the_ledger(valkey.url) == 2
    assert "Traceback" not in log
