"""The HTTP door served over real connections, for what it accepts and for what may fail."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from producers.tokens import ClientToken, Role
from producers.webhooks.app import Services, create_app
from producers.webhooks.auth import Clients
from producers.webhooks.connection import connection_factory
from tasks.records import State
from tasks.redis_client import open_redis
from tasks.submit import Accepted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord

TOKEN = "invented-token-of-erp"
STATION_TOKEN = "invented-token-of-st01"
OPERATOR_TOKEN = "invented-token-of-desk"
#: Of a client that has this role and no other.
ROLE_TOKENS: dict[str, str] = {role: f"invented-token-to-{role}-only" for role in Role}
TOKENS = (
    ClientToken("erp", SecretStr(TOKEN)),
    ClientToken("ST-01", SecretStr(STATION_TOKEN)),
    ClientToken("desk", SecretStr(OPERATOR_TOKEN), frozenset(Role)),
    *(ClientToken(f"{role}-only", SecretStr(token), frozenset({Role(role)})) for role, token in ROLE_TOKENS.items()),
)
SHELF, BIN, PART = ("a" * 26, "b" * 26, "p" * 26)
PROBLEM = "application/problem+json"
JSON = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
#: The head of a request up to where its body or more of it would come.
HEAD = (
    b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
)


def move(**changes: Any) -> dict[str, Any]:
    fields = {
        "kind": "stock.move",
        "part_id": PART,
        "from_storage_id": SHELF,
        "to_storage_id": BIN,
        "quantity": 5,
        "stock_timestamp": 1_790_000_000_000,
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


@dataclass
class FakeLedger:
    """Accepts everything, or fails or waits as told."""

    error: Exception | None = None
    gate: asyncio.Event | None = None
    submitted: list[Command] = field(default_factory=list)

    async def submit(self, command: Command, **_: str | None) -> Accepted:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.submitted.append(command)
        return Accepted(command.key(), command.kind, State.READY, duplicate=False)

    async def find(self, _: str) -> CommandRecord | None:
        if self.error is not None:
            raise self.error
        return None


class AlwaysReady:
    async def require_durable(self) -> None:
        return

    async def check(self) -> dict[str, Any]:
        return {"status": "ready"}


@dataclass
class DirectIntake:
    """Hands commands to the ledger and keeps nothing on a disk."""

    ledger: Any
    readiness: Any
    waiting: int = 0

    async def accept(self, command: Command, *, idempotency_key: str | None, client: str, trace: str = "") -> Accepted:
        await self.readiness.require_durable()
        accepted: Accepted = await self.ledger.submit(
            command, idempotency_key=idempotency_key, client=client, trace=trace
        )
        return accepted

    async def find(self, key: str) -> CommandRecord | None:
        found: CommandRecord | None = await self.ledger.find(key)
        return found

    def withdraw(self, _: str) -> bool:
        return False


@dataclass
class Door:
    """A served application."""

    port: int
    session: aiohttp.ClientSession
    app: web.Application

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, body: Any, path: str = "/v1/commands", **headers: str) -> tuple[int, Any, dict[str, Any]]:
        data = body if isinstance(body, bytes | io.BytesIO) else json.dumps(body).encode()
        given = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.session.post(f"{self.url}{path}", data=data, headers=given) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def get(self, path: str, **headers: str) -> tuple[int, Any, dict[str, Any]]:
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        async with self.session.get(f"{self.url}{path}", headers=given) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def raw(self, request: bytes, seconds: float = 10.0) -> bytes:
        """Send bytes as they are and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()


def services(intake: Any, readiness: Any, redis: Redis) -> Services:
    return Services(clients=Clients(TOKENS), intake=intake, readiness=readiness, redis=redis)


@contextlib.asynccontextmanager
async def serving(
    ledger: Any, readiness: Any = None, *, redis: Redis | None = None, max_connections: int = 100
) -> AsyncIterator[Door]:
    """Serve a ledger; without `redis` there is nothing to look up and no event."""
    readiness = readiness or AlwaysReady()
    async with serving_intake(DirectIntake(ledger, readiness), readiness, redis, max_connections) as door:
        yield door


@contextlib.asynccontextmanager
async def serving_intake(
    intake: Any, readiness: Any, redis: Redis | None = None, max_connections: int = 100
) -> AsyncIterator[Door]:
    nowhere = open_redis("redis://127.0.0.1:1/0")
    app = create_app(services(intake, readiness, redis or nowhere))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    connect = connection_factory(runner.server, max_connections=max_connections)
    listener = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield Door(listener.sockets[0].getsockname()[1], session, app)
    finally:
        listener.close()
        await runner.cleanup()
        await nowhere.aclose()
