"""Hundreds of commands share requests over real Redis and real HTTP, and each is settled by its own outcome."""

from __future__ import annotations

import asyncio
import inspect
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web
from pydantic import SecretStr

from tasks.catalog import UpsertAssembly, UpsertPart
from tasks.ledger import Ledger
from tasks.records import State
from tasks.submit import Submitter
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.limits import LimitPolicy, Rate
from workers.outcomes import Outcomes
from workers.reach import Reach
from workers.stoppable import StoppableLimiter
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partium import Partium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord

VENDOR: Final = "partium"
NOW_MS: Final = 1_700_000_000_000
#: Slow enough that hundreds of commands wait for a permit.
POLICY: Final = LimitPolicy((Rate(5, 1.0),), 2, 60.0)
PATIENCE_SECONDS: Final = 60
#: The catalog here commits before it loses an answer.
SETTLE_SECONDS: Final = 2.0
#: Deliveries at once, as in a worker's pool.
CONCURRENCY: Final = 80
ENDED: Final = {State.APPLIED, State.REJECTED, State.HELD}


@dataclass
class Catalog:
    """A catalog on the loopback: keeps what it is sent, by the document's rules that matter here."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[list[str]] = field(default_factory=list)
    reads: list[list[str]] = field(default_factory=list)
    #: Answers still to be lost, behind the commit.
    lost: int = 0
    #: A request with this id in it is refused whole.
    poison: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def select(self, request: web.Request) -> web.Response:
        asked = await request.json()
        ids = asked.get("part_ids") or asked["ass_ids"]
        self.reads.append(ids)
        return web.json_response([self.records[one] for one in ids if one in self.records])

    async def upsert(self, request: web.Request) -> web.StreamResponse:
        items = await request.json()
        ids = [item.get("part_id") or item["ass_id"] for item in items]
        self.writes.append(ids)
        self.arrived.set()
        await self.go_on.wait()
        if self.poison in ids:
            return web.json_response({"detail": "no"}, status=400)
        errors = {}
        created = []
        for name, item in zip(ids, items, strict=True):
            if item.get("parent_id") and item["parent_id"] not in self.records:
                errors[name] = "no parent"
            else:
                self.records[name] = item
                created.append(name)
        if self.lost:
            self.lost -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"created": created, "updated": [], "errors": errors})


class Watched:
    """The vendor's port, and how many commands wait for an answer of it."""

    def __init__(self, port: Partium) -> None:
        self._port = port
        self.waiting = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if not inspect.iscoroutinefunction(call):
            return call

        async def watched(*args: Any, **options: Any) -> Any:
            self.waiting += 1
            try:
                return await call(*args, **options)
            finally:
                self.waiting -= 1

        return watched


@dataclass
class Worker:
    """The executor of one process, and the deliveries that it is given."""

    redis: Redis
    catalog: Catalog
    executor: Executor
    port: Watched

    async def submit(self, commands: Iterable[Command]) -> list[str]:
        submitter = Submitter(self.redis)
        return [(await submitter.submit(command)).key for command in commands]

    async def deliver(self, keys: Iterable[str]) -> list[str]:
        places = asyncio.Semaphore(CONCURRENCY)

        async def run(key: str) -> str:
            async with places:
                return await self.executor.deliver(key)

        return await asyncio.gather(*map(run, keys))

    async def deliver_together(self, keys: Iterable[str]) -> list[str]:
        """Deliver them at once, and let none leave before all wait for a permit, however slow the machine is.

        Every slot is held meanwhile. Those whose time has not come are delivered again, as the queue would.
        """
        deliver = self.executor.deliver
        async with self.slots_taken(POLICY.concurrency), asyncio.timeout(PATIENCE_SECONDS):
            under_way = {key: asyncio.create_task(deliver(key)) for key in keys}
            while self.port.waiting < len(under_way):
                for key, delivery in under_way.items():
                    if delivery.done():
                        assert delivery.result() == "not_ready"
                        under_way[key] = asyncio.create_task(deliver(key))
                await asyncio.sleep(0)
        return await asyncio.gather(*under_way.values())

    @asynccontextmanager
    async def slots_taken(self, count: int) -> AsyncIterator[None]:
        limiter = self.executor.outcomes.limiter
        taken = [f"taken-{number}" for number in range(count)]
        for slot_id in taken:
            await limiter.acquire(slot_id)
        try:
            yield
        finally:
            for slot_id in taken:
                await limiter.release(slot_id)

    async def until_ended(self, keys: list[str]) -> dict[str, CommandRecord]:
        """Deliver as the queue would, whatever is due, until every command has ended."""
        ledger = self.executor.leases.ledger
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                records = {key: await self.record(key) for key in keys}
                left = [key for key, record in records.items() if record.state not in ENDED]
                if not left:
                    return records
                await ledger.promote()
                if not {"applied", "absent", "rejected"} & set(await self.deliver(left)):
                    await asyncio.sleep(0.05)

    async def record(self, key: str) -> CommandRecord:
        record = await self.executor.leases.ledger.find(key)
        assert record is not None
        return record


@asynccontextmanager
async def serving(catalog: Catalog) -> AsyncIterator[str]:
    application = web.Application(client_max_size=8 * 1024 * 1024)
    for noun in ("parts", "assemblies"):
        application.router.add_post(f"/1/catalog/{noun}", catalog.upsert)
        application.router.add_post(f"/1/catalog/{noun}/select", catalog.select)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def worker(redis_client: Redis) -> AsyncIterator[Worker]:
    catalog = Catalog()
    async with serving(catalog) as url, open_session() as session:
        stopping, reach = asyncio.Event(), Reach()
        limiter = Limiter(redis_client, VENDOR, POLICY)
        headers = Partium.secret_headers(SecretStr("invented-key-0123456789"))
        endpoint = Endpoint(url, headers, timeout_seconds=20, settle_seconds=SETTLE_SECONDS)
        partium = Partium(session, StoppableLimiter(limiter, stopping, reach), endpoint)
        ledger = Ledger(redis_client, VENDOR, request_seconds=20)
        port = Watched(partium)
        executor = Executor(
            port=port,
            leases=Leases(ledger, 30.0),
            outcomes=Outcomes(ledger, limiter, reach=reach),
            settle_seconds=SETTLE_SECONDS,
            ledger_of=partial(Ledger, redis_client),
            stopping=stopping,
        )
        yield Worker(redis_client, catalog, executor, port)
        await partium.aclose()
        await limiter.aclose()


def parts(count: int) -> list[UpsertPart]:
    return [UpsertPart(stock_timestamp=NOW_MS, part_id=f"p{n}", name={"en": f"Screw {n}"}) for n in range(count)]


async def test_hundreds_of_commands_are_applied_by_a_few_requests(worker: Worker) -> None:
    keys = await worker.submit(parts(300))

    for start in range(0, 300, CONCURRENCY):
        assert set(await worker.deliver_together(keys[start : start + CONCURRENCY])) == {"applied"}

    assert [len(ids) for ids in worker.catalog.writes] == [80, 80, 80, 60]
    assert worker.catalog.reads == []
    assert sorted(name for ids in worker.catalog.writes for name in ids) == sorted(f"p{n}" for n in range(300))
    record = await worker.record(keys[7])
    assert record.receipt == {"proof": "answer", "entries": [{"part_id": "p7"}]}
    (evidence,) = await worker.executor.leases.ledger.evidence(keys[7])
    assert evidence["exchange"]["request"]["item"]["part_id"] == "p7"
    assert evidence["exchange"]["answer"] == {"created": ["p7"]}
    assert len(json.dumps(evidence)) < 1_000
    snapshot = await worker.executor.outcomes.limiter.snapshot()
    assert (snapshot.in_flight, snapshot.ghosts) == (0, 0)


async def test_a_lost_answer_to_many_is_cleared_up_by_shared_reads_without_a_second_write(worker: Worker) -> None:
    worker.catalog.lost = 1
    keys = await worker.submit(parts(200))
    doubted, others = {key: f"p{n}" for n, key in enumerate(keys[:CONCURRENCY])}, keys[CONCURRENCY:]
    assert set(await worker.deliver_together(doubted)) == {"in_doubt"}
    assert set(await worker.deliver(others)) == {"applied"}

    # each looks again until the settle time is over; who looks in the same moment shares the read
    reads = []
    while doubted:
        reads.append(sorted(doubted.values()))
        found = zip(list(doubted), await worker.deliver_together(doubted), strict=True)
        doubted = {key: doubted[key] for key, word in found if word != "applied"}

    assert [sorted(ids) for ids in worker.catalog.reads] == reads
    records = [await worker.record(key) for key in keys]
    assert {record.state for record in records} == {State.APPLIED}
    written = [name for ids in worker.catalog.writes for name in ids]
    assert sorted(written) == sorted(f"p{n}" for n in range(200))
    proofs = [(record.receipt or {}).get("proof") for record in records]
    assert proofs == ["state"] * CONCURRENCY + ["answer"] * len(others)


async def test_one_poisoned_item_is_rejected_and_costs_the_others_nothing(worker: Worker) -> None:
    worker.catalog.poison = "p42"
    keys = await worker.submit(parts(60))

    found = await worker.deliver(keys)

    assert [found.count(word) for word in ("applied", "rejected")] == [59, 1]
    records = {key: await worker.record(key) for key in keys}
    assert records[keys[42]].state is State.REJECTED
    assert len({record.attempts for record in records.values() if record.state is State.APPLIED}) == 1


async def test_children_wait_for_a_parent_that_comes_later(worker: Worker) -> None:
    def assembly(ass_id: str, parent_id: str) -> UpsertAssembly:
        return UpsertAssembly(stock_timestamp=NOW_MS, ass_id=ass_id, parent_id=parent_id, name={"en": "Engine"})

    children = await worker.submit(assembly(f"child{n}", "parent") for n in range(20))
    assert set(await worker.deliver(children)) == {"delayed"}
    (parent,) = await worker.submit([assembly("parent", "")])

    records = await worker.until_ended([parent, *children])

    assert {record.state for record in records.values()} == {State.APPLIED}
    assert {worker.catalog.records[f"child{n}"]["parent_id"] for n in range(20)} == {"parent"}


async def test_a_worker_that_stops_hands_back_everything_that_waits(worker: Worker) -> None:
    worker.catalog.go_on.clear()
    keys = await worker.submit(parts(50))
    async with worker.slots_taken(POLICY.concurrency - 1):  # the last one is that of the first
        first = asyncio.create_task(worker.deliver(keys[:1]))
        await worker.catalog.arrived.wait()
        others = asyncio.create_task(worker.deliver(keys[1:]))
        while (await worker.executor.leases.ledger.counts()).get(State.READY):
            pass  # not all of them are claimed yet

        worker.executor.stopping.set()
        found = await others
    worker.catalog.go_on.set()

    assert await first == ["applied"]
    assert set(found) <= {"handed_back", "stopping"}
    assert worker.catalog.writes == [["p0"]]
    states = {(await worker.record(key)).state for key in keys[1:]}
    assert states == {State.READY}


async def test_a_delivery_that_is_cancelled_under_way_leaves_its_command_in_doubt_and_the_others_alone(
    worker: Worker,
) -> None:
    worker.catalog.go_on.clear()
    keys = await worker.submit(parts(20))
    deliveries = [asyncio.create_task(worker.executor.deliver(key)) for key in keys]
    await worker.catalog.arrived.wait()
    sending = int(worker.catalog.writes[0][0].removeprefix("p"))

    deliveries[sending].cancel()
    await asyncio.wait([deliveries[sending]])
    worker.catalog.go_on.set()
    found = await asyncio.gather(*deliveries, return_exceptions=True)

    assert isinstance(found.pop(sending), asyncio.CancelledError)
    assert set(found) == {"applied"}
    assert (await worker.record(keys[sending])).state is State.IN_DOUBT
    assert (await worker.until_ended(keys))[keys[sending]].state is State.APPLIED
    assert sorted(name for ids in worker.catalog.writes for name in ids) == sorted(f"p{n}" for n in range(20))
