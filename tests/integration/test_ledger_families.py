"""Parents and children in the ledgers of different vendors: told late, twice or early, each is counted once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.ledger import Ledger
from tasks.records import State
from tests.integration.ledger_harness import LEASE_SECONDS, command
from workers.recovery import tell_parents

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.records import CommandRecord, NewCommand


class Family:
    """Three ledgers on one server."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.ledgers = {vendor: Ledger(redis, vendor) for vendor in ("routing", "partium", "openbom")}

    async def admit(self, vendor: str, new: NewCommand) -> str:
        await self.ledgers[vendor].admit([new])
        return f"{vendor}:{new.key}"

    async def claim(self, name: str) -> str:
        vendor, _, key = name.partition(":")
        claim = await self.ledgers[vendor].claim(key, f"owner of {key}", LEASE_SECONDS)
        assert claim.record is not None
        return f"owner of {key}"

    async def end(self, name: str, state: State) -> None:
        vendor, _, key = name.partition(":")
        await self.ledgers[vendor].settle(key, await self.claim(name), state)

    async def expand(self, parent: str, owner: str, *foreign: str, own: tuple[NewCommand, ...] = ()) -> None:
        vendor, _, key = parent.partition(":")
        await self.ledgers[vendor].expand(key, owner, own, foreign=foreign)

    async def tell(self) -> None:
        for ledger in self.ledgers.values():
            await tell_parents(ledger, self.ledgers.__getitem__)

    async def record(self, name: str) -> CommandRecord:
        vendor, _, key = name.partition(":")
        record = await self.ledgers[vendor].find(key)
        assert record is not None
        return record


@pytest.fixture
def family(redis_client: Redis) -> Family:
    return Family(redis_client)


def child_of(parent: str) -> NewCommand:
    return replace(command("catalog-part:1", kind="catalog.upsert_part"), parent=parent)


async def a_parent(family: Family, *vendors: str) -> tuple[str, list[str]]:
    parent = await family.admit("routing", command("catalog-part:1", kind="catalog.route_part"))
    owner = await family.claim(parent)
    children = [await family.admit(vendor, child_of(parent)) for vendor in vendors]
    await family.expand(parent, owner, *children)
    return parent, children


async def test_a_parent_ends_when_its_last_child_at_any_vendor_has(family: Family) -> None:
    parent, (first, second) = await a_parent(family, "partium", "openbom")

    await family.end(second, State.APPLIED)
    await family.tell()
    record = await family.record(parent)
    assert (record.state, record.reason, record.children) == (State.WAITING, "1/2 done", (first, second))

    await family.end(first, State.APPLIED)
    await family.tell()
    record = await family.record(parent)
    assert (record.state, record.reason) == (State.APPLIED, "2/2 applied")


async def test_a_child_that_is_told_twice_counts_once(family: Family) -> None:
    parent, (first, _) = await a_parent(family, "partium", "openbom")
    await family.end(first, State.APPLIED)
    (closing,) = await family.ledgers["partium"].closings()

    for _ in range(2):  # a worker died between telling and forgetting
        await family.ledgers["routing"].close_child(closing)
    await family.tell()

    assert (await family.record(parent)).reason == "1/2 done"
    assert await family.ledgers["partium"].closings() == ()


async def test_a_child_that_ends_before_its_parent_is_expanded_is_counted(family: Family) -> None:
    parent = await family.admit("routing", command("catalog-part:1", kind="catalog.route_part"))
    owner = await family.claim(parent)
    children = [await family.admit(vendor, child_of(parent)) for vendor in ("partium", "openbom")]
    for child in children:
        await family.end(child, State.APPLIED)
    await family.tell()
    assert (await family.record(parent)).state is State.SENDING

    await family.expand(parent, owner, *children)

    record = await family.record(parent)
    assert (record.state, record.done, record.reason) == (State.APPLIED, 2, "2/2 applied")


async def test_what_is_told_to_a_parent_that_is_gone_is_forgotten(family: Family) -> None:
    parent, (child,) = await a_parent(family, "partium")
    await family.redis.delete("sr:{routing}:cmd:" + parent.partition(":")[2])
    await family.end(child, State.APPLIED)

    await family.tell()

    assert await family.ledgers["partium"].closings() == ()
    assert await family.ledgers["routing"].dead_letters() == []


async def test_a_discarded_child_ends_its_parent_rejected(family: Family) -> None:
    parent, (first, second) = await a_parent(family, "partium", "openbom")
    await family.end(first, State.REJECTED)
    await family.end(second, State.APPLIED)
    await family.tell()
    assert (await family.record(parent)).state is State.WAITING  # it may be replayed

    await family.ledgers["partium"].discard(first.partition(":")[2], "anna", "obsolete")
    await family.tell()

    record = await family.record(parent)
    assert (record.state, record.reason) == (State.REJECTED, "1/2 applied, the rest discarded or cancelled")


@pytest.mark.parametrize("end", [State.APPLIED, State.REJECTED])
async def test_a_parent_that_is_a_child_itself_tells_its_own_parent(family: Family, end: State) -> None:
    parent, (middle,) = await a_parent(family, "partium")
    leaf = command("catalog-part:1", kind="catalog.upsert_part")
    await family.expand(middle, await family.claim(middle), own=(leaf,))

    await family.end(f"partium:{leaf.key}", end)
    if end is State.REJECTED:
        await family.ledgers["partium"].discard(leaf.key, "anna", "obsolete")
    await family.tell()

    assert (await family.record(middle)).state is end
    assert (await family.record(parent)).state is end


async def test_own_and_foreign_children_are_counted_together(family: Family) -> None:
    parent = await family.admit("partium", command("item:1", kind="catalog.upsert_part"))
    owner = await family.claim(parent)
    foreign = await family.admit("openbom", child_of(parent))
    own = command("catalog-part:1", kind="catalog.upsert_part")
    await family.expand(parent, owner, foreign, own=(own,))

    await family.end(f"partium:{own.key}", State.APPLIED)
    assert (await family.record(parent)).reason == "1/2 done"
    await family.end(foreign, State.APPLIED)
    await family.tell()

    assert (await family.record(parent)).state is State.APPLIED
