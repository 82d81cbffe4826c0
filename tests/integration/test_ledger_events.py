"""What the ledger announces: every step of a command, with the client that asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tasks.ledger import prefix_of
from tasks.records import State
from tasks.registry import parse_command
from tasks.routes import Routes
from tasks.submit import Submitter
from tests.integration.ledger_harness import LEASE_SECONDS, VENDOR, Desk, command

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def _announced(redis: Redis, vendor: str = VENDOR) -> list[tuple[str, str, str]]:
    found: Any = await redis.xrange(prefix_of(vendor) + "events")
    return [(fields["key"], fields["state"], fields["client"]) for _, fields in found]


async def test_every_step_is_announced_with_the_client_that_asked(desk: Desk, redis_client: Redis) -> None:
    new = replace(command(), client="ST-01")
    await desk.ledger.admit([new])
    await desk.ledger.claim(new.key, "owner", LEASE_SECONDS)
    await desk.ledger.settle(new.key, "owner", State.APPLIED)

    states = ["accepted", "ready", "sending", "applied"]
    assert await _announced(redis_client) == [(new.key, state, "ST-01") for state in states]


async def test_a_childs_client_is_its_parents(redis_client: Redis) -> None:
    routes = Routes.model_validate({"routes": {"catalog_part": {"partsbox": {"name": "part_id"}}}})
    part = parse_command(
        "catalog.upsert_part", {"part_id": "P-1", "name": {"en": "Bolt"}, "stock_timestamp": 1_790_000_000_000}
    )
    submitter = Submitter(redis_client, routes=routes)

    await submitter.submit(part, client="ST-01")

    found = [entry for vendor in ("routing", "partium", "partsbox") for entry in await _announced(redis_client, vendor)]
    assert len({key for key, _, _ in found}) == 3
    assert {client for _, _, client in found} == {"ST-01"}


async def test_a_damaged_command_is_announced_without_a_client(desk: Desk, redis_client: Redis) -> None:
    """Its record may be anything by now; the announcement must not fail on it."""
    await desk.ledger.admit([broken := command()])
    await redis_client.delete(prefix_of(VENDOR) + "cmd:" + broken.key)
    await redis_client.set(prefix_of(VENDOR) + "cmd:" + broken.key, "no hash")
    await desk.ledger.claim(broken.key, "owner", LEASE_SECONDS)

    assert (await _announced(redis_client))[-1] == (broken.key, "held", "")
    await redis_client.flushall()
