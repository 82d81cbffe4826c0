"""The second acknowledgement: told by the relay's stream, asked for where the stream cannot tell it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from producers.delivery import Delivery
from producers.handover import Gap, Status, Told
from producers.outbox import Outbox, OutboxState, Stored
from tests.unit.delivery_harness import FakeRelay, News, no_waiting, outbox, run, running, store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from producers.handover import Answer

__all__ = ["no_waiting", "outbox"]


async def test_the_results_are_asked_for_and_told_with_the_vendors_reason(outbox: Outbox) -> None:
    store(outbox, "one", "two")
    relay = FakeRelay(status_away=1)
    relay.states["one"] = [Status("sending", ""), Status("unknown", ""), Status("applied", "")]
    relay.states["two"] = [Status("ready", ""), Status("rejected", "not enough stock")]

    news, _ = await run(outbox, relay, results_seconds=60)

    assert ("one", OutboxState.APPLIED, "") in news.lines
    assert ("two", OutboxState.REJECTED, "not enough stock") in news.lines
    two = outbox.find("two")
    assert two is not None
    assert (two.state, two.result) == (OutboxState.REJECTED, "not enough stock")


async def test_no_more_are_asked_for_at_once_than_the_relay_answers(outbox: Outbox) -> None:
    names = [f"n{number}" for number in range(205)]
    store(outbox, *names)
    outbox.mark_sent(*outbox.due(500))
    relay = FakeRelay(states={name: [Status("applied", "")] for name in names})

    await run(outbox, relay, results_seconds=60)

    assert [len(keys) for keys in relay.asked] == [100, 100, 5]


async def test_a_result_that_never_comes_ends_as_unanswered(outbox: Outbox) -> None:
    store(outbox, "one")
    news, _ = await run(outbox, FakeRelay(states={"one": [Status("waiting", "")]}), results_seconds=0.05)

    assert news.states[-1] == ("one", OutboxState.UNANSWERED)


async def test_what_was_delivered_long_ago_is_asked_for_once_more_after_a_restart(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.sqlite3", "P", clock_ms=lambda: 1_700_000_000_000) as outbox:
        store(outbox, "known", "unknown")
        outbox.mark_sent(*outbox.due(500))
        relay = FakeRelay(states={"known": [Status("applied", "")]})
        news, _ = await run(outbox, relay, results_seconds=0.05)

    assert news.states == [("known", OutboxState.APPLIED), ("unknown", OutboxState.UNANSWERED)]


async def test_results_are_told_by_the_stream_and_its_place_is_kept_over_a_restart(outbox: Outbox) -> None:
    store(outbox, "one", "two")
    relay, news = FakeRelay(), News()
    delivery = Delivery(outbox, relay, news, results_seconds=60, stream=relay)
    async with running(delivery):
        await news.until("two", OutboxState.SENT)
        relay.hears.put_nowait(Told("p1", "one", Status("sending", "")))
        relay.hears.put_nowait(Told("p2", "stranger", Status("applied", "")))
        relay.hears.put_nowait(Told("p3", "one", Status("held", "look at it")))
        relay.hears.put_nowait(Told("p4"))
        relay.hears.put_nowait(None)  # the connection ends
        await news.until("one", OutboxState.HELD)
        relay.hears.put_nowait(Told("p5", "two", Status("applied", "")))
        await delivery.finish()

    assert ("one", OutboxState.HELD, "look at it") in news.lines
    assert relay.positions == [None, "p4"]
    again = FakeRelay()
    delivery = Delivery(outbox, again, news, results_seconds=60, stream=again)
    async with running(delivery):
        again.hears.put_nowait(Told("p6", "one", Status("applied", "")))
        await news.until("one", OutboxState.APPLIED)
    assert again.positions == ["p5"]
    assert ("stranger", OutboxState.APPLIED) not in news.states


async def test_a_result_told_before_the_answer_to_the_delivery_is_not_lost(outbox: Outbox) -> None:
    class Quick(FakeRelay):
        answered = asyncio.Event()

        async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
            self.hears.put_nowait(Told("p1", batch[0].key, Status("applied", "")))
            await news.until(batch[0].key, OutboxState.APPLIED)
            self.answered.set()
            return await super().submit(batch)

    store(outbox, "one")
    relay, news = Quick(), News()
    delivery = Delivery(outbox, relay, news, results_seconds=60, stream=relay)
    async with running(delivery):
        await news.until("one", OutboxState.APPLIED)
        await relay.answered.wait()
        store(outbox, "next")
        delivery.wake()
        await news.until("next", OutboxState.APPLIED)

    assert news.states == [("one", OutboxState.APPLIED), ("next", OutboxState.APPLIED)]
    assert outbox.counts() == {OutboxState.APPLIED: 2}


@pytest.mark.parametrize("trouble", ["gap", "no stream", "stream lost", "first connection"])
async def test_what_the_stream_does_not_tell_is_asked_for(outbox: Outbox, trouble: str) -> None:
    store(outbox, "one")
    outbox.mark_sent(*outbox.due(1))
    if trouble != "first connection":
        outbox.remember("stream position", "p1")
    relay = FakeRelay(has_stream=trouble != "no stream")
    relay.states["one"] = [Status("ready", ""), Status("applied", "")]
    news = News()
    delivery = Delivery(outbox, relay, news, results_seconds=60, stream=relay)
    async with running(delivery):
        await relay.was_asked.wait()
        if trouble == "gap":
            relay.hears.put_nowait(Gap("p9"))
        if trouble == "stream lost":
            relay.has_stream = False
            relay.hears.put_nowait(None)
        await news.until("one", OutboxState.APPLIED)

    assert outbox.recall("stream position") == {"gap": "p9", "first connection": None}.get(trouble, "p1")


async def test_beside_a_stream_nothing_is_asked_again_and_again(outbox: Outbox) -> None:
    outbox.remember("stream position", "p1")
    relay, news = FakeRelay(), News()
    delivery = Delivery(outbox, relay, news, results_seconds=60, stream=relay)
    async with running(delivery):
        for number in range(20):
            store(outbox, str(number))
            delivery.wake()
            await news.until(str(number), OutboxState.SENT)
            relay.hears.put_nowait(Told(f"p{number}", str(number), Status("applied", "")))
            await news.until(str(number), OutboxState.APPLIED)
        store(outbox, "slow")
        delivery.wake()
        await news.until("slow", OutboxState.SENT)
        await asyncio.sleep(0.2)  # twenty times the longest gap without a stream

    assert len(relay.asked) <= 3
