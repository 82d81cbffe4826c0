"""Hundreds of commands share requests over real Redis and real HTTP, and each is settled by its own outcome."""

from __future__ import annotations

import asyncio
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


@dataclass
class Worker:
    """The executor of one process, and the deliveries that it is given."""

    redis: Redis
    catalog: Catalog
    executor: Executor

    async def submit(self, commands: Iterable[Command]) -> list[str]:
        submitter = Submitter(self.redis)
        return [(await submitter.submit(command)).key for command in commands]

    async def deliver(self, keys: Iterable[str]) -> list[str]:
        places = asyncio.Semaphore(CONCURRENCY)

        async def run(key: str) -> str:
            async with places:
                return await self.executor.deliver(key)

        return await asyncio.gather(*map(run, keys))

    async def until_ended(self, keys: list[str]) -> dict[str, CommandRecord]:
        """Deliver as the queue would, whatever is due, until every command has ended."""
        ledger = self.executor.leases.ledger
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                records = {key: await self._record(key) for key in keys}
                left = [key for key, record in records.items() if record.state not in ENDED]
                if not left:
                    return records
                await ledger.promote()
                if not {"applied", "absent", "rejected"} & set(await self.deliver(left)):
                    await asyncio.sleep(0.05)

    async def _record(self, key: str) -> CommandRecord:
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
        stopping = asyncio.Event()
        limiter = Limiter(redis_client, VENDOR, POLICY)
        headers = Partium.secret_headers(SecretStr("invented-key-0123456789"))
        endpoint = Endpoint(url, headers, timeout_seconds=20, settle_seconds=30)
        partium = Partium(session, StoppableLimiter(limiter, stopping), endpoint)
        ledger = Ledger(redis_client, VENDOR, request_seconds=20)
        executor = Executor(
            port=partium,
            leases=Leases(ledger, 30.0),
            outcomes=Outcomes(ledger, limiter),
            settle_seconds=30,
            ledger_of=partial(Ledger, redis_client),
            stopping=stopping,
        )
        yield Worker(redis_client, catalog, executor)
        await partium.aclose()


def parts(count: int) -> list[UpsertPart]:
    return [UpsertPart(stock_timestamp=NOW_MS, part_id=f"p{n}", name={"en": f"Screw {n}"}) for n in range(count)]


async def test_hundreds_of_commands_are_applied_by_a_few_requests(worker: Worker) -> None:
    keys = await worker.submit(parts(300))

    assert set(await worker.deliver(keys)) == {"applied"}

    assert len(worker.catalog.writes) <= 12
    assert worker.catalog.reads == []
    assert sorted(name for ids in worker.catalog.writes for name in ids) == sorted(f"p{n}" for n in range(300))
    record = await worker._record(keys[7])
    assert record.receipt == {"proof": "answer", "entries": [{"part_id": "p7"}]}
    (evidence,) = await worker.executor.leases.ledger.evidence(keys[7])
    assert evidence["exchange"]["request"]["item"]["part_id"] == "p7"
    assert evidence["exchange"]["answer"] == {"created": ["p7"]}
    assert len(json.dumps(evidence)) < 1_000
    snapshot = await worker.executor.outcomes.limiter.snapshot()
    assert (snapshot.in_flight, snapshot.ghosts) == (0, 0)


async def test_a_lost_answer_to_hundreds_is_cleared_up_by_a_few_reads_without_a_second_write(worker: Worker) -> None:
    worker.catalog.lost = 1
    keys = await worker.submit(parts(200))
    found = await worker.deliver(keys)
    assert set(found) == {"applied", "in_doubt"}
    assert found.count("in_doubt") > 20

    records = await worker.until_ended(keys)

    assert {record.state for record in records.values()} == {State.APPLIED}
    written = [name for ids in worker.catalog.writes for name in ids]
    assert sorted(written) == sorted(f"p{n}" for n in range(200))
    proofs = [(record.receipt or {}).get("proof") for record in records.values()]
    assert proofs.count("state") == found.count("in_doubt")
    assert len(worker.catalog.reads) <= 10


async def test_one_poisoned_item_is_rejected_and_costs_the_others_nothing(worker: Worker) -> None:
    worker.catalog.poison = "p42"
    keys = await worker.submit(parts(60))

    found = await worker.deliver(keys)

    assert [found.count(word) for word in ("applied", "rejected")] == [59, 1]
    records = {key: await worker._record(key) for key in keys}
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
    states = {(await worker._record(key)).state for key in keys[1:]}
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
    assert (await worker._record(keys[sending])).state is State.IN_DOUBT
    assert (await worker.until_ended(keys))[keys[sending]].state is State.APPLIED
    assert sorted(name for ids in worker.catalog.writes for name in ids) == sorted(f"p{n}" for n in range(20))
