"""The HTTP server: admits a request, paces it, commits it and answers, whether or not its client still waits."""

import asyncio
import hashlib
import json
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, TypedDict, Unpack

from aiohttp import web

from tests.sandbox.partsbox.answers import deliver, plain
from tests.sandbox.partsbox.assumptions import Assumptions
from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.changes import Changes
from tests.sandbox.partsbox.control import control_routes
from tests.sandbox.partsbox.exchange import Exchange
from tests.sandbox.partsbox.faults import AFTER_COMMIT, BEFORE_COMMIT, Drawn, Fault, Faults
from tests.sandbox.partsbox.fixtures import SEEDS, Loader
from tests.sandbox.partsbox.gates import Gates
from tests.sandbox.partsbox.journal import Journal, marker_in
from tests.sandbox.partsbox.limits import LimitRules, Limits
from tests.sandbox.partsbox.operations import Write
from tests.sandbox.partsbox.state import ApiUser, State, wall_clock_ms
from tests.sandbox.partsbox.vendor import Vendor
from tests.sandbox.partsbox.wire import CATEGORY, Record, RefusedError, Reply, accepted, read_parameters, refused

#: the path all operations share
BASE_PATH = "/api/1"

#: from, to: a draw in this range is waited before every answer
Latency = tuple[float, float]

#: writes must be slower than reads, or a second delivery of a command passes its look-up by luck
READ_LATENCY_SECONDS: Latency = (0.005, 0.005)
WRITE_LATENCY_SECONDS: Latency = (0.025, 0.025)


class Settings(TypedDict, total=False):
    """How a sandbox is set up; everything has a default."""

    read_latency_seconds: Latency
    write_latency_seconds: Latency
    limit_rules: LimitRules
    assumptions: Assumptions
    #: the vendor's clock, UTC milliseconds
    clock_ms: Callable[[], int]
    #: makes ids and latencies repeatable
    seed: int | None
    #: a name of fixtures.SEEDS
    seed_fixture: str


@dataclass(frozen=True)
class Admitted:
    """A request that passed the door."""

    user: ApiUser
    params: Record
    faults: Drawn


class PartsBoxSandbox:
    """The vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self.changes = Changes()
        seed = settings.get("seed")
        self.state = State(
            assumptions=settings.get("assumptions", Assumptions()),
            clock_ms=settings.get("clock_ms", wall_clock_ms),
            seed=seed,
        )
        self.journal = Journal(self.changes, self.state.now_ms)
        self.vendor = Vendor(self.state, self.journal)
        self.load = Loader(self.state)
        self.load.load(SEEDS[settings.get("seed_fixture", "empty")])
        self.faults = Faults()
        self.gates = Gates(self.changes)
        self.limits = Limits(settings.get("limit_rules", LimitRules()))
        self.read_latency_seconds = settings.get("read_latency_seconds", READ_LATENCY_SECONDS)
        self.write_latency_seconds = settings.get("write_latency_seconds", WRITE_LATENCY_SECONDS)
        self.root_url = ""
        self._random = random.Random(seed)
        self._works: dict[asyncio.Task[web.StreamResponse], Exchange] = {}

    @property
    def url(self) -> str:
        """The base URL a client is configured with."""
        return self.root_url + BASE_PATH

    @property
    def in_flight(self) -> list[Exchange]:
        """Requests the server still works on, those without a client included."""
        return list(self._works.values())

    @classmethod
    @asynccontextmanager
    async def running(cls, port: int = 0, **settings: Unpack[Settings]) -> AsyncIterator[Self]:
        """Serve until the block ends; port 0 takes a free one."""
        sandbox = cls(**settings)
        async with sandbox.serving(port):
            yield sandbox

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve until the block ends; requests in flight then are given up uncommitted."""
        app = web.Application()
        app.add_routes(control_routes(self))
        app.router.add_route("*", BASE_PATH + "/{operation:.+}", self._serve)
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

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        record = self.journal.arrived(request.match_info["operation"], request.method)
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
                reply = refused(RefusedError("rate-limited", "Too many requests"), self.state.assumptions)
                return self._answer(exchange, reply, {"Retry-After": str(math.ceil(retry_after_seconds))})
            try:
                admitted = await self._admit(exchange)
            except RefusedError as error:
                return self._answer(exchange, refused(error, self.state.assumptions))
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

    async def _admit(self, exchange: Exchange) -> Admitted:
        """Check method, key, parameters and role; raises RefusedError."""
        request, record = exchange.request, exchange.record
        if request.method not in ("GET", "POST"):
            raise RefusedError("method-not-allowed", "Use GET or POST")
        body = await request.read()
        record.body_sha256 = hashlib.sha256(body + request.query_string.encode()).hexdigest()
        user = self._user(request)
        if user is None:
            raise RefusedError("unauthorized", "API key missing or unknown")
        params = await read_parameters(request)
        text = json.dumps(params, ensure_ascii=False)
        record.marker = marker_in(text)
        record.part_id = min(self.vendor.parts_written(record.operation, params), default=params.get("part/id"))
        if record.operation not in OPERATIONS:
            raise RefusedError("not-found", f"Operation {record.operation} not found")
        if record.operation in user.denied:
            raise RefusedError("forbidden", "The role of this user does not allow the operation")
        faults = self.faults.draw(record.operation, text)
        record.faults = faults.kinds
        return Admitted(user, params, faults)

    def _user(self, request: web.Request) -> ApiUser | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return self.state.users.get(key) if scheme == "APIKey" else None

    async def _play(self, exchange: Exchange, admitted: Admitted) -> web.StreamResponse:
        parts = self.vendor.parts_written(exchange.record.operation, admitted.params)
        for part_id in parts:
            self.limits.write_began(part_id)
        try:
            return await self._commit_and_answer(exchange, admitted)
        finally:
            for part_id in parts:
                self.limits.write_ended(part_id)

    async def _commit_and_answer(self, exchange: Exchange, admitted: Admitted) -> web.StreamResponse:
        outcome, pace = admitted.faults.outcome, admitted.faults.pace
        if outcome and outcome.kind == "late_commit":
            await _let_go(exchange, outcome)
        else:
            await self._take_time(exchange.record.operation)
        await self._pause(pace, BEFORE_COMMIT)
        reply = Reply(200, {})
        if outcome is None or outcome.commits:
            reply = self._commit(exchange, admitted)
        await self._pause(pace, AFTER_COMMIT)
        if outcome is None:
            return self._answer(exchange, reply)
        return await deliver(exchange, outcome, reply)

    def _commit(self, exchange: Exchange, admitted: Admitted) -> Reply:
        record, fault = exchange.record, admitted.faults.commit
        try:
            answer = self.vendor.perform_with(fault, record.operation, admitted.params, admitted.user.name, record)
        except RefusedError as error:
            return refused(error, self.state.assumptions)
        return accepted(answer, self.state.assumptions)

    async def _take_time(self, operation: str) -> None:
        writes = isinstance(OPERATIONS[operation], Write)
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

    def _answer(self, exchange: Exchange, reply: Reply, headers: dict[str, str] | None = None) -> web.Response:
        exchange.record.outcome = reply.body[CATEGORY]
        exchange.record.status = reply.status
        return plain(reply, headers)


async def _let_go(exchange: Exchange, fault: Fault) -> None:
    """Part from the client first, so that the commit comes when nobody waits for it any more."""
    if fault.options["after"] == "closing":
        exchange.hang_up()
    await exchange.left.wait()
    await asyncio.sleep(fault.options["delay_seconds"])
