"""The server with webhooks over real connections: sources as configured, a spool on a disk, a Redis that may go."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from producers.outbox import Outbox
from producers.tokens import ClientToken
from producers.webhooks.app import Services, create_app
from producers.webhooks.auth import Clients
from producers.webhooks.connection import connection_factory
from producers.webhooks.cors import Cors
from producers.webhooks.deliveries import DeliveryRoutes
from producers.webhooks.health import Readiness
from producers.webhooks.held import HeldDeliveries
from producers.webhooks.hooks import open_hooks
from producers.webhooks.moments import Moments
from producers.webhooks.rates import Rates
from producers.webhooks.spool import Intake
from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.unit.webhook_senders import SECRET, STANDARD_SECRET, github, standard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

TOKEN: Final = "invented-token-of-erp"
BEARER: Final = "invented-token-of-a-source-of-events"
PART, SHELF = "p" * 26, "a" * 26
#: Longer than anything here takes on a slow machine.
PATIENCE_SECONDS: Final = 60.0

_RULE: Final = """
[[sources.NAME.commands]]
when = 'DATA.kind == `"picked"`'
kind = "stock.remove"
fields = { part_id = "DATA.part", storage_id = { literal = "aaaaaaaaaaaaaaaaaaaaaaaaaa" }, quantity = "DATA.quantity" }
"""
CONFIG: Final = "\n".join(
    [
        '[sources.repo]\nscheme = "github"\nsecrets = [{ env = "HOOK_SECRET" }]\nmax_body_kib = 4',
        _RULE.replace("NAME", "repo").replace("DATA", "event"),
        '[sources.shop]\nscheme = "standard-webhooks"\nsecrets = [{ env = "STANDARD_SECRET" }]',
        _RULE.replace("NAME", "shop").replace("DATA", "event"),
        '[sources.rack]\nscheme = "bearer"\nformat = "cloudevents"\nsecrets = [{ env = "BEARER" }]',
        'origins = ["eventemitter.example"]',
        _RULE.replace("NAME", "rack").replace("DATA", "event.data"),
    ]
)
ENVIRON: Final = {"HOOK_SECRET": SECRET, "STANDARD_SECRET": STANDARD_SECRET, "BEARER": BEARER}


def picked(quantity: Any = 1, part: str = PART, **more: Any) -> bytes:
    return json.dumps({"kind": "picked", "part": part, "quantity": quantity, **more}).encode()


def signed(body: bytes, id_: str = "msg_1") -> dict[str, str]:
    """Sign for the source shop, now."""
    return standard(body, id_=id_, at=int(time.time()))


def part_number(number: int) -> str:
    """Give a part of its own, and so a lane of its own, for a number."""
    text = base64.b32encode(number.to_bytes(4, "big")).decode().strip("=").lower()
    return text.translate(str.maketrans("ilou", "0189")).rjust(26, "p")


@dataclass
class HookDoor:
    """A served application with its intake."""

    port: int
    session: aiohttp.ClientSession
    intake: Intake
    redis: Redis
    held: HeldDeliveries
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def request(
        self, path: str, body: bytes | None, headers: dict[str, str], method: str = "POST"
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        async with self.session.request(method, f"{self.url}{path}", data=body, headers=headers) as answer:
            text = await answer.read()
            return answer.status, dict(answer.headers), json.loads(text) if text else {}

    async def repo(self, body: bytes, id_: str = "g-1", **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return await self.request("/v1/hooks/repo", body, {**github(body, id_=id_), **headers})

    async def shop(self, body: bytes, id_: str = "msg_1") -> tuple[int, dict[str, str], dict[str, Any]]:
        return await self.request("/v1/hooks/shop", body, signed(body, id_))

    async def command(self, key: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        status, _, shown = await self.request(f"/v1/commands/{key}", None, headers, "GET")
        return status, shown

    async def until_drained(self) -> None:
        """Return when nothing waits in the spool any more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.intake.waiting:  # noqa: ASYNC110  the spool has no event for it
                await asyncio.sleep(0.02)

    async def lane(self, part: str) -> list[str]:
        """List the keys in a part's lane, in the order in which they will be applied."""
        return cast("list[str]", await self.redis.lrange(f"{prefix_of('partsbox')}lane:part:{part}", 0, -1))

    async def accepted(self, vendor: str = "partsbox") -> dict[str, dict[str, Any]]:
        """Read the commands in the ledger by key."""
        prefix = f"{prefix_of(vendor)}cmd:"
        found = {}
        async for name in self.redis.scan_iter(match=f"{prefix}*", count=1000):
            raw = await self.redis.hgetall(name)
            found[name.removeprefix(prefix)] = json.loads(raw["command"])
        return found


@contextlib.asynccontextmanager
async def serving_hooks(
    folder: Path,
    redis_url: str,
    *,
    config: str = CONFIG,
    requests_per_minute: int = 0,
    origins: tuple[str, ...] = (),
    max_connections: int = 500,
    spool_bytes: int = 2**30,
) -> AsyncIterator[HookDoor]:
    path = folder / "stockrelay.toml"
    path.write_text(config)
    redis = open_redis(redis_url)
    held, readiness = HeldDeliveries(redis), Readiness(redis)
    rates = Rates(requests_per_minute)
    with Outbox(folder / "spool.sqlite3", "webhooks", max_bytes=spool_bytes, min_free_bytes=0) as outbox:
        intake = Intake(Submitter(redis), readiness, Moments(redis, keep_days=30), held, outbox)
        services = Services(
            clients=Clients([ClientToken("erp", SecretStr(TOKEN))], rates=rates),
            intake=intake,
            readiness=readiness,
            redis=redis,
            cors=Cors(origins),
        )
        routes = DeliveryRoutes(open_hooks(path, ENVIRON), intake, rates, requests_per_minute=requests_per_minute)
        runner = web.AppRunner(create_app(services, further=[routes]), shutdown_timeout=0.1)
        await runner.setup()
        assert runner.server is not None
        connect = connection_factory(runner.server, max_connections=max_connections)
        listener = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
        try:
            async with intake.running(), aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
                yield HookDoor(listener.sockets[0].getsockname()[1], session, intake, redis, held)
        finally:
            listener.close()
            await runner.cleanup()
            await redis.aclose()
