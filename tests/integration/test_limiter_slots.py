"""The slots of the limiter on a real server: taken, freed, waited for, kept by ghosts, taken over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.integration.limiter_harness import KEYS, SOON_SECONDS, MakeLimiter, policy_of, refused, until, use

if TYPE_CHECKING:
    from redis.asyncio import Redis

# taking and freeing


async def test_two_processes_together_never_take_more_slots_than_allowed(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=3)
    limiters = [
        make_limiter(policy, max_wait_seconds=SOON_SECONDS),
        make_limiter(policy, max_wait_seconds=SOON_SECONDS),
    ]
    in_flight = 0
    seen: list[int] = []

    async def work(number: int) -> None:
        nonlocal in_flight
        limiter = limiters[number % 2]
        await limiter.acquire(f"s{number}")
        in_flight += 1
        seen.append(in_flight)
        await asyncio.sleep(0.005)
        in_flight -= 1
        await limiter.release(f"s{number}")

    await asyncio.gather(*(work(i) for i in range(60)))

    assert max(seen) == 3


async def test_a_release_wakes_a_waiter_of_the_same_process_without_a_poll(make_limiter: MakeLimiter) -> None:
    naps = asyncio.Queue[float]()

    async def sleep_for_ever(seconds: float) -> None:
        naps.put_nowait(seconds)
        await asyncio.Event().wait()

    limiter = make_limiter(policy_of(concurrency=1), sleep=sleep_for_ever)
    await limiter.acquire("first")
    waiting = asyncio.create_task(limiter.acquire("second"))
    await asyncio.wait_for(naps.get(), SOON_SECONDS)

    await limiter.release("first")

    assert (await asyncio.wait_for(waiting, SOON_SECONDS)).slot_id == "second"


async def test_a_slot_freed_by_another_process_is_noticed_by_polls_that_do_not_hammer(
    make_limiter: MakeLimiter,
) -> None:
    naps: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 5:
            enough.set()
        await asyncio.sleep(seconds)

    policy = policy_of(concurrency=1)
    here, there = make_limiter(policy, sleep=sleep), make_limiter(policy)
    await there.acquire("theirs")
    waiting = [asyncio.create_task(use(here, f"s{i}")) for i in range(10)]
    await asyncio.wait_for(enough.wait(), SOON_SECONDS)
    assert min(naps) >= 0.01  # ten waiters share one poller
    assert max(naps) <= 0.025

    await there.release("theirs")

    await asyncio.wait_for(asyncio.gather(*waiting), SOON_SECONDS)


async def test_a_process_that_keeps_the_slots_busy_does_not_starve_the_others(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    busy, patient = (make_limiter(policy, max_wait_seconds=SOON_SECONDS) for _ in range(2))
    stop = asyncio.Event()
    used = 0

    async def never_pause(name: str) -> None:
        nonlocal used
        while not stop.is_set():
            await use(busy, name, work_seconds=0.15)
            used += 1

    hogs = [asyncio.create_task(never_pause(f"hog{i}")) for i in range(5)]
    await until(busy, lambda found: found.granted_total > 1)

    for i in range(3):
        before = used
        await use(patient, f"s{i}")
        assert used - before <= 10  # as many of the others as end before it has waited long enough, and some

    stop.set()
    await asyncio.gather(*hogs)


async def test_a_process_that_has_waited_much_longer_goes_first(make_limiter: MakeLimiter, redis_client: Redis) -> None:
    limiter = make_limiter(policy_of(concurrency=1), max_wait_seconds=0.1)
    now = int((await redis_client.time())[0]) * 1_000_000
    await redis_client.zadd(f"{KEYS}turns", {"elder": now - 1_000_000})
    await redis_client.zadd(f"{KEYS}promises", {"elder": now + 60_000_000})

    error = await refused(limiter)

    assert error.reason == "another process first"


async def test_a_process_that_waits_and_dies_does_not_block_the_others(
    make_limiter: MakeLimiter, redis_client: Redis
) -> None:
    limiter = make_limiter(policy_of(concurrency=1))
    await limiter.acquire("first")
    waiting = asyncio.create_task(use(limiter, "second"))
    now = int((await redis_client.time())[0]) * 1_000_000
    # What a process leaves that was killed while it waited: the oldest turn, and a promise not kept.
    await redis_client.zadd(f"{KEYS}turns", {"dead": now - 60_000_000})
    await redis_client.zadd(f"{KEYS}promises", {"dead": now + 1_200_000})

    await limiter.release("first")

    assert (await asyncio.wait_for(waiting, SOON_SECONDS)).slot_id == "second"


async def test_the_slot_of_a_killed_holder_is_free_after_its_time(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=2, slot_seconds=0.6)
    killed, other = make_limiter(policy), make_limiter(policy, max_wait_seconds=SOON_SECONDS)
    first = await killed.acquire("first")
    await other.ghost("long", 60.0)

    second = await other.acquire("second")

    assert second.granted_at_us - first.granted_at_us >= 600_000


async def test_waiting_for_a_slot_ends_with_a_refusal(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1), max_wait_seconds=0.2)
    await limiter.acquire("first")

    error = await refused(limiter, "second")

    assert error.reason == "all slots taken"
    assert error.retry_after_seconds > 0
    assert (await limiter.snapshot()).in_flight == 1


# ghosts


async def test_a_ghost_keeps_the_slot_until_it_is_released_by_any_process(make_limiter: MakeLimiter) -> None:
    policy = policy_of(concurrency=1)
    crashed, finder = make_limiter(policy), make_limiter(policy, max_wait_seconds=0.1)
    await crashed.acquire("doubtful")
    await finder.ghost("doubtful", 60.0)  # taken over: the holder's own process is gone
    assert ((await finder.snapshot()).in_flight, (await finder.snapshot()).ghosts) == (0, 1)
    await refused(finder)

    await finder.release("doubtful")

    await finder.acquire("next")
    assert (await finder.snapshot()).ghosts == 0


async def test_a_ghost_ends_by_itself(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1))
    first = await limiter.acquire("first")
    await limiter.ghost("first", 0.3)

    second = await limiter.acquire("second")

    assert second.granted_at_us - first.granted_at_us >= 300_000
    assert (await limiter.snapshot()).ghosts == 0


async def test_a_ghost_counts_even_when_its_slot_had_run_out(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1, slot_seconds=0.6), max_wait_seconds=0.1)
    await limiter.acquire("slow")
    await until(limiter, lambda found: found.in_flight == 0)

    await limiter.ghost("slow", 60.0)

    await refused(limiter)


async def test_a_ghost_is_the_same_slot_when_its_command_is_sent_again(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1))
    await limiter.acquire("doubtful")
    await limiter.ghost("doubtful", 60.0)

    await limiter.acquire("doubtful")

    found = await limiter.snapshot()
    assert (found.in_flight, found.ghosts) == (1, 0)


# take-over


async def test_a_held_slot_is_taken_over_and_the_rate_is_charged(make_limiter: MakeLimiter) -> None:
    policy = policy_of("10/1s", concurrency=1)
    crashed, successor = make_limiter(policy), make_limiter(policy)
    first = await crashed.acquire("command")

    second = await successor.acquire("command")

    assert (await successor.snapshot()).in_flight == 1
    assert second.granted_at_us - first.granted_at_us >= 100_000


@pytest.mark.parametrize("ghosted", [True, False])
async def test_a_process_that_overslept_cannot_free_the_slot_that_was_taken_over(
    make_limiter: MakeLimiter, *, ghosted: bool
) -> None:
    policy = policy_of(concurrency=1)
    overslept, successor = make_limiter(policy), make_limiter(policy, max_wait_seconds=0.1)
    await overslept.acquire("command")
    await successor.acquire("command")

    if ghosted:
        await overslept.ghost("command", 0.01)
    await overslept.release("command")
    await overslept.release("command")
    await refused(successor)

    found = await successor.snapshot()
    assert (found.in_flight, found.ghosts) == (1, 0)


async def test_a_take_over_does_not_queue_behind_those_who_wait_for_its_slot(make_limiter: MakeLimiter) -> None:
    limiter = make_limiter(policy_of(concurrency=1), max_wait_seconds=SOON_SECONDS)
    await limiter.acquire("command")
    queued = [asyncio.create_task(limiter.acquire(f"s{i}")) for i in range(3)]
    await asyncio.sleep(0)

    await asyncio.wait_for(limiter.acquire("command"), SOON_SECONDS / 2)

    assert not any(task.done() for task in queued)
    for task in queued:
        task.cancel()
    await asyncio.gather(*queued, return_exceptions=True)
