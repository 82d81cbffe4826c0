"""A vendor client over a scripted session, and a server of raw bytes: the test says what comes back."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import SecretStr

from tasks.errors import Exchange, VendorError
from workers.vendors.base import Endpoint
from workers.vendors.partsbox.client import PartsBoxClient, secret_headers
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp

API_KEY: Final = "partsboxapi_0123456789abcdef0123456789abcdef"
KEY: Final = "abcdefghijklmnopqrst"
SETTLE_SECONDS: Final = 60.0
OK: Final = {"partsbox.status/category": "ok", "partsbox.status/message": "OK"}


@dataclass
class Limiter:
    """Grants everything and notes what happens, in order; `fresh` says for each permit whether it still holds."""

    fresh: list[bool] = field(default_factory=list)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    rewards: int = 0

    async def acquire(self, slot_id: str, _: Any = None) -> Any:
        self.log.append(("acquire", slot_id))
        return SimpleNamespace(fresh=lambda: self.fresh.pop(0) if self.fresh else True)

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        self.log.append(("ghost", slot_id, ghost_seconds) if ghost_seconds else ("release", slot_id))
        self.rewards += taken


@dataclass
class Permission:
    """The sender's side of a write; notes the moment in the limiter's log."""

    limiter: Limiter
    key: str = KEY
    error: BaseException | None = None
    #: What is said in the moment of writing.
    leaves: bool = True

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        self.limiter.log.append(("permitted",))
        if self.error is not None:
            raise self.error

    def may_leave(self) -> bool:
        return self.leaves


@dataclass
class Session:
    """Answers each request with the same script, as `aiohttp.ClientSession.request` would."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: BaseException | None = None
    #: Raised when half of the body has been read.
    within: BaseException | None = None
    #: Set when a request has arrived; then the answer never comes.
    hanging: asyncio.Event | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)
    _retry_connection: bool = True

    @asynccontextmanager
    async def request(self, method: str, url: object, **options: Any) -> AsyncIterator[Any]:
        body = options["data"]
        data = body if isinstance(body, bytes) else body._value
        self.sent.append({"method": method, "url": str(url)} | options | {"data": data})
        if self.hanging is not None:
            self.hanging.set()
            await asyncio.Event().wait()
        if self.before is not None:
            raise self.before
        yield SimpleNamespace(status=self.status, headers=self.headers, content=SimpleNamespace(iter_any=self._content))

    async def _content(self) -> AsyncIterator[bytes]:
        half = len(self.body) // 2
        yield self.body[:half]
        if self.within is not None:
            raise self.within
        yield self.body[half:]


def make(session: Session | aiohttp.ClientSession, limiter: Limiter | None = None, **changes: Any) -> PartsBoxClient:
    given = {"base_url": "https://vendor.test/api/1", "secret_headers": secret_headers(SecretStr(API_KEY))}
    endpoint = Endpoint(**(given | {"timeout_seconds": 30, "settle_seconds": SETTLE_SECONDS} | changes))
    return PartsBoxClient(cast("aiohttp.ClientSession", session), limiter or Limiter(), endpoint)


def call(operation: str, body: dict[str, Any]) -> Call:
    """Make the call of a PartsBox operation."""
    return Call.post(operation, body, operation=operation)


async def write_once(session: Session, limiter: Limiter | None = None) -> Exchange | VendorError:
    limiter = limiter or Limiter()
    try:
        add = call("stock/add", {"stock/quantity": 1})
        return (await make(session, limiter).write(add, Permission(limiter))).exchange()
    except VendorError as error:
        return error


async def read_once(session: Session, limiter: Limiter | None = None) -> Any:
    try:
        return await make(session, limiter).read(call("part/get", {"part/id": "p"}))
    except VendorError as error:
        return error


def envelope(**changes: Any) -> bytes:
    return json.dumps(OK | {f"partsbox.status/{name}": value for name, value in changes.items()}).encode()


def answering(body: bytes) -> AbstractAsyncContextManager[tuple[str, list[bytes]]]:
    """Serve this body with a 200; gives the address and the heads that were received."""
    return raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@asynccontextmanager
async def raw_server(*pieces: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request with these bytes and close; gives the address and the heads that were received.

    Without pieces the connection is kept open in silence, until the client leaves.
    """
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.read(3)
            if head.isalpha():  # what does not begin with a method is TLS
                head += await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
            received.append(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if not pieces:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has left, or speaks no HTTP
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/1", received
    finally:
        server.close()
        await server.wait_closed()
