"""Accepting catalog parts that several vendors get: one event is one command, whatever the routes say by then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tasks.errors import KeyReusedError, TransitionRefusedError
from tasks.ledger import Ledger
from tasks.records import State
from tasks.registry import InvalidCommandError, parse_command
from tasks.routes import Routes
from tasks.submit import Submitter
from tasks.trace_context import trace_below
from tests.command_examples import GOOD, NOW_MS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.commands import Command

ROUTES = Routes.model_validate({"routes": {"catalog_part": {"partsbox": {"name": "part_id"}}}})


def submitter(redis: Redis, routes: Routes | None = None) -> Submitter:
    return Submitter(redis, routes=routes, clock_ms=lambda: NOW_MS)


def a_part(**changes: Any) -> Command:
    return parse_command("catalog.upsert_part", {**GOOD["catalog.upsert_part"], **changes})


async def commands_there(redis: Redis) -> int:
    return len(await redis.keys("sr:*:cmd:*"))


async def test_a_routed_part_is_accepted_as_one_parent(redis_client: Redis) -> None:
    door = submitter(redis_client, ROUTES)

    accepted = await door.submit(a_part())
    again = await door.submit(a_part())

    assert (accepted.kind, accepted.state, accepted.duplicate) == ("catalog.route_part", State.READY, False)
    assert (again.key, again.duplicate) == (accepted.key, True)
    record = await door.find(accepted.key)
    assert record is not None
    assert record.vendor == "routing"
    assert await commands_there(redis_client) == 3  # with a child for each vendor


@pytest.mark.parametrize(("before", "after"), [(None, ROUTES), (ROUTES, None)])
async def test_an_event_sent_again_after_the_routes_changed_is_still_one_command(
    redis_client: Redis, before: Routes | None, after: Routes | None
) -> None:
    accepted = await submitter(redis_client, before).submit(a_part())

    again = await submitter(redis_client, after).submit(a_part())

    assert (again.key, again.duplicate) == (accepted.key, True)
    assert await commands_there(redis_client) == (1 if before is None else 3)


@pytest.mark.parametrize(
    ("vendor", "lane", "later"),
    [
        ("partium", "catalog-part:P-1", {"kind": "catalog.delete_part", "part_id": "P-1"}),
        ("partsbox", "part-name:P-1", {"kind": "part.upsert", "name": "P-1", "description": "newer"}),
    ],
)
async def test_what_comes_later_for_one_vendor_is_behind_the_part_that_several_get(
    redis_client: Redis, vendor: str, lane: str, later: dict[str, Any]
) -> None:
    """No worker has run: the children stand in their lanes when the parent is accepted."""
    door = submitter(redis_client, ROUTES)
    await door.submit(a_part())

    behind = await door.submit(parse_command(later.pop("kind"), {**later, "stock_timestamp": NOW_MS}))

    assert behind.state is State.WAITING
    assert (await redis_client.lrange(f"sr:{{{vendor}}}:lane:{lane}", 0, -1))[1:] == [behind.key]


async def test_a_parent_whose_submitter_died_before_its_children_were_admitted_gets_them_when_it_is_sent_again(
    redis_client: Redis,
) -> None:
    door = submitter(redis_client, ROUTES)
    await door.submit(a_part())
    await redis_client.delete(*await redis_client.keys("sr:{part*}:*"))

    again = await door.submit(a_part())

    assert again.duplicate
    assert await commands_there(redis_client) == 3


async def test_children_that_come_later_than_their_parent_are_in_the_trace_that_it_was_accepted_in(
    redis_client: Redis,
) -> None:
    first, later = (f"00-{digit * 32}-00f067aa0ba902b7-01" for digit in "ab")
    door = submitter(redis_client, ROUTES)
    accepted = await door.submit(a_part(), trace=first)
    children = await redis_client.keys("sr:{part*}:cmd:*")
    await redis_client.delete(*children)

    await door.submit(a_part(), trace=later)

    kept = [await redis_client.hget(child, "trace") for child in children]
    assert kept == [trace_below(accepted.key, first)] * 2


async def test_the_children_of_a_parent_that_has_ended_are_not_admitted_again(redis_client: Redis) -> None:
    door = submitter(redis_client, ROUTES)
    accepted = await door.submit(a_part())
    ledger = Ledger(redis_client, "routing")
    claim = await ledger.claim(accepted.key, "owner", 60.0)
    assert claim.record is not None
    await ledger.expand(accepted.key, "owner", (), foreign=["partium:a", "partsbox:b"])
    await redis_client.delete(*await redis_client.keys("sr:{part*}:*"))  # as after the retention

    assert (await door.submit(a_part())).duplicate
    assert await commands_there(redis_client) == 1


async def test_a_parent_with_children_at_other_vendors_cannot_be_cancelled(redis_client: Redis) -> None:
    accepted = await submitter(redis_client, ROUTES).submit(a_part())

    with pytest.raises(TransitionRefusedError, match="cannot cancel a command that is expanding: its children are at"):
        await Ledger(redis_client, "routing").cancel(accepted.key, "anna")


async def test_a_clients_own_key_used_for_another_routed_part_is_a_conflict(redis_client: Redis) -> None:
    door = submitter(redis_client, ROUTES)
    await door.submit(a_part(), idempotency_key="feed-7")

    with pytest.raises(KeyReusedError):
        await door.submit(a_part(part_id="P-2"), idempotency_key="feed-7")


async def test_a_part_that_the_routes_cannot_carry_is_refused_and_nothing_is_stored(redis_client: Redis) -> None:
    routes = Routes.model_validate({"routes": {"catalog_part": {"partsbox": {"name": "attributes.weight.en"}}}})
    long = {"attribute_id": "weight", "values": [{"value": {"en": "x" * 300}}]}

    with pytest.raises(InvalidCommandError, match=r"routes\.catalog_part\.partsbox\.name: String"):
        await submitter(redis_client, routes).submit(a_part(attributes=[long]))

    assert await commands_there(redis_client) == 0


@pytest.mark.parametrize(
    ("field", "value", "state"),
    [
        pytest.param("kind", "", State.HELD, id="every step sees it"),
        pytest.param("image", "{", State.READY, id="only a reader sees it"),
    ],
)
async def test_a_damaged_parent_that_comes_again_is_a_duplicate_and_stops_no_other(
    redis_client: Redis, field: str, value: str, state: State
) -> None:
    door = submitter(redis_client, ROUTES)
    accepted = await door.submit(a_part())
    await redis_client.hset(f"sr:{{routing}}:cmd:{accepted.key}", field, value)
    there = await commands_there(redis_client)

    again, other = await asyncio.gather(door.submit(a_part()), door.submit(a_part(stock_timestamp=NOW_MS + 1)))

    assert (again.key, again.state, again.duplicate) == (accepted.key, state, True)
    assert not other.duplicate
    assert await commands_there(redis_client) == there + 3
