"""The client that every process opens: hundreds of callers at once share its connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tasks.redis_client import MAX_CONNECTIONS, open_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey


async def test_more_callers_than_connections_wait_their_turn(valkey: SharedValkey, redis_client: Redis) -> None:
    """With redis-py's own pool the hundred and first caller got MaxConnectionsError."""
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
