"""The HTTP server: admits a request, paces it, commits it and answers, whether or not its client still waits."""

import asyncio
import hashlib
import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar, Generic, Self, Unpack

from aiohttp import web

from tests.sandbox.answers import ANSWERS, Answering, deliver, plain
from tests.sandbox.changes import Changes
from tests.sandbox.clock import Clock, wall_clock_ms
from tests.sandbox.control import control_routes
from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import (
    AFTER_COMMIT,
    BEFORE_COMMIT,
    CHOICES,
    COMMIT,
    KINDS,
    OUTCOME,
    PACE,
    SIGHT,
    Fault,
    Faults,
    Kind,
)
from tests.sandbox.gates import Gates
from tests.sandbox.journal import Journal
from tests.sandbox.limits import LimitRules, Limits
from tests.sandbox.replica import Replica
from tests.sandbox.settings import READ_LATENCY_SECONDS, WRITE_LATENCY_SECONDS, AssumptionsT, Settings
from tests.sandbox.wire import Admitted, RefusedError, Reply


class Sandbox(ABC, Generic[AssumptionsT]):
    """A vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    #: the path all operations share
    base_path: ClassVar[str] = ""
    #: name -> does it write?
    operations: ClassVar[Mapping[str, bool]]
    #: fixtures by name; "empty" is the default
    seeds: ClassVar[Mapping[str, Any]]
    #: what an answer looks like to a client that wrongly followed a redirect
    redirect_body: ClassVar[Any] = {}
    #: kinds of faults, choices of their options, and how outcomes answer: the shared ones and the vendor's own
    kinds: ClassVar[Mapping[str, Kind]] = KINDS
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    answers: ClassVar[Mapping[str, Answering]] = ANSWERS

    #: set by the vendor
    assumptions: AssumptionsT
    journal: Journal[Any]

    def __init__(self, **settings: Unpack[Settings[AssumptionsT]]) -> None:
        self.changes = Changes()
        self.clock = Clock(settings.get("clock_ms", wall_clock_ms))
        monotonic = settings.get("monotonic", time.monotonic)
        self.faults = Faults(self.operations, self.kinds, self.choices, monotonic)
        self.replica = Replica(self.faults, monotonic)
        self.gates = Gates(self.changes)
        self.limits = Limits(settings.get("limit_rules", LimitRules()), monotonic)
        self.read_latency_seconds = settings.get("read_latency_seconds", READ_LATENCY_SECONDS)
        self.write_latency_seconds = settings.get("write_latency_seconds", WRITE_LATENCY_SECONDS)
        self.root_url = ""
        self._random = random.Random(settings.get("seed"))
        self._works: dict[asyncio.Task[web.StreamResponse], Exchange] = {}

    # what a vendor has to supply

    @abstractmethod
    def operation_of(self, request: web.Request) -> str:
        """Name the operation by path and method; any text for one that does not exist."""

    @abstractmethod
    async def admit(self, exchange: Exchange) -> Admitted:
        """Check key, route and form, and note marker and subjects in the record; raises RefusedError."""

    @abstractmethod
    def commit(self, exchange: Exchange, admitted: Admitted, fault: Fault | None) -> Reply:
        """Do it, with a fault of the commit stage; raises RefusedError, then nothing was changed."""

    @abstractmethod
    def refused(self, error: RefusedError) -> Reply:
        """Write a refusal; the problem `rate-limited` comes from the server itself."""

    @abstractmethod
    def error_body(self, status: int, message: str) -> Any:
        """Give the body of an error that a fault makes up."""

    @abstractmethod
    def encode(self, body: Any) -> bytes:
        """Write JSON the way the vendor does."""

    @abstractmethod
    def outcome_of(self, reply: Reply) -> str:
        """Sum an answer up in the vendor's own word, for the journal."""

    @abstractmethod
    def tables(self) -> dict[str, Any]:
        """Give the live dictionary of what reads are answered from; putting others in its place changes them."""

    @abstractmethod
    def describe_state(self) -> Any:
        """Give everything the vendor remembers, as JSON."""

    @abstractmethod
    def load_fixture(self, fixture: dict[str, Any]) -> Any:
        """Load a fixture past the HTTP API, and give its ids."""

    @abstractmethod
    def write_as(self, user: str, operation: str, params: Any) -> None:
        """Let someone who is not the client under test write; raises RefusedError."""

    def control_calls(self) -> dict[tuple[str, str], Callable[[web.Request], Awaitable[Any]]]:
        """Give the vendor's own calls of the control API, by method and path."""
        return {}

    # running it

    @property
    def url(self) -> str:
        """The base URL a client is configured with."""
        return self.root_url + self.base_path

    @property
    def in_flight(self) -> list[Exchange]:
        """Requests the server still works on, those without a client included."""
        return list(self._works.values())

    @classmethod
    @asynccontextmanager
    async def running(cls, port: int = 0, **settings: Unpack[Settings[AssumptionsT]]) -> AsyncIterator[Self]:
        """Serve until the block ends; port 0 takes a free one."""
        sandbox = cls(**settings)
        async with sandbox.serving(port):
            yield sandbox

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        """Serve until the block ends; requests in flight then are given up uncommitted."""
        # Sizes are the vendor's rule, not the server's: 0 switches aiohttp's own limit off.
        app = web.Application(client_max_size=0)
        app.add_routes(control_routes(self))
        app.router.add_route("*", self.base_path + "/{operation:.+}", self._serve)
        # Cancelling the handler is how the server tells us that a client left; the work itself is shielded.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            self.root_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            works = list(self._works)
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await runner.cleanup()

    async def until_quiet(self, timeout_seconds: float = 10) -> None:
        """Wait until no request is in flight; raises TimeoutError."""
        await self.changes.until(lambda: not self._works, timeout_seconds)

    async def read_body(self, exchange: Exchange) -> bytes:
        """Read the whole body, and note in the record what was sent."""
        body = await exchange.request.read()
        sent = body + exchange.request.query_string.encode()
        exchange.record.body_sha256 = hashlib.sha256(sent).hexdigest()
        return body

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        record = self.journal.arrived(self.operation_of(request), request.method)
        exchange = Exchange(request, record, self.changes)
        work = asyncio.create_task(self._work(exchange))
        self._works[work] = exchange
        work.add_done_callback(self._ended)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            exchange.client_left()
            raise

    def _ended(self, work: asyncio.Task[web.StreamResponse]) -> None:
        del self._works[work]
        self.changes.announce()

    async def _work(self, exchange: Exchange) -> web.StreamResponse:
        retry_after_seconds = self.limits.arrived(exchange.record.seq)
        try:
            if retry_after_seconds is not None:
                reply = self.refused(RefusedError("rate-limited", "Too many requests"))
                headers = {"Retry-After": str(math.ceil(retry_after_seconds))}
                return self._answer(exchange, replace(reply, headers=reply.headers | headers))
            try:
                admitted = await self.admit(exchange)
            except RefusedError as error:
                return self._answer(exchange, self.refused(error))
            exchange.faults = self.faults.draw(exchange.record.operation, admitted.text)
            exchange.record.faults = exchange.faults.kinds
            return await self._play(exchange, admitted)
        except ConnectionError:
            exchange.record.outcome = "client left while sending"
            return web.Response()
        except Exception as error:
            # Nobody may be left to see it raised, so the journal says it.
            exchange.record.outcome = f"crashed: {error!r}"
            raise
        finally:
            self.limits.left()
            self.journal.finished(exchange.record)

    async def _play(self, exchange: Exchange, admitted: Admitted) -> web.StreamResponse:
        for subject in admitted.writes:
            self.limits.write_began(subject)
        try:
            return await self._commit_and_answer(exchange, admitted)
        finally:
            for subject in admitted.writes:
                self.limits.write_ended(subject)

    async def _commit_and_answer(self, exchange: Exchange, admitted: Admitted) -> web.StreamResponse:
        outcome, pace = exchange.faults[OUTCOME], exchange.faults[PACE]
        if outcome and outcome.kind == "late_commit":
            await _let_go(exchange, outcome)
        else:
            await self._take_time(exchange.record.operation)
        await self._pause(pace, BEFORE_COMMIT)
        reply = Reply(200, self.redirect_body)
        if outcome is None or outcome.commits:
            try:
                reply = self._committed(exchange, admitted)
            except RefusedError as error:
                reply = self.refused(error)
        await self._pause(pace, AFTER_COMMIT)
        if outcome is None:
            return self._answer(exchange, reply)
        return await deliver(self, exchange, outcome, reply)

    def _committed(self, exchange: Exchange, admitted: Admitted) -> Reply:
        tables = self.tables()
        if self.operations[exchange.record.operation]:
            self.replica.keep(tables)
        with self.replica.read_as(exchange.faults[SIGHT], tables):
            return self.commit(exchange, admitted, exchange.faults[COMMIT])

    async def _take_time(self, operation: str) -> None:
        writes = self.operations[operation]
        await asyncio.sleep(
            self._random.uniform(*(self.write_latency_seconds if writes else self.read_latency_seconds))
        )

    async def _pause(self, fault: Fault | None, place: str) -> None:
        if fault is None or fault.options["place"] != place:
            return
        if fault.kind == "gate":
            await self.gates[fault.options["gate"]].passage()
        else:
            await asyncio.sleep(fault.options["delay_seconds"])

    def _answer(self, exchange: Exchange, reply: Reply) -> web.Response:
        exchange.record.outcome = self.outcome_of(reply)
        exchange.record.status = reply.status
        return plain(self, reply)


async def _let_go(exchange: Exchange, fault: Fault) -> None:
    """Part from the client first, so that the commit comes when nobody waits for it any more."""
    if fault.options["after"] == "closing":
        exchange.hang_up()
    await exchange.left.wait()
    await asyncio.sleep(fault.options["delay_seconds"])
