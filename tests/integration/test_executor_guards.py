"""What stands between a command and a second send, one guard at a time: others behind it would hide that it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.errors import InDoubtError, RetryableError
from tests.integration.executor_harness import EXCHANGE, LEASE_SECONDS, Bench, ForgetfulVendor, ScriptedVendor
from workers.work import persist

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.ports import Sending

LOST = InDoubtError("no answer", exchange=EXCHANGE)


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench(redis_client, ScriptedVendor())


async def test_the_intent_is_in_the_ledger_when_the_first_byte_leaves(bench: Bench) -> None:
    seen = []

    async def at_write(sending: Sending) -> None:
        record = await bench.ledger.find(sending.key)
        assert record is not None
        seen.append((record.attempts, record.image is not None))

    bench.vendor.at_write = at_write
    await bench.run()

    assert seen == [(1, True)]


async def test_nothing_leaves_a_process_whose_lease_may_have_ended(bench: Bench) -> None:
    seen = []

    async def at_write(sending: Sending) -> None:
        seen.append(sending.may_leave())
        bench.frozen_seconds = LEASE_SECONDS
        seen.append(sending.may_leave())

    bench.vendor.at_write = at_write
    await bench.run()

    assert seen == [True, False]


async def test_a_doubtful_command_is_looked_up_and_not_tried_again(bench: Bench) -> None:
    bench.vendor.writes = [LOST]
    key = await bench.submit()

    assert [await bench.executor.deliver(key), await bench.look(key), await bench.look(key)] == ["in_doubt"] * 3
    assert bench.vendor.sent == 1


async def test_a_look_up_without_an_answer_ends_no_doubt(redis_client: Redis) -> None:
    bench = Bench(redis_client, ScriptedVendor(writes=[LOST]), settle_seconds=0.0)
    key = await bench.submit()
    assert await bench.executor.deliver(key) == "in_doubt"
    bench.vendor.reads = [RetryableError("HTTP 500", exchange=EXCHANGE)]

    assert await bench.look(key) == "in_doubt"
    assert await bench.look(key) == "absent"


async def test_a_known_outcome_is_written_when_redis_is_back() -> None:
    troubles = [RedisConnectionError("away"), RedisConnectionError("away")]
    written = []

    async def step() -> None:
        if troubles:
            raise troubles.pop()
        written.append("settled")

    await persist(step)

    assert (troubles, written) == ([], ["settled"])


async def test_a_confirmed_write_that_reads_show_later_is_applied_and_sent_once(
    redis_client: Redis,
) -> None:
    vendor = ForgetfulVendor(shown_after=2)
    bench = Bench(redis_client, vendor)
    key = await bench.rename()

    assert await bench.executor.deliver(key) == "in_doubt"
    assert await bench.look(key) == "in_doubt"
    assert await bench.look(key) == "applied"
    assert vendor.sent == 1


async def test_a_confirmed_write_that_the_vendor_never_shows_is_held_and_never_sent_again(redis_client: Redis) -> None:
    vendor = ForgetfulVendor()
    bench = Bench(redis_client, vendor, settle_seconds=0.0)
    key = await bench.rename()

    assert await bench.executor.deliver(key) == "in_doubt"
    assert await bench.look(key) == "held"

    record = await bench.ledger.find(key)
    assert record is not None
    assert record.reason == "the vendor confirmed it, but the record is as it was"
    assert vendor.sent == 1
