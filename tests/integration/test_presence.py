"""Who is there: seen while it runs, gone when it ends, silent when it was killed, back when Redis is."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tasks import presence
from tasks.presence import FORGOTTEN_SECONDS, KEY, SILENT_SECONDS, Process, present, processes
from tasks.redis_client import open_redis, server_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from tasks.presence import Seen
    from tests.conftest import MakeValkey

#: For what comes about soon or never.
SOON_SECONDS = 60.0


async def there(redis: Redis) -> Sequence[Seen]:
    return await processes(redis, await server_ms(redis))


async def until(redis: Redis, condition: Callable[[Sequence[Seen]], bool]) -> Sequence[Seen]:
    async with asyncio.timeout(SOON_SECONDS):
        while not condition(found := await there(redis)):  # noqa: ASYNC110  Redis has no event for it
            await asyncio.sleep(0.01)
    return found


async def seen_so_long_ago(redis: Redis, process: Process, seconds: float) -> None:
    now, _ = await redis.time()
    await redis.zadd(KEY, {process.to_json(): (now - seconds) * 1000})


async def test_a_process_is_seen_while_it_runs_and_gone_when_it_ends(redis_client: Redis) -> None:
    async with present(redis_client, "worker", ("partsbox", "routing")):
        (one,) = await until(redis_client, lambda found: len(found) > 0)
        assert (one.process.role, one.process.serves) == ("worker", ("partsbox", "routing"))
        assert (one.process.pid, one.is_silent) == (os.getpid(), False)

    assert await there(redis_client) == ()


async def test_one_that_was_killed_is_silent_and_then_forgotten(redis_client: Redis) -> None:
    killed, gone = Process.of_this("worker", ("a",)), Process.of_this("worker", ("b",))
    await seen_so_long_ago(redis_client, killed, SILENT_SECONDS + 1)
    await seen_so_long_ago(redis_client, gone, FORGOTTEN_SECONDS + 1)

    async with present(redis_client, "webhooks"):
        found = await until(redis_client, lambda found: any(one.process.role == "webhooks" for one in found))

    assert [(one.process.role, one.process.serves, one.is_silent) for one in found] == [
        ("webhooks", (), False),
        ("worker", ("a",), True),
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"role": "worker"}', "{", "\x00"])
async def test_what_is_no_process_hides_nobody(redis_client: Redis, text: str) -> None:
    now, _ = await redis_client.time()
    await redis_client.zadd(KEY, {text: now * 1000})

    async with present(redis_client, "files"):
        found = await until(redis_client, lambda found: len(found) > 0)

    assert [one.process.role for one in found] == ["files"]


async def test_it_is_seen_again_when_redis_is_back(make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SAY_SECONDS", 0.05)
    server = make_valkey()
    redis = open_redis(server.url)
    try:
        async with present(redis, "worker"):
            await until(redis, lambda found: len(found) == 1)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.restart)
            # its own: a client that lived through a restart has dead connections, each of which fails a command
            async with open_redis(server.url) as looking:
                await looking.delete(KEY)
                await until(looking, lambda found: len(found) == 1)
    finally:
        await redis.aclose()


async def test_it_ends_while_redis_is_away(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    redis = open_redis(server.url)
    try:
        async with present(redis, "worker"):
            await until(redis, lambda found: len(found) == 1)
            await asyncio.to_thread(server.kill)
    finally:
        await redis.aclose()


async def test_a_redis_that_does_not_answer_does_not_hold_the_end_up(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LEAVE_SECONDS", 0.01)
    asked = []

    async def never(*given: object) -> None:
        asked.append(given)
        await asyncio.Event().wait()

    async with asyncio.timeout(SOON_SECONDS), present(redis_client, "worker"):
        await until(redis_client, lambda found: len(found) == 1)
        monkeypatch.setattr(redis_client, "zrem", never)

    assert len(asked) == 1
