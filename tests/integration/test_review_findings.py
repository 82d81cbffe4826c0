"""What a reviewer proved wrong once: each test is named after the symptom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.cad import ImportPart
from tasks.catalog import DeletePart, UpsertPart
from tasks.ledger import Ledger
from tasks.records import State
from tasks.registry import parse_command
from tasks.routes import Routes
from tasks.submit import Submitter, now_ms, to_new_command
from tests.command_examples import GOOD
from tests.integration.ledger_harness import LEASE_SECONDS, command
from tests.relay import consuming, open_relay, settings_of
from tests.sandbox.partium import PartiumSandbox
from workers.executor import Executor
from workers.leases import Leases
from workers.limiter import Limiter
from workers.outcomes import Outcomes
from workers.recovery import tell_parents
from workers.settings import ROUTING_POLICY

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.records import CommandRecord

# an older value


def upsert(name: str, moment: int = 0, **fields: Any) -> UpsertPart:
    return UpsertPart(part_id="N-1", name={"en": name}, stock_timestamp=now_ms() + moment, **fields)


async def test_a_catalog_part_written_late_does_not_overwrite_a_newer_one(redis_client: Redis) -> None:
    async with PartiumSandbox.running(seed_fixture="warehouse") as sandbox:
        chosen = settings_of(sandbox, settle_seconds=2.0, timeout_seconds=3.0)
        async with open_relay(redis_client, [chosen]) as relay, consuming(relay):
            await relay.until(await relay.submit(upsert("old")))
            # the same value again: its answer is lost, and the vendor writes it behind the first look
            sandbox.faults.add("late_commit", "parts/upsert", delay_seconds=1.2)
            await relay.submit(upsert("old", 1))
            newer = await relay.submit(upsert("new", 2))

            assert (await relay.until(newer)).state is State.APPLIED
            await sandbox.changes.until(lambda: len(sandbox.journal.own_effects()) == 3, 60)

        stored = sandbox.state.parts.get("N-1")
        assert stored is not None
        assert stored["name"] == {"en": "new"}


ROUTES = Routes.model_validate({"routes": {"catalog_part": {"partsbox": {"name": "name.de"}}}})


@pytest.mark.parametrize("newer", [upsert("new", 1), DeletePart(part_id="N-1", stock_timestamp=now_ms() + 1)])
async def test_a_routed_part_is_not_overtaken_by_a_newer_command_that_only_the_catalog_gets(
    redis_client: Redis, newer: UpsertPart | DeletePart
) -> None:
    door = Submitter(redis_client, routes=ROUTES)
    older = UpsertPart(part_id="N-1", name={"de": "alt"}, stock_timestamp=now_ms())
    await door.submit(older)

    accepted = await door.submit(newer)

    assert accepted.state is State.WAITING


class Frozen:
    """A CAD vendor whose part changes while the first worker that read it stands still."""

    def __init__(self) -> None:
        self.names = ["old", "new"]
        self.read = asyncio.Event()
        self.thaw = asyncio.Event()

    async def part(self, item_id: str) -> dict[str, Any]:
        name = self.names.pop(0)
        if not self.read.is_set():
            self.read.set()
            await self.thaw.wait()
        return {"id": item_id, "name": name}


IMPORTS = Routes.model_validate({"imports": {"partbolt": {"name": {"en": "name"}}}})


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def importer(redis: Redis, port: Any, clock: Clock) -> Executor:
    ledger = Ledger(redis, "partbolt")
    return Executor(
        port=port,
        leases=Leases(ledger, LEASE_SECONDS, clock=clock),
        outcomes=Outcomes(ledger, Limiter(redis, "partbolt", ROUTING_POLICY)),
        settle_seconds=0.0,
        ledger_of=lambda vendor: Ledger(redis, vendor),
        routes=IMPORTS,
    )


async def end_lease(redis: Redis, vendor: str, key: str) -> None:
    await redis.hset(f"sr:{{{vendor}}}:cmd:{key}", "lease_ms", "1")
    await redis.zadd(f"sr:{{{vendor}}}:sending", {key: 1}, xx=True)


async def test_a_worker_that_was_frozen_does_not_import_a_part_as_it_was_behind_what_it_is_now(
    redis_client: Redis,
) -> None:
    port, clock = Frozen(), Clock()
    new = to_new_command(imported := ImportPart(item_id="I-1", stock_timestamp=now_ms()), imported.key(), "test")
    await Ledger(redis_client, "partbolt").admit([new])
    frozen = asyncio.create_task(importer(redis_client, port, clock).deliver(new.key))
    await port.read.wait()
    await end_lease(redis_client, "partbolt", new.key)
    assert await importer(redis_client, port, Clock()).deliver(new.key) == "expanded"

    clock.now += LEASE_SECONDS + 1
    port.thaw.set()

    assert await frozen == "lease_lost"
    lane = await redis_client.lrange("sr:{partium}:lane:catalog-part:I-1", 0, -1)
    values = [await redis_client.hget("sr:{partium}:cmd:" + str(key), "command") for key in lane]
    assert [("new" in str(value), "old" in str(value)) for value in values] == [(True, False)]


# parents


class Family:
    """A parent at one vendor and its children at another."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.ledgers = {vendor: Ledger(redis, vendor) for vendor in ("partbolt", "partium")}

    async def parent(self) -> tuple[str, str]:
        new = command("item:1", kind="cad.import_part")
        await self.ledgers["partbolt"].admit([new])
        return new.key, await self.claim("partbolt", new.key)

    async def claim(self, vendor: str, key: str) -> str:
        claim = await self.ledgers[vendor].claim(key, owner := f"owner of {key}", LEASE_SECONDS)
        assert claim.record is not None
        return owner

    async def child(self, parent: str) -> str:
        new = replace(command("catalog-part:1", kind="catalog.upsert_part"), parent=f"partbolt:{parent}")
        await self.ledgers["partium"].admit([new])
        return new.key

    async def end(self, key: str) -> None:
        owner = await self.claim("partium", key)
        await self.ledgers["partium"].settle(key, owner, State.APPLIED)
        await tell_parents(self.ledgers["partium"], self.ledgers.__getitem__)

    async def record(self, key: str) -> CommandRecord:
        record = await self.ledgers["partbolt"].find(key)
        assert record is not None
        return record


@pytest.fixture
def family(redis_client: Redis) -> Family:
    return Family(redis_client)


@pytest.mark.parametrize("when", ["before it expands", "behind that"])
async def test_a_parent_does_not_end_with_a_child_that_a_killed_worker_admitted_and_that_is_not_its_own(
    family: Family, when: str
) -> None:
    parent, owner = await family.parent()
    stale = await family.child(parent)  # then its worker is killed, and the next one reads something newer
    child = await family.child(parent)
    if when == "before it expands":
        await family.end(stale)
    await family.ledgers["partbolt"].expand(parent, owner, (), foreign=[f"partium:{child}"])
    if when == "behind that":
        await family.end(stale)

    assert (await family.record(parent)).state is State.WAITING
    await family.end(child)

    record = await family.record(parent)
    assert (record.state, record.reason) == (State.APPLIED, "1/1 applied")


async def test_a_parent_that_was_a_dead_letter_while_its_child_ended_ends_when_it_is_replayed(family: Family) -> None:
    parent, owner = await family.parent()
    child = await family.child(parent)
    await family.ledgers["partbolt"].settle(parent, owner, State.REJECTED, reason="there is no part")
    await family.end(child)
    await family.ledgers["partbolt"].replay(parent, "anna")

    await family.ledgers["partbolt"].expand(
        parent, await family.claim("partbolt", parent), (), foreign=[f"partium:{child}"]
    )

    assert (await family.record(parent)).state is State.APPLIED


# what is the same


async def test_the_same_event_with_its_languages_in_another_order_is_no_conflict(redis_client: Redis) -> None:
    door = Submitter(redis_client)
    fields = GOOD["catalog.upsert_part"]

    first = await door.submit(
        parse_command("catalog.upsert_part", {**fields, "name": {"en": "Screw", "de": "Schraube"}})
    )
    again = await door.submit(
        parse_command("catalog.upsert_part", {**fields, "name": {"de": "Schraube", "en": "Screw"}})
    )

    assert (again.key, again.duplicate) == (first.key, True)
