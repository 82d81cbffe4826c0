"""A catalog vendor whose permits the test grants by hand and whose answers it scripts, and senders of its writes."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from pydantic import SecretStr

from tasks.catalog import DeleteAssembly, DeletePart, UpsertAssembly, UpsertPart
from tests.open_writer import open_writer
from workers.vendors.base import Endpoint
from workers.vendors.partium import Partium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    import aiohttp

    from tasks.errors import Exchange

API_KEY: Final = "catalogue-key-0123456789abcdef"
SETTLE_SECONDS: Final = 60.0
NOW_MS: Final = 1_700_000_000_000


@dataclass
class Limiter:
    """Grants a permit when the test says so; notes everything in order."""

    #: Grant at once.
    open: bool = False
    log: list[tuple[Any, ...]] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    _waiting: list[tuple[str, asyncio.Future[None]]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def acquire(self, slot_id: str, _: Any = None) -> Any:
        if not self.open:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((slot_id, turn))
            self._changed.set()
            try:
                await turn
            finally:
                self._waiting = [(name, future) for name, future in self._waiting if future is not turn]
        self.log.append(("acquire", slot_id))
        return SimpleNamespace(fresh=lambda: self.fresh.pop(0) if self.fresh else True)

    async def waits(self, count: int = 1) -> None:
        """Wait until so many requests wait for a permit."""
        while len(self._waiting) < count:
            self._changed.clear()
            await self._changed.wait()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def grant(self) -> None:
        await self.waits()
        _, turn = self._waiting.pop(0)
        turn.set_result(None)

    async def refuse(self, error: Exception) -> None:
        await self.waits()
        _, turn = self._waiting.pop(0)
        turn.set_exception(error)

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        self.log.append(("ghost", slot_id, ghost_seconds) if ghost_seconds else ("release", slot_id))
        if taken:
            self.log.append(("reward",))


@dataclass
class Request:
    """What has left."""

    method: str
    path: str
    body: Any
    headers: Mapping[str, str]
    payload: bytes


@dataclass
class Reply:
    """What comes back; without a status the connection breaks with `trouble`."""

    status: int | None = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    trouble: Exception = field(default_factory=lambda: ConnectionResetError("cut"))
    #: The connection breaks within the body.
    cut: bool = False


LOST: Final = Reply(None)


def done(request: Request) -> Reply:
    """Carry out what was asked, as new."""
    if request.path.endswith("/select"):
        return Reply(body=[])
    if request.method == "DELETE":
        return Reply(body={"deleted": request.body, "errors": {}})
    return Reply(body={"created": ids_of(request), "updated": [], "errors": {}})


def ids_of(request: Request) -> list[str]:
    """Give the ids that a write names."""
    return [item if isinstance(item, str) else item.get("part_id") or item["ass_id"] for item in request.body]


@dataclass
class Session:
    """Takes requests as `aiohttp.ClientSession.request` would: the body is written last, and may refuse to leave."""

    answer: Any = done
    sent: list[Request] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    #: Called with each request before its first byte leaves.
    connecting: Callable[[], Awaitable[None]] | None = None
    _retry_connection: bool = True

    @asynccontextmanager
    async def request(self, method: str, url: Any, **options: Any) -> AsyncIterator[Any]:
        written = bytearray()

        async def write(chunk: bytes) -> None:
            written.extend(chunk)

        if self.connecting is not None:
            await self.connecting()
        await options["data"].write_with_length(open_writer(write), None)
        request = Request(method, url.path, json.loads(bytes(written)), options["headers"], bytes(written))
        self.sent.append(request)
        self.arrived.set()
        reply = self.answer(request)
        if not isinstance(reply, Reply):
            reply = await reply
        if reply.status is None:
            raise reply.trouble
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()

        async def content() -> AsyncIterator[bytes]:
            yield raw
            if reply.cut:
                raise reply.trouble

        yield SimpleNamespace(status=reply.status, headers=reply.headers, content=SimpleNamespace(iter_any=content))

    @property
    def writes(self) -> list[list[str]]:
        """The ids of every write that left."""
        return [ids_of(request) for request in self.sent if not request.path.endswith(("/select", "/list"))]


@dataclass
class Sender:
    """The sender's side of one write."""

    key: str = "abcdefghijklmnopqrst"
    error: BaseException | None = None
    leaves: list[bool] = field(default_factory=list)
    permits: int = 0
    #: Holds `permitted` up until it is set.
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        self.permits += 1
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error

    def may_leave(self) -> bool:
        return self.leaves.pop(0) if self.leaves else True


@dataclass
class Bench:
    """The adapter between the limiter and the session, and writes under way."""

    session: Session = field(default_factory=Session)
    limiter: Limiter = field(default_factory=Limiter)

    def __post_init__(self) -> None:
        headers = Partium.secret_headers(SecretStr(API_KEY))
        endpoint = Endpoint("https://catalog.test", headers, timeout_seconds=30, settle_seconds=SETTLE_SECONDS)
        self.partium = Partium(cast("aiohttp.ClientSession", self.session), self.limiter, endpoint)

    def upsert(self, part_id: str, sender: Sender | None = None, text: str = "Screw") -> asyncio.Task[Exchange]:
        return self._start(self.partium.upsert_part(part(part_id, text), sender or Sender()))

    def delete(self, part_id: str, sender: Sender | None = None) -> asyncio.Task[Exchange]:
        command = DeletePart(stock_timestamp=NOW_MS, part_id=part_id)
        return self._start(self.partium.delete_part(command, sender or Sender()))

    def upsert_assembly(self, ass_id: str, parent_id: str = "", sender: Sender | None = None) -> asyncio.Task[Exchange]:
        return self._start(self.partium.upsert_assembly(assembly(ass_id, parent_id), sender or Sender()))

    def delete_assembly(self, ass_id: str, parent_id: str = "", sender: Sender | None = None) -> asyncio.Task[Exchange]:
        command = DeleteAssembly(stock_timestamp=NOW_MS, ass_id=ass_id)
        return self._start(self.partium.delete_assembly(command, parent_id, sender or Sender()))

    def read(self, part_id: str) -> asyncio.Task[Any]:
        return self._start(self.partium.part(part_id))

    @staticmethod
    def _start(call: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(call)


def part(part_id: str, text: str = "Screw") -> UpsertPart:
    return UpsertPart(stock_timestamp=NOW_MS, part_id=part_id, name={"en": text})


def assembly(ass_id: str, parent_id: str = "") -> UpsertAssembly:
    return UpsertAssembly(stock_timestamp=NOW_MS, ass_id=ass_id, parent_id=parent_id, name={"en": "Engine"})


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def slots(bench: Bench) -> list[str]:
    """The slots that were taken, in order."""
    return [entry[1] for entry in bench.limiter.log if entry[0] == "acquire"]


async def turns(count: int = 10) -> None:
    """Let everything that can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def outcomes(tasks: Iterable[asyncio.Task[Any]]) -> list[Any]:
    """Wait for all; an error stands for itself."""
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench, at whose end no request and no task may be left."""
    made = Bench()
    before = asyncio.all_tasks()
    yield made
    await turns()
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert left == set()
    await made.partium.aclose()
