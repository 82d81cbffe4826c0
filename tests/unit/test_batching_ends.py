"""Deliveries that end before their request does, and a worker that stops: the others go on, nothing is left behind."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Final

import pytest

from tasks.errors import Exchange, InDoubtError
from tests.unit.batching_harness import (
    LOST,
    SETTLE_SECONDS,
    Bench,
    Reply,
    Request,
    Sender,
    bench,
    done,
    outcomes,
    slots,
    turns,
)

__all__ = ["bench"]

COMMAND: Final[ContextVar[str]] = ContextVar("command", default="none")


# deliveries that end


async def test_who_is_cancelled_before_the_permit_leaves_the_request(bench: Bench) -> None:
    gone, stays = Sender(), bench.upsert("stays")
    cancelled = bench.upsert("gone", gone)
    await turns()

    cancelled.cancel()
    await bench.limiter.grant()
    found = await outcomes([cancelled, stays])

    assert type(found[0]) is asyncio.CancelledError
    assert isinstance(found[1], Exchange)
    assert bench.session.writes == [["stays"]]
    assert gone.permits == 0


async def test_when_all_are_cancelled_nothing_waits_for_a_permit_any_more(bench: Bench) -> None:
    tasks = [bench.upsert("a"), bench.upsert("b")]
    await bench.limiter.waits()

    for task in tasks:
        task.cancel()
    await outcomes(tasks)
    await turns()
    assert bench.limiter.waiting == 0

    again = bench.upsert("c")
    await bench.limiter.grant()
    assert isinstance(await again, Exchange)
    assert bench.session.writes == [["c"]]


async def test_a_permit_that_comes_in_the_moment_of_the_last_cancel_sends_nothing(bench: Bench) -> None:
    task = bench.upsert("a")
    await bench.limiter.grant()
    task.cancel()
    follower = bench.upsert("b")
    await outcomes([task])
    await bench.limiter.grant()

    assert isinstance(await follower, Exchange)
    assert bench.session.writes == [["b"]]


async def test_who_is_cancelled_while_the_intents_are_written_is_not_sent(bench: Bench) -> None:
    sender = Sender(gate=asyncio.Event())
    cancelled, stays = bench.upsert("gone", sender), bench.upsert("stays")
    await bench.limiter.grant()
    await sender.asked.wait()

    cancelled.cancel()
    await turns()
    assert sender.gate is not None
    sender.gate.set()
    found = await outcomes([cancelled, stays])

    assert type(found[0]) is asyncio.CancelledError
    assert isinstance(found[1], Exchange)
    assert bench.session.writes == [["stays"]]


async def test_who_is_cancelled_while_the_connection_is_made_is_left_behind(bench: Bench) -> None:
    bench.limiter.open = True
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def connect() -> None:
        reached.set()
        await go_on.wait()

    bench.session.connecting = connect
    stays_sender = Sender()
    cancelled, stays = bench.upsert("gone"), bench.upsert("stays", stays_sender)
    await reached.wait()

    cancelled.cancel()
    await turns()
    go_on.set()
    found = await outcomes([cancelled, stays])

    assert type(found[0]) is asyncio.CancelledError
    assert isinstance(found[1], Exchange)
    assert bench.session.writes == [["stays"]]
    assert stays_sender.permits == 1


@pytest.mark.parametrize("reply", [None, LOST])
async def test_who_is_cancelled_behind_the_first_byte_does_not_stop_the_others(
    bench: Bench, reply: Reply | None
) -> None:
    bench.limiter.open = True
    go_on = asyncio.Event()

    async def slow(request: Request) -> Reply:
        await go_on.wait()
        return reply or done(request)

    bench.session.answer = slow
    cancelled, stays = bench.upsert("gone"), bench.upsert("stays")
    await bench.session.arrived.wait()

    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    go_on.set()

    (found,) = await outcomes([stays])
    assert isinstance(found, Exchange if reply is None else InDoubtError)
    assert bench.session.writes == [["gone", "stays"]]


async def test_a_request_whose_members_have_all_gone_still_ends_by_itself(bench: Bench) -> None:
    bench.limiter.open = True
    go_on = asyncio.Event()

    async def slow(request: Request) -> Reply:
        await go_on.wait()
        return done(request)

    bench.session.answer = slow
    task = bench.upsert("a")
    await bench.session.arrived.wait()
    task.cancel()
    await outcomes([task])

    go_on.set()
    await turns()

    assert [entry[0] for entry in bench.limiter.log] == ["acquire", "release", "reward"]


# the end of the worker


async def test_closing_ends_what_is_under_way_and_leaves_its_ghost(bench: Bench) -> None:
    bench.limiter.open = True

    async def never(_: Request) -> Reply:
        await asyncio.Event().wait()
        return LOST

    bench.session.answer = never
    task = bench.upsert("a")
    await bench.session.arrived.wait()
    task.cancel()
    await outcomes([task])

    await bench.partium.aclose()

    (slot,) = slots(bench)
    assert bench.limiter.log[-1] == ("ghost", slot, SETTLE_SECONDS)


@pytest.mark.parametrize("started", [False, True])
async def test_closing_leaves_nobody_waiting(bench: Bench, started: bool) -> None:  # noqa: FBT001  a case
    task, follower = bench.upsert("a"), bench.upsert("b")
    await asyncio.sleep(0)
    if started:
        await bench.limiter.waits()

    await bench.partium.aclose()
    found = await outcomes([task, follower])

    assert [type(one) for one in found] == [asyncio.CancelledError] * 2
    assert bench.limiter.waiting == 0


@pytest.mark.parametrize("kind", ["read", "upsert", "delete", "upsert_assembly", "delete_assembly"])
async def test_closing_reaches_every_operation(bench: Bench, kind: str) -> None:
    task = getattr(bench, kind)("a")
    await bench.limiter.waits()

    await bench.partium.aclose()

    assert [type(one) for one in await outcomes([task])] == [asyncio.CancelledError]
    assert bench.limiter.waiting == 0


async def test_a_request_belongs_to_no_single_command(bench: Bench) -> None:
    seen = []

    async def note() -> None:
        seen.append(COMMAND.get())

    bench.limiter.open = True
    bench.session.connecting = note
    COMMAND.set("the first")

    await bench.upsert("a")

    assert seen == ["none"]
