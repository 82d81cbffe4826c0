"""The trace context of a sender, kept with its commands by a server that records nothing itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tasks.trace_context import trace_of_capture
from tests.integration.command_api_harness import Door, move
from tests.integration.hooks_harness import BEARER, picked, serving_hooks

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.conftest import MakeValkey, SharedValkey
    from tests.integration.hooks_harness import HookDoor

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NEARER = TRACE.replace("4bf9", "5bf9")
EVENT = {"specversion": "1.0", "source": "/rack", "type": "picked", "data": json.loads(picked())}
GARBLED = ["", "00-abc", TRACE.upper(), TRACE + "-x", "ff" + TRACE[2:], TRACE.replace("00f067aa0ba902b7", "0" * 16)]


async def _kept(redis: Redis, *keys: str) -> list[str | None]:
    return [await redis.hget(f"sr:{{partsbox}}:cmd:{key}", "trace") for key in keys]  # type: ignore[misc]  # redis-py


async def _events(door: HookDoor, events: list[dict[str, Any]], **headers: str) -> list[str]:
    given = {"Content-Type": "application/cloudevents-batch+json", "Authorization": f"Bearer {BEARER}", **headers}
    _, _, answer = await door.request("/v1/events", json.dumps(events).encode(), given)
    return [command["key"] for command in answer["commands"]]


@pytest.mark.parametrize("given", GARBLED)
async def test_what_is_no_trace_context_is_not_kept_and_refuses_nothing(
    door: Door, redis_client: Redis, given: str
) -> None:
    status, _, answer = await door.post(move(), traceparent=given)

    assert (status, await _kept(redis_client, answer["key"])) == (202, [None])


async def test_a_known_command_stays_in_its_trace(door: Door, redis_client: Redis) -> None:
    _, _, first = await door.post(move(), traceparent=TRACE)
    status, _, again = await door.post(move(), traceparent=NEARER)

    assert (status, again["key"]) == (200, first["key"])
    assert await _kept(redis_client, first["key"]) == [TRACE]


async def test_the_commands_of_one_request_are_in_its_trace(door: Door, redis_client: Redis) -> None:
    items = [move(stock_timestamp=1_790_000_000_000 + number) for number in range(2)]
    _, _, answer = await door.post([*items, "no command"], "/v1/scans", traceparent=TRACE)

    assert await _kept(redis_client, *(one["key"] for one in answer["results"][:2])) == [TRACE, TRACE]


async def test_the_scans_of_one_request_are_each_in_their_own_trace(door: Door, redis_client: Redis) -> None:
    items = [move(stock_timestamp=1_790_000_000_000 + number) for number in range(2)]
    _, _, asked = await door.post(items, "/v1/scans")
    keys = [one["key"] for one in asked["results"]]
    await redis_client.flushdb()

    await door.post(["no command", *items], "/v1/scans", traceparent=trace_of_capture(keys[0]))

    assert await _kept(redis_client, *keys) == [trace_of_capture(key) for key in keys]


async def test_the_extension_of_an_event_wins_over_the_header_of_its_request(
    tmp_path: Path, valkey: SharedValkey
) -> None:
    async with serving_hooks(tmp_path, valkey.url) as door:
        events = [{**EVENT, "id": "1", "traceparent": NEARER}, {**EVENT, "id": "2"}, {**EVENT, "id": "3"}]
        events[2]["traceparent"] = "00-abc"
        keys = await _events(door, events, traceparent=TRACE)

        assert await _kept(door.redis, *keys) == [NEARER, TRACE, TRACE]


async def test_a_webhooks_trace_goes_over_the_spool(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    async with serving_hooks(tmp_path, server.url) as door:
        server.kill()
        _, _, answer = await door.repo(picked(), traceparent=TRACE)
        (command,) = answer["commands"]
        await asyncio.to_thread(server.start)
        await door.until_drained()

        assert command["state"] == "spooled"
        assert await _kept(door.redis, command["key"]) == [TRACE]
