"""The intent that shares a round trip with its permit: there if and only if the permit was granted, counted once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks import script_calls
from tasks.ports import Grant
from tasks.records import State
from tests.integration.executor_harness import POLICY, VENDOR, Bench, ScriptedVendor
from workers.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.stock import AddStock


@dataclass
class LimitedVendor(ScriptedVendor):
    """Asks the limiter for a permit as every vendor's client does."""

    limiter: Limiter | None = None
    #: Called when the permit has come, once, before the write is told so.
    granted: Callable[[], Awaitable[None]] | None = None

    async def add_stock(self, command: AddStock, sending: Sending) -> Exchange:
        assert self.limiter is not None
        await self.limiter.acquire(sending.key, sending.ahead)
        try:
            granted, self.granted = self.granted, None
            if granted is not None:
                await granted()
            return await super().add_stock(command, sending)
        finally:
            self.limiter.leave(sending.key)


@pytest.fixture
async def vendor() -> LimitedVendor:
    return LimitedVendor()


@pytest.fixture
async def bench(redis_client: Redis, vendor: LimitedVendor) -> AsyncIterator[Bench]:
    made = Bench(redis_client, vendor)
    vendor.limiter = made.limiter
    await made.limiter.paused()  # a server that does not have the script yet runs an intent before its permit, in vain
    yield made
    await made.limiter.aclose()


async def intended(bench: Bench, key: str) -> bool:
    return bool(await bench.redis.hexists(f"sr:{{{VENDOR}}}:cmd:{key}", "intent_ms"))


async def test_a_command_of_one_request_takes_three_round_trips(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    key, asked = await bench.submit(), list[list[str]]()
    make = script_calls._round_trip

    async def noted(runs: Sequence[Any]) -> Any:
        asked.append([run.args[0] for run in runs])
        return await make(runs)

    await bench.limiter.paused()  # the server knows its script from then on
    monkeypatch.setattr(script_calls._together(bench.redis), "_ask", noted)
    await bench.executor.deliver(key)

    steps = [[step for step in together if step != "release"] for together in asked]
    assert [together for together in steps if together] == [["claim"], ["acquire", "intent"], ["settle"]]
    assert await bench.state(key) == (State.APPLIED, 1)


async def test_a_permit_that_is_refused_leaves_no_intent(bench: Bench, vendor: LimitedVendor) -> None:
    await bench.limiter.pause(60, "stocktaking")

    key = await bench.run()

    assert await bench.state(key) == (State.DELAYED, 0)
    assert not await intended(bench, key)
    assert vendor.sent == 0


async def test_who_waits_for_a_slot_has_one_intent_when_it_comes(bench: Bench, vendor: LimitedVendor) -> None:
    other = Limiter(bench.redis, VENDOR, POLICY)
    for number in range(POLICY.concurrency):
        await other.acquire(f"taken:{number}")
    key = await bench.submit()
    delivery = asyncio.ensure_future(bench.executor.deliver(key))
    async with asyncio.timeout(60):
        while not (await bench.limiter.snapshot()).granted_total or bench.limiter._flowing:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await bench.state(key), await intended(bench, key)) == ((State.SENDING, 0), False)
    await other.release("taken:0")
    await delivery
    await other.aclose()

    assert await bench.state(key) == (State.APPLIED, 1)
    assert vendor.sent == 1


@pytest.mark.parametrize("how", ["stops", "loses redis", "is cancelled"])
async def test_who_ends_between_the_grant_and_the_write_hands_back_and_the_attempt_with_it(
    bench: Bench, vendor: LimitedVendor, how: str
) -> None:
    key = await bench.submit()
    seen = []

    async def end() -> None:
        seen.append((await bench.state(key), await intended(bench, key)))
        match how:
            case "stops":
                bench.executor.stopping.set()
            case "loses redis":
                raise RedisConnectionError("away")
            case _:
                delivery.cancel()
                await asyncio.sleep(0)

    vendor.granted = end
    delivery = asyncio.ensure_future(bench.executor.deliver(key))
    await asyncio.gather(delivery, return_exceptions=True)

    assert seen == [((State.SENDING, 1), True)]
    assert await bench.state(key) == (State.READY, 0)
    assert not await intended(bench, key)
    assert vendor.sent == 0
    bench.executor.stopping.clear()
    await bench.executor.deliver(key)
    assert await bench.state(key) == (State.APPLIED, 1)
    assert vendor.sent == 1


async def test_a_permit_that_is_asked_for_anew_counts_no_second_attempt(bench: Bench, vendor: LimitedVendor) -> None:
    key = await bench.submit()
    sending: list[Sending] = []

    async def again() -> None:
        bench.limiter.leave(key)
        await bench.limiter.acquire(key, sending[0].ahead)

    async def acquire(slot_id: str, ahead: Callable[[Grant], None]) -> Any:
        sending.append(ahead.__self__)  # type: ignore[attr-defined]
        return await Limiter.acquire(bench.limiter, slot_id, ahead)

    vendor.limiter = type("Noting", (), {"acquire": staticmethod(acquire), "leave": bench.limiter.leave})()
    vendor.granted = again
    await bench.executor.deliver(key)

    assert await bench.state(key) == (State.APPLIED, 1)


async def test_another_ones_grant_of_the_slot_is_none(bench: Bench) -> None:
    key = await bench.submit()
    await bench.ledger.claim(key, "owner", 60)
    await bench.limiter.acquire(key)
    keys = f"sr:{{{VENDOR}}}:limit:owners"
    token = str(await bench.redis.hget(keys, key)).partition("@")[0]

    answers = [
        await bench.ledger.intent_if(Grant(keys, key, begins), key, "owner", {})()
        for begins in (f"{token}0@", f"{token[:-1]}@", f"{token}@")
    ]

    assert answers == [False, False, True]
    assert await bench.state(key) == (State.SENDING, 1)
