"""What the limiter keeps when a caller, an answer or the server goes away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.integration.limiter_harness import KEYS, SOON_SECONDS, MakeLimiter, policy_of, refused, use
from workers.limiter import Limiter
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import MakeValkey, SharedValkey
    from workers.limits import Permit

# cancellation


@pytest.mark.parametrize("ticks", range(12))
async def test_a_cancelled_waiter_leaves_neither_slot_nor_charge(make_limiter: MakeLimiter, ticks: int) -> None:
    limiter = make_limiter(policy_of("1/1h", concurrency=1), max_wait_seconds=1.0)
    await limiter.snapshot()  # connected, so that a few ticks reach well into the call
    waiter = asyncio.create_task(limiter.acquire("cancelled"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    waiter.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiter
        await limiter.release("cancelled")
        return  # it had been granted before: nothing to undo

    await limiter.acquire("next")


async def test_a_waiter_cancelled_after_its_grant_arrived_leaves_neither_slot_nor_charge(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    limiter, waiter = await _holds_a_grant_ahead(make_limiter, redis_client)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter

    await limiter.acquire("third")

    assert (await limiter.snapshot()).in_flight == 1


async def _holds_a_grant_ahead(make_limiter: MakeLimiter, redis_client: Redis) -> tuple[Limiter, asyncio.Task[Permit]]:
    """Give a waiter that sleeps with a reserved permit in its hands; on a busy machine that moment may be missed."""
    while True:
        sleeping = asyncio.Event()

        async def sleep(seconds: float, sleeping: asyncio.Event = sleeping) -> None:
            sleeping.set()
            await asyncio.sleep(seconds)

        await redis_client.flushdb()
        limiter = make_limiter(policy_of("50/1s", "2/1h+2", concurrency=1), sleep=sleep, max_wait_seconds=1.0)
        await use(limiter, "first")
        waiter = asyncio.create_task(limiter.acquire("cancelled"))
        reached = asyncio.create_task(sleeping.wait())
        await asyncio.wait((waiter, reached), return_when=asyncio.FIRST_COMPLETED)
        if not waiter.done():
            return limiter, waiter
        reached.cancel()


async def test_a_waiter_cancelled_in_the_queue_lets_the_others_pass(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1))
    await limiter.acquire("a")
    waiting = [asyncio.create_task(limiter.acquire(name)) for name in ("b", "c")]
    await asyncio.sleep(0.05)
    waiting[0].cancel()

    await limiter.release("a")

    assert (await asyncio.wait_for(waiting[1], SOON_SECONDS)).slot_id == "c"
    assert (await limiter.snapshot()).in_flight == 1


# the connection


class CutProxy:
    """Stands between a client and the server; while `cut`, passes requests on and drops the connection instead of
    answering."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._handlers: set[asyncio.Task[None]] = set()
        self.cut = 0

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while request := await reader.read(65536):
                up_writer.write(request)
                answer = await up_reader.read(65536)
                if b"acquire" in request and self.cut:
                    self.cut -= 1
                    return
                writer.write(answer)
        finally:
            for end in (writer, up_writer):
                end.close()


@pytest.fixture
async def proxy(valkey: SharedValkey) -> AsyncIterator[tuple[CutProxy, str]]:
    proxy = CutProxy(int(valkey.url.rsplit(":", 1)[1].split("/")[0]))
    server = await proxy.serve()
    yield proxy, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()


async def test_a_grant_in_a_lost_answer_is_given_back(make_limiter: MakeLimiter, proxy: tuple[CutProxy, str]) -> None:
    cutter, url = proxy
    limiter = make_limiter(policy_of("1/1h", concurrency=1), url=url, max_wait_seconds=0.5)
    await limiter.snapshot()
    cutter.cut = 1
    with pytest.raises(redis.exceptions.ConnectionError):
        await limiter.acquire("lost")
    assert (await limiter.snapshot()).in_flight == 1  # so the test is about something

    await limiter.acquire("next")

    assert (await limiter.snapshot()).in_flight == 1


async def test_a_call_repeated_by_the_client_library_is_granted_and_charged_once(
    valkey: SharedValkey, proxy: tuple[CutProxy, str]
) -> None:
    cutter, url = proxy
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 3), decode_responses=True) as client:
        limiter = Limiter(client, "vendor", policy_of("2/1h+2", concurrency=1), max_wait_seconds=0.5)
        await limiter.snapshot()
        cutter.cut = 2

        await use(limiter, "first")

        assert (await limiter.snapshot()).granted_total == 1
        await use(limiter, "second")
        await refused(limiter)


async def test_an_unreachable_server_grants_nothing_and_everyone_hears_of_it(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    async with Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        limiter = Limiter(client, "vendor", policy_of(concurrency=1))
        await limiter.acquire("a")
        waiting = [asyncio.create_task(limiter.acquire(f"s{i}")) for i in range(3)]
        await asyncio.sleep(0.05)

        server.kill()

        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), SOON_SECONDS)
        assert all(isinstance(result, redis.exceptions.ConnectionError) for result in results)
        assert len({id(result) for result in results}) == len(results)  # a shared one's traceback grows with each
        with pytest.raises(redis.exceptions.ConnectionError):
            await limiter.release("a")

        server.start()

        await limiter.release("a")  # the state survived: the slot was still taken, and is ours to free
        await limiter.acquire("b")
        assert (await limiter.snapshot()).in_flight == 1


async def test_a_slot_whose_release_was_lost_with_the_server_is_free_soon_after_it_is_back(
    make_valkey: MakeValkey,
) -> None:
    """It stayed taken for the whole life of a slot: after a few restarts nothing was sent for minutes."""
    server = make_valkey()
    no_retry = Retry(NoBackoff(), 0)
    async with (
        Redis.from_url(server.url, retry=no_retry) as client,
        Redis.from_url(server.url, retry=no_retry) as other_client,
    ):
        limiter = Limiter(client, "vendor", policy_of(concurrency=1, slot_seconds=600.0))
        await limiter.acquire("a")
        server.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            await limiter.release("a")

        server.start()

        other = Limiter(other_client, "vendor", policy_of(concurrency=1, slot_seconds=600.0))
        await asyncio.wait_for(other.acquire("b"), SOON_SECONDS)
        assert (await other.snapshot()).in_flight == 1


@pytest.mark.parametrize("ghost_seconds", [0.0, 60.0], ids=["released", "left as a ghost"])
async def test_a_slot_is_left_without_an_error_while_the_server_is_away(
    make_valkey: MakeValkey, caplog: pytest.LogCaptureFixture, ghost_seconds: float
) -> None:
    """The request's outcome is known by then, and outranks its slot."""
    server = make_valkey()
    async with Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        limiter = Limiter(client, "vendor", policy_of(concurrency=1))
        await limiter.acquire("a")
        server.kill()

        limiter.leave("a", ghost_seconds=ghost_seconds)
        await limiter.aclose()

        assert [(record.levelname, record.msg) for record in caplog.records] == [("WARNING", "ledger.unreachable")]


async def test_a_slot_that_was_left_is_free_for_what_is_asked_next(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1))
    await limiter.acquire("a")

    limiter.leave("a")

    assert (await limiter.snapshot()).in_flight == 0


async def test_a_process_that_ends_leaves_no_slot_that_was_granted_when_nobody_waited_any_more(
    make_limiter: MakeLimiter,
) -> None:
    limiter, other = make_limiter(policy_of(concurrency=1)), make_limiter(policy_of(concurrency=1))
    asked = asyncio.Event()
    waiting = asyncio.ensure_future(limiter.acquire("a", lambda _: asked.set()))
    await asked.wait()
    limiter.refuse(WorkerStoppingError)

    await limiter.aclose()

    with pytest.raises(WorkerStoppingError):
        await waiting
    assert (await other.snapshot()).in_flight == 0


async def test_a_server_that_lost_its_scripts_is_taught_again(make_limiter: MakeLimiter, redis_client: Redis) -> None:
    limiter = make_limiter(policy_of())
    await limiter.acquire("a")

    await redis_client.script_flush()

    await limiter.acquire("b")


# what stays in Redis

#: What Redis says of the life of a key that ran out meanwhile; of one that stays for ever it says -1.
GONE = -2


async def test_nothing_but_one_small_hash_stays_behind(make_limiter: MakeLimiter, redis_client: Redis) -> None:
    policy = policy_of("600/60s+600", concurrency=5, slot_seconds=0.6)
    limiters = [
        make_limiter(policy, max_wait_seconds=SOON_SECONDS),
        make_limiter(policy, max_wait_seconds=SOON_SECONDS),
    ]
    await asyncio.gather(*(use(limiters[i % 2], f"s{i}") for i in range(300)))
    await asyncio.gather(*(limiters[0].acquire(f"leaked{i}") for i in range(8)))  # five, and three after those ran out
    await limiters[0].ghost("ghost", 0.1)
    await limiters[0].penalise(0.01)
    await limiters[0].pause(0.01, "503")

    keys = set(await redis_client.keys("*"))
    assert keys <= {f"{KEYS}{name}" for name in ("state", "rates", "slots", "owners", "turns", "promises")}
    for key in keys - {f"{KEYS}state"}:
        life_ms = await redis_client.pttl(key)
        assert life_ms == GONE or 0 <= life_ms < 60_000, key
    assert await redis_client.zcard(f"{KEYS}slots") == await redis_client.hlen(f"{KEYS}owners")
    assert await redis_client.hlen(f"{KEYS}rates") == 2
    assert await redis_client.hlen(f"{KEYS}state") <= 14
