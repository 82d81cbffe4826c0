"""Delivery: in order per lane, never giving up, refused only for the entry's own fault."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from producers import delivery as delivery_module
from producers.delivery import Delivery
from producers.handover import Refused, Taken, Unavailable
from producers.outbox import Capture, Outbox, OutboxError, OutboxState, Stored
from producers.results import backoff_seconds
from tests.unit.delivery_harness import AWAY, STUCK, FakeRelay, News, no_waiting, outbox, run, running, store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from producers.handover import Answer

__all__ = ["no_waiting", "outbox"]


async def test_a_failing_entry_is_repeated_unchanged_before_what_shares_its_lane(outbox: Outbox) -> None:
    store(outbox, "one", "two", lane="a")
    relay = FakeRelay()
    relay.answers["one"] = [AWAY, AWAY, Taken(duplicate=True)]
    relay.answers["two"] = [AWAY]

    news, delivery = await run(outbox, relay)

    assert relay.batches[0] == ["one", "two"]
    assert relay.batches[1:3] == [["one"], ["one"]]
    assert relay.taken == ["one", "two"]
    assert news.states[:2] == [("one", None), ("one", None)]
    assert "away; 2 waiting, next try in" in news.lines[0][2]
    assert (delivery.refused, delivery.trouble) == (0, "")


async def test_everything_that_is_due_goes_together_within_the_relays_limits(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "BATCH_BYTES", 1_000)
    store(outbox, *(f"{number:098d}" for number in range(15)), lane="a")
    outbox.store(Capture("large", ("a",), 1, "x" * 5_000, ""), Capture("last", ("a",), 1, "", ""))
    relay = FakeRelay()

    await run(outbox, relay)

    assert [len(batch) for batch in relay.batches] == [10, 5, 1, 1]


async def test_a_refused_entry_is_told_and_lets_the_next_through(outbox: Outbox) -> None:
    store(outbox, "one", "two", lane="a")
    relay = FakeRelay()
    relay.answers["one"] = [Refused("part_id: unknown")]

    news, delivery = await run(outbox, relay)

    assert news.lines[0] == ("one", OutboxState.REFUSED, "part_id: unknown")
    assert news.states[1] == ("two", OutboxState.SENT)
    assert delivery.refused == 1


async def test_one_that_has_to_wait_alone_holds_up_its_lanes_and_nobody_else(outbox: Outbox) -> None:
    store(outbox, "stuck", "behind", lane="a")
    store(outbox, "free")
    relay, news = FakeRelay(), News()
    relay.answers["stuck"] = [STUCK] * 5
    relay.answers["behind"] = [Unavailable("what is before it has to wait", alone=True)] * 5

    delivery = Delivery(outbox, relay, news)
    async with running(delivery):
        await news.until("free", OutboxState.SENT)
        await delivery.finish()

    assert relay.taken == ["free", "stuck", "behind"]
    assert news.states.count(("stuck", None)) == 5
    assert ("behind", None) not in news.states
    behind = outbox.find("behind")
    assert behind is not None
    assert behind.attempts == 0


async def test_one_at_which_the_relay_breaks_down_is_passed_by_the_others(outbox: Outbox) -> None:
    class Choking(FakeRelay):
        async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
            if len(self.taken) < len(names) and any(stored.key == "poison" for stored in batch):
                return [Unavailable("status 500")] * len(batch)
            return await super().submit(batch)

    names = [f"n{number}" for number in range(40)]
    store(outbox, *names[:20], "poison", *names[20:])
    relay = Choking()

    await run(outbox, relay)

    assert sorted(relay.taken[:-1]) == sorted(names)
    assert relay.taken[-1] == "poison"


async def test_an_entry_that_reached_nobody_can_still_be_withdrawn_and_no_other(outbox: Outbox) -> None:
    store(outbox, "unreached")
    relay, news = FakeRelay(), News()
    relay.answers["unreached"] = [Unavailable("no connection", unreached=True)] * 1_000_000
    relay.answers["unknown"] = [AWAY] * 1_000_000
    delivery = Delivery(outbox, relay, news)
    async with running(delivery):
        await news.until("unreached", None)
        assert delivery.trouble == "no connection"
        assert outbox.withdraw("unreached")
        await delivery.finish()  # nothing is left, though no relay said so
        store(outbox, "unknown")
        delivery.wake()
        await news.until("unknown", None)
        assert not outbox.withdraw("unknown")


async def test_the_wait_that_the_relay_asks_for_is_kept(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    store(outbox, "one")
    relay, slept = FakeRelay(), []
    relay.answers["one"] = [Unavailable("busy", retry_after_seconds=17)]
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    news, _ = await run(outbox, relay)

    assert 17 in slept
    assert news.lines[0][2] == "busy; 1 waiting, next try in 17 s"


async def test_what_is_stored_while_nothing_waits_is_sent_at_once(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "LOOK_AGAIN_SECONDS", 1_000)
    relay, news = FakeRelay(), News()
    delivery = Delivery(outbox, relay, news)

    async with running(delivery):
        await asyncio.sleep(0.01)
        store(outbox, "late")
        delivery.wake()
        await news.until("late", OutboxState.SENT)


async def test_a_dead_letter_that_somebody_else_has_retried_is_noticed(outbox: Outbox) -> None:
    store(outbox, "one")
    relay, news = FakeRelay(), News()
    relay.answers["one"] = [Refused("no")]
    delivery = Delivery(outbox, relay, news)

    async with running(delivery):
        await news.until("one", OutboxState.REFUSED)
        outbox.retry("one")
        await news.until("one", OutboxState.SENT)


async def test_a_disk_that_cannot_note_the_delivery_makes_it_repeat_not_stop(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(outbox, "one")
    relay = FakeRelay()
    failures = 2
    mark_sent = outbox.mark_sent

    def failing(*batch: Stored) -> tuple[bool, ...]:
        nonlocal failures
        if failures:
            failures -= 1
            raise OutboxError("outbox: database or disk is full")
        return mark_sent(*batch)

    monkeypatch.setattr(outbox, "mark_sent", failing)
    news, _ = await run(outbox, relay)

    assert relay.batches == [["one"]] * 3
    assert news.lines[0] == ("one", None, "outbox: database or disk is full")


def test_the_backoff_doubles_to_a_ceiling_and_is_spread_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ranges = [backoff_seconds(attempts, lambda low, high: low + high) for attempts in (0, 1, 2, 6, 7, 8, 1_000_000)]

    assert ranges == [0.5, 1.0, 2.0, 32.0, 60.0, 60.0, 60.0]
    assert backoff_seconds(5, lambda low, _: low) == 0.0
