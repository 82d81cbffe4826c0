"""A process that does not reach its vendor waits, tries with one request, and gives back what it holds."""

from __future__ import annotations

import asyncio

import pytest

from workers.limits import PausedError
from workers.reach import BACK_SECONDS, HOLD_SECONDS, LONGEST_GAP_SECONDS, SAID_SECONDS, Reach, Standing


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def lost(clock: Clock) -> Reach:
    reach = Reach(clock)
    reach.failed(0)
    return reach


async def fails(reach: Reach, clock: Clock, others_applied: int = 0) -> Standing:
    """Let its next try fail."""
    clock.seconds += LONGEST_GAP_SECONDS
    await reach.await_turn("try")
    reach.left("try", was_heard=False)
    return reach.failed(others_applied)


async def test_many_connections_that_fail_in_one_moment_count_once() -> None:
    reach = Reach(Clock())

    assert [reach.failed(0) for _ in range(3)] == [Standing.ALONE, Standing.KNOWN, Standing.KNOWN]


async def test_the_vendor_is_away_when_nobody_else_applies_anything_between_two_failures() -> None:
    reach = lost(clock := Clock())

    found = [await fails(reach, clock, others_applied) for others_applied in (1, 5, 5, 6)]

    assert found == [Standing.ALONE, Standing.ALONE, Standing.AWAY, Standing.ALONE]


async def test_one_request_tries_and_the_others_wait_until_it_was_heard() -> None:
    reach = lost(clock := Clock())
    clock.seconds += 1
    await reach.await_turn("try")
    other = asyncio.create_task(reach.await_turn("other"))
    await asyncio.sleep(0)
    assert not other.done()

    await reach.await_turn("try")  # its permit grew too old while it was connecting
    reach.left("try", was_heard=True)

    await other
    await reach.await_turn("third")


async def test_after_an_answer_that_takes_nothing_the_next_one_tries() -> None:
    """HTTP 500 to a read, a permit that grew too old, a pause: none says that everybody may go."""
    reach = lost(clock := Clock())
    clock.seconds += 1
    for slot in ("a", "b", "c"):
        await reach.await_turn(slot)
        others = asyncio.create_task(reach.await_turn("other"))
        await asyncio.sleep(0)
        assert not others.done()
        others.cancel()
        reach.left(slot, was_heard=False)
        clock.seconds += SAID_SECONDS


async def test_gaps_between_tries_grow_to_a_limit() -> None:
    reach = lost(clock := Clock())
    gaps = []
    for _ in range(5):
        since, turn = clock.seconds, asyncio.create_task(reach.await_turn("try"))
        while not turn.done():
            clock.seconds += 0.5
            turn.cancel()
            turn = asyncio.create_task(reach.await_turn("try"))
            await asyncio.sleep(0)
        gaps.append(clock.seconds - since)
        reach.left("try", was_heard=False)
        reach.failed(0)

    assert gaps == [1, 2, 4, 8, 8]


async def test_what_waits_for_long_goes_back_for_others_to_take() -> None:
    reach = Reach()
    reach.failed(0)

    with pytest.raises(PausedError, match="this worker does not reach the vendor") as caught:
        await reach.await_turn("slot")

    assert not caught.value.paused
    assert caught.value.retry_after_seconds == BACK_SECONDS


async def test_an_outage_spends_few_of_the_times_that_a_command_may_wait() -> None:
    """It came back twice a second: ten thousand waits, and a person had to decide, were over in hours."""
    reach = lost(clock := Clock())
    assert await fails(reach, clock) is Standing.AWAY

    waiting = asyncio.create_task(reach.await_turn("slot"))
    await asyncio.sleep(0)
    clock.seconds += HOLD_SECONDS
    with pytest.raises(PausedError) as caught:
        await waiting

    assert caught.value.retry_after_seconds == LONGEST_GAP_SECONDS


async def test_a_worker_that_stops_lets_everybody_go_on() -> None:
    reach = lost(Clock())
    waiting = asyncio.create_task(reach.await_turn("slot"))
    await asyncio.sleep(0)

    reach.end_waiting()

    await waiting
