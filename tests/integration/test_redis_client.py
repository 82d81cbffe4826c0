"""The client that every process opens: hundreds of callers at once share its connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tasks.errors import told
from tasks.redis_client import MAX_CONNECTIONS, open_redis

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from tests.conftest import SharedValkey


async def test_more_callers_than_connections_wait_their_turn(
    valkey: SharedValkey, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With redis-py's own pool the hundred and first caller got MaxConnectionsError."""
    # all of them connect at once: on a machine that stands still for a moment one would be told so
    monkeypatch.setattr("tasks.redis_client.CONNECT_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr("tasks.redis_client.SOCKET_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr("tasks.redis_client.POOL_TIMEOUT_SECONDS", 60.0)
    opened = open_redis(valkey.url)
    try:
        before = (await redis_client.info("clients"))["connected_clients"]
        answers = await asyncio.gather(*(opened.incr("callers") for _ in range(20 * MAX_CONNECTIONS)))
        after = (await redis_client.info("clients"))["connected_clients"]
    finally:
        await opened.aclose()

    assert sorted(answers) == list(range(1, 20 * MAX_CONNECTIONS + 1))
    assert after - before <= MAX_CONNECTIONS


async def test_a_client_leaves_no_connection_behind(valkey: SharedValkey, redis_client: Redis) -> None:
    before = (await redis_client.info("clients"))["connected_clients"]
    opened = open_redis(valkey.url)
    await asyncio.gather(*(opened.incr("callers") for _ in range(10)))

    await opened.aclose()

    while (await redis_client.info("clients"))["connected_clients"] > before:  # noqa: ASYNC110  the server says when
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_was_lost_broke_a_command_for_good(run: Callable[[Any], None], valkey: SharedValkey) -> None:
    """uvloop refuses to write to it by a RuntimeError: the webhooks server answered 500, a worker held the command."""

    async def use_what_was_lost() -> None:
        opened = open_redis(valkey.url)
        connection: Any = await opened.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            connection._writer.transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(RedisConnectionError, match="the connection was lost"):
                await connection.send_command("PING", check_health=False)
            await connection.send_command("PING")
            assert await connection.read_response() == "PONG"
        finally:
            await opened.connection_pool.release(connection)
            await opened.aclose()

    run(use_what_was_lost())


async def test_a_log_line_about_redis_said_the_kind_of_error_and_nothing_else(redis_client: Redis) -> None:
    """redis-py's `repr` of an error is its class, and its text may quote the call."""
    await redis_client.set("text", "1")
    pipeline: Any = redis_client.pipeline()
    pipeline.lpush("text", "a payload")
    with pytest.raises(ResponseError) as caught:
        await pipeline.execute()

    assert "a payload" in str(caught.value)
    assert told(caught.value) == ("ResponseError: WRONGTYPE Operation against a key holding the wrong kind of value")
    assert told(ConnectionError()) == "ConnectionError"
