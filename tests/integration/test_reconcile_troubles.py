"""Comparing under trouble: damaged records, vendors that refuse, babble, or close, and commands that come first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from tasks.ledger import prefix_of
from tasks.part_upsert import UpsertPart
from tasks.stock import AddStock
from tasks.submit import Submitter
from tests.conformance.catalogue.case import event
from tests.integration.reconciler_harness import Warehouse, warehouse
from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox
from tests.sandbox.partsbox.state import ApiUser
from workers.reconciler.books import read_books
from workers.reconciler.reads import PatientReads, UnreadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

PREFIX = prefix_of("partsbox")


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running() as vendor:
        vendor.load.part("Resistor")
        vendor.load.storage("shelf")
        yield vendor


@pytest.fixture
async def house(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Warehouse]:
    async with warehouse(redis_client, sandbox) as opened:
        yield opened


async def added(house: Warehouse, sandbox: PartsBoxSandbox, count: int = 1) -> list[str]:
    (part,), (shelf,) = sandbox.state.parts, sandbox.state.storages
    commands = [AddStock(part_id=part, storage_id=shelf, quantity=5, **event()) for _ in range(count)]
    return [record.key for record in await house.apply(*commands)]


DAMAGE: dict[str, tuple[str, ...]] = {
    "another type": ("SET", "nonsense"),
    "no state": ("HDEL", "state"),
    "an unknown state": ("HSET", "state", "asleep"),
    "a command that is none": ("HSET", "command", "{"),
    "an unknown kind": ("HSET", "kind", "stock.eat"),
    "a receipt that is none": ("HSET", "receipt", "[]"),
    "no time": ("HSET", "updated_ms", "soon"),
}


async def test_damaged_records_are_told_one_by_one_and_the_others_compared(
    house: Warehouse, sandbox: PartsBoxSandbox
) -> None:
    keys = await added(house, sandbox, len(DAMAGE) + 1)
    for key, (verb, *arguments) in zip(keys, DAMAGE.values(), strict=False):
        name = f"{PREFIX}cmd:{key}"
        if verb == "SET":
            await house.redis.delete(name)
        await cast("Any", house.redis).execute_command(verb, name, *arguments)

    report = await house.reconcile("partsbox")

    assert report.compared == 1
    assert sorted(gap.what for gap in report.uncompared) == sorted(f"command {key}" for key in keys[:-1])
    # their entries are theirs all the same
    assert report.differences == ()


async def test_a_receipt_of_another_form_is_read_as_far_as_it_goes(house: Warehouse, sandbox: PartsBoxSandbox) -> None:
    (key,) = await added(house, sandbox)
    await house.redis.hset(f"{PREFIX}cmd:{key}", "receipt", '{"entries": [7, {"timestamp_ms": "soon"}, null]}')

    report = await house.reconcile("partsbox")

    assert (report.compared, report.differences, report.uncompared) == (1, (), ())


REFUSED: dict[str, dict[str, Any]] = {
    "babble": {"kind": "garbage", "count": None},
    "server errors": {"kind": "status", "status": 500, "count": None},
}


@pytest.mark.parametrize("trouble", REFUSED)
async def test_what_cannot_be_read_is_told_and_what_can_be_is_compared(
    house: Warehouse, sandbox: PartsBoxSandbox, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.reconciler.reads.TRY_GAP_SECONDS", 0.01)
    await added(house, sandbox)
    sandbox.faults.add(operation="part/all", **REFUSED[trouble])

    report = await house.reconcile("partsbox")

    # the parts that commands moved are read one by one then
    assert (report.compared, report.differences, report.gave_up) == (1, (), False)
    assert [gap.what for gap in report.uncompared] == ["entries on parts that no command has moved"]
    assert "part/all" in report.uncompared[0].why


async def test_a_forbidden_list_is_told_and_parts_are_read_one_by_one(
    house: Warehouse, sandbox: PartsBoxSandbox
) -> None:
    await added(house, sandbox)
    sandbox.state.users[API_KEY] = ApiUser("relay", frozenset({"part/all"}))

    report = await house.reconcile("partsbox")

    assert (report.compared, len(report.uncompared)) == (1, 1)
    assert "forbidden" in report.uncompared[0].why


async def test_too_many_requests_are_waited_out(house: Warehouse, sandbox: PartsBoxSandbox) -> None:
    await added(house, sandbox)
    fault = sandbox.faults.add("status", "part/all", status=429, retry_after="seconds", retry_after_seconds=1)

    report = await house.reconcile("partsbox")

    assert fault.fired == 1
    assert (report.compared, report.uncompared) == (1, ())


async def test_a_vendor_that_stays_closed_is_given_up_in_one_line(house: Warehouse, sandbox: PartsBoxSandbox) -> None:
    await added(house, sandbox, 2)
    await house.relay.limiter.pause(None, "stocktaking")

    report = await house.reconcile("partsbox", patience_seconds=0.0)

    assert report.gave_up
    assert (report.compared, report.differences) == (0, ())
    assert len(report.uncompared) == 1
    assert "stocktaking" in report.uncompared[0].why


async def test_a_list_that_leaves_the_stock_out_is_told_and_moved_parts_are_read_one_by_one(
    house: Warehouse, sandbox: PartsBoxSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(house, sandbox)
    port = house.relay.executor.port
    histories = port.part_histories

    async def without_stock() -> Any:
        return tuple(type(each)(each.part, None) for each in await histories())

    monkeypatch.setattr(port, "part_histories", without_stock)

    report = await house.reconcile("partsbox")

    assert (report.compared, report.differences) == (1, ())
    assert [gap.why for gap in report.uncompared] == ["the vendor's list of parts leaves their stock out"]


async def test_parents_write_nothing_and_are_left_out(redis_client: Redis) -> None:
    parent = UpsertPart(name="Resistor 47k", **event())
    await Submitter(redis_client).submit(parent)

    books = await read_books(redis_client, "partsbox", 0)

    assert (books.applied, books.undecided, list(books.states)) == ((), (), [parent.key()])


class Waiting:
    """Reads of a vendor whose commands a test puts into the ledger's indexes."""

    def __init__(self, redis: Redis, yield_seconds: float) -> None:
        self.redis = redis
        self.reads = PatientReads(redis, "partsbox", self._pause, yield_seconds=yield_seconds)
        self.asked = asyncio.Event()

    async def _pause(self, error: Any) -> None:
        raise AssertionError(error)

    async def ask(self) -> str:
        self.asked.set()
        return "answer"


@pytest.mark.parametrize("index", ["ready", "sending"])
async def test_a_read_waits_for_commands_that_are_on_their_way(redis_client: Redis, index: str) -> None:
    waiting = Waiting(redis_client, yield_seconds=3_600)
    await redis_client.zadd(PREFIX + index, {"a" * 20: 1})
    reading = asyncio.create_task(waiting.reads.read(waiting.ask))
    await asyncio.wait({reading}, timeout=0.3)
    assert not waiting.asked.is_set()

    await redis_client.delete(PREFIX + index)

    assert await asyncio.wait_for(reading, 60) == "answer"


async def test_commands_without_end_do_not_keep_a_read_for_ever(redis_client: Redis) -> None:
    waiting = Waiting(redis_client, yield_seconds=0.2)
    await redis_client.zadd(PREFIX + "ready", {"a" * 20: 1})

    assert await asyncio.wait_for(waiting.reads.read(waiting.ask), 60) == "answer"


async def test_after_giving_up_nothing_is_asked_any_more(redis_client: Redis) -> None:
    waiting = Waiting(redis_client, yield_seconds=0.0)
    waiting.reads.gave_up = "closed"

    with pytest.raises(UnreadError, match="closed"):
        await waiting.reads.read(waiting.ask)

    assert not waiting.asked.is_set()
