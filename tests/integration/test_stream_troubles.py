"""The event stream in trouble: clients that read nothing, a Redis that is away or lost its data, the server's end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from producers.webhooks import connection as connection_module
from producers.webhooks import events as events_module
from producers.webhooks import stream as stream_module
from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.integration.command_api_harness import STATION_TOKEN, TOKEN, move, serving
from tests.integration.stream_harness import PATIENCE_SECONDS, streaming

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

    from tests.conftest import MakeValkey
    from tests.integration.command_api_harness import Door

EVENTS = prefix_of("partsbox") + "events"
ST01 = {"Authorization": f"Bearer {STATION_TOKEN}"}


async def _accept(door: Door, number: int, **headers: str) -> str:
    status, _, accepted = await door.post(move(stock_timestamp=1_790_000_000_000 + number), **headers)
    assert status == 202
    return str(accepted["key"])


async def _metrics(door: Door) -> str:
    async with door.session.get(f"{door.url}/metrics", headers=ST01) as answer:
        return await answer.text()


async def test_a_client_that_reads_nothing_is_closed_and_comes_back_to_all_of_it(
    door: Door, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "MAX_WAITING", 50)
    reason, count = "x" * 60_000, 300
    async with streaming(door) as slow, streaming(door, token=STATION_TOKEN) as other:
        for number in range(count):
            fields: Any = {"key": str(number), "kind": "k", "state": "held", "reason": reason, "client": "erp"}
            await redis_client.xadd(EVENTS, fields | {"at_ms": "5"})
        key = await _accept(door, 0, **ST01)
        assert await other.states(1) == [(key, "accepted")]
        while "stockrelay_streams_open 1.0" not in await _metrics(door):
            pass  # it is closed without having read anything more
        got = [event.data["key"] for event in await slow.rest()]
        last_id = slow.last_id
    monkeypatch.setattr(events_module, "MAX_WAITING", 1_000)
    async with streaming(door, last_id=last_id) as again:
        got += [(await again.event()).data["key"] for _ in range(count - len(got))]

    assert got == [str(number) for number in range(count)]


async def test_a_stream_outlives_the_loss_of_redis_and_goes_on_without_a_hole(
    make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "RETRY_SECONDS", 0.05)
    server = make_valkey()
    redis = open_redis(server.url)
    async with serving(Submitter(redis), redis=redis) as door, streaming(door) as reader:
        first = await _accept(door, 0)
        assert await reader.states(2) == [(first, "accepted"), (first, "ready")]
        server.restart()
        status = 503
        async with asyncio.timeout(PATIENCE_SECONDS):
            while status == 503:
                status, _, accepted = await door.post(move(stock_timestamp=1_790_000_000_001))
        assert await reader.states(1) == [(accepted["key"], "accepted")]
    await redis.aclose()


async def test_a_stream_that_was_opened_while_redis_was_away_begins_when_it_is_back(
    make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(events_module, "RETRY_SECONDS", 0.05)
    server = make_valkey()
    server.kill()
    redis = open_redis(server.url)
    async with serving(Submitter(redis), redis=redis) as door, streaming(door) as reader:
        assert await reader.block() == {"retry": "2000"}
        assert await reader.block() == {"": "waiting for the ledger"}
        server.start()
        gap = await reader.event()
        key = await _accept(door, 0)

        assert gap.type == "stream.gap"
        assert await reader.states(1) == [(key, "accepted")]
    await redis.aclose()


async def test_events_that_a_redis_lost_are_told_as_a_gap_to_whoever_listens(
    make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(events_module, "RETRY_SECONDS", 0.05)
    server = make_valkey()
    redis = open_redis(server.url)
    async with serving(Submitter(redis), redis=redis) as door, streaming(door) as reader:
        await _accept(door, 0)
        await reader.states(2)
        while "" not in await reader.block():  # a sign of life: it is done with what was missed
            pass
        await redis.flushall()
        server.restart()

        assert (await reader.event()).type == "stream.gap"
    await redis.aclose()


async def test_the_end_of_the_server_ends_the_streams_at_once(redis_client: Redis) -> None:
    async with serving(Submitter(redis_client), redis=redis_client) as door:
        answer = await door.session.get(f"{door.url}/v1/stream", headers={"Authorization": f"Bearer {TOKEN}"})
        await answer.content.readuntil(b"\n\n")
        await door.app.shutdown()
        async with asyncio.timeout(PATIENCE_SECONDS):
            # an orderly end, which a connection that was cut off would not have
            assert await answer.content.read() == b""


async def test_a_stream_is_no_idle_connection(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.1)
    async with serving(Submitter(redis_client), redis=redis_client) as door, streaming(door) as reader:
        for _ in range(8):
            await reader.block()
        key = await _accept(door, 0)

        assert (await reader.event()).data["key"] == key
