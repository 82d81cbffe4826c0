"""A parent command and the children that take its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.dead_letter_records import Place
from tasks.errors import LeaseLostError
from tasks.records import State
from tests.integration.ledger_harness import (
    PREFIX,
    Desk,
    child_of,
    command,
    refused,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.records import NewCommand


async def expanded(desk: Desk, parts: list[str]) -> tuple[str, list[NewCommand]]:
    parent = await desk.admit("order:x", kind="order.receive")
    children = [child_of("order:x", part) for part in parts]
    await desk.ledger.expand(parent, await desk.claimed(parent), children, evidence={"what": "expanded"})
    return parent, children


async def test_children_stand_in_their_parents_place(desk: Desk) -> None:
    parent = await desk.admit("order:x", kind="order.receive")
    behind = await desk.admit("order:x", kind="order.receive")
    owner = await desk.claimed(parent)
    children = [child_of("order:x", part) for part in ("part:a", "part:b", "part:a")]
    await desk.ledger.expand(parent, owner, children)
    keys = [child.key for child in children]
    assert await desk.lane("order:x") == [*keys, behind]
    assert await desk.lane("part:a") == [keys[0], keys[2]]
    for key in keys:
        assert await desk.state(behind) is State.WAITING
        await desk.finish(key, State.APPLIED)
    assert await desk.state(parent) is State.APPLIED
    assert await desk.state(behind) is State.READY


async def test_a_line_replayed_at_the_head_and_the_lines_of_the_order_that_ran_then_waited_for_each_other(
    desk: Desk,
) -> None:
    """It stood behind them in the order's lane and before them in the part's: nothing ran until somebody cancelled."""
    _, (line,) = await expanded(desk, ["part:a"])
    await desk.finish(line.key, State.REJECTED)
    running = await desk.admit("order:x", kind="order.receive")
    owner = await desk.claimed(running)
    assert await desk.ledger.replay(line.key, "anna", at=Place.HEAD) is State.WAITING
    child = child_of("order:x", "part:a")

    await desk.ledger.expand(running, owner, [child])

    assert await desk.lane("order:x") == await desk.lane("part:a") == [line.key, child.key]
    assert await desk.state(line.key) is State.READY
    await desk.finish(line.key, State.APPLIED)
    assert await desk.state(child.key) is State.READY


async def test_a_parent_shows_its_progress_and_ends_with_its_last_child(desk: Desk) -> None:
    parent, children = await expanded(desk, ["part:a", "part:b"])
    record = await desk.ledger.find(parent)
    assert record is not None
    assert (record.state, record.total, record.done, record.reason) == (State.WAITING, 2, 0, "0/2 done")
    assert record.children == tuple(child.key for child in children)
    await desk.finish(children[0].key, State.APPLIED)
    record = await desk.ledger.find(parent)
    assert record is not None
    assert (record.state, record.done, record.reason) == (State.WAITING, 1, "1/2 done")
    await desk.finish(children[1].key, State.APPLIED)
    record = await desk.ledger.find(parent)
    assert record is not None
    assert (record.state, record.done, record.failed) == (State.APPLIED, 2, 0)
    assert await desk.redis.ttl(PREFIX + "cmd:" + parent) > 0
    assert (await desk.ledger.find(children[0].key)).parent == parent  # type: ignore[union-attr]  # it was admitted


async def test_a_rejected_child_keeps_its_parent_open_until_it_is_replayed(desk: Desk) -> None:
    parent, (child,) = await expanded(desk, ["part:a"])
    await desk.finish(child.key, State.REJECTED)
    assert await desk.state(parent) is State.WAITING
    await desk.ledger.replay(child.key, "anna")
    await desk.finish(child.key, State.APPLIED)
    assert await desk.state(parent) is State.APPLIED


@pytest.mark.parametrize("how", ["discarded", "cancelled"])
async def test_a_parent_without_all_its_children_ends_rejected(desk: Desk, how: str) -> None:
    parent, (first, second) = await expanded(desk, ["part:a", "part:b"])
    if how == "cancelled":
        await desk.ledger.cancel(first.key, "anna")
    else:
        await desk.finish(first.key, State.HELD)
        await desk.ledger.discard(first.key, "anna", "never came")
    await desk.finish(second.key, State.APPLIED)
    record = await desk.ledger.find(parent)
    assert record is not None
    assert (record.state, record.done, record.failed) == (State.REJECTED, 2, 1)
    assert record.reason == "1/2 applied, the rest discarded or cancelled"


async def test_a_parent_that_was_not_expanded_can_be_cancelled(desk: Desk) -> None:
    first, second = await desk.admit("order:x"), await desk.admit("order:x")
    await desk.ledger.cancel(first, "anna")
    assert await desk.state(second) is State.READY


@pytest.mark.parametrize("twice", [False, True])
async def test_a_parent_that_could_never_end_is_refused(desk: Desk, *, twice: bool) -> None:
    parent = await desk.admit("order:x", kind="order.receive")
    owner = await desk.claimed(parent)
    child = child_of("order:x", "part:a")
    await refused(desk, ValueError, lambda: desk.ledger.expand(parent, owner, [child, child] if twice else []))


async def test_a_child_whose_key_is_taken_is_refused_with_all_its_siblings(desk: Desk) -> None:
    known = await desk.admit("part:z")
    parent = await desk.admit("order:x", kind="order.receive")
    owner = await desk.claimed(parent)
    children = [child_of("order:x", "part:a"), command("order:x", "part:b", key=known)]
    await refused(desk, LeaseLostError, lambda: desk.ledger.expand(parent, owner, children))


async def test_a_replayed_line_and_the_lines_of_the_next_receipt_do_not_wait_for_each_other(desk: Desk) -> None:
    _, (child,) = await expanded(desk, ["part:a"])
    following = await desk.admit("order:x", kind="order.receive")
    await desk.finish(child.key, State.REJECTED)
    owner = await desk.claimed(following)
    await desk.ledger.replay(child.key, "anna")
    newer = child_of("order:x", "part:a")
    await desk.ledger.expand(following, owner, [newer])
    assert await desk.state(newer.key) is State.READY
    await desk.finish(newer.key, State.APPLIED)
    await desk.finish(child.key, State.APPLIED)


async def test_a_line_goes_before_what_was_accepted_after_its_order_and_still_waits(desk: Desk) -> None:
    running = await desk.admit("part:a")
    parent = await desk.admit("order:x", kind="order.receive")
    later = await desk.admit("part:a")
    child = child_of("order:x", "part:a")
    await desk.ledger.expand(parent, await desk.claimed(parent), [child])
    assert await desk.lane("part:a") == [running, child.key, later]


async def test_whom_a_line_goes_before_waits_for_it_too(desk: Desk) -> None:
    parent, busy = await desk.admit("order:x", kind="order.receive"), await desk.admit("part:b")
    later = await desk.admit("part:a", "part:b")
    child = child_of("order:x", "part:a")
    await desk.ledger.expand(parent, await desk.claimed(parent), [child])
    assert await desk.lane("part:a") == [child.key, later]
    await desk.finish(busy, State.APPLIED)
    assert await desk.state(later) is State.WAITING
    await desk.finish(child.key, State.APPLIED)
    assert await desk.state(later) is State.READY


@pytest.mark.parametrize("earlier", [0, 1, 2, 7, 12])
async def test_a_line_finds_its_place_however_many_came_before_and_after_its_order(desk: Desk, earlier: int) -> None:
    before = [await desk.admit("part:a") for _ in range(earlier)]
    parent = await desk.admit("order:x", kind="order.receive")
    # the first would run at once, and what runs is not overtaken
    after = [await desk.admit("part:a") for _ in range(12 - earlier)]
    running = after[:1] if not before else []
    children = [child_of("order:x", "part:a"), child_of("order:x", "part:a")]

    await desk.ledger.expand(parent, await desk.claimed(parent), children)

    keys = [child.key for child in children]
    assert await desk.lane("part:a") == [*before, *running, *keys, *after[len(running) :]]


async def test_damaged_commands_in_a_lane_do_not_lead_a_line_to_a_wrong_place(redis_client: Redis) -> None:
    desk = Desk.at(redis_client)
    before = [await desk.admit("part:a") for _ in range(8)]
    parent = await desk.admit("order:x", kind="order.receive")
    after = [await desk.admit("part:a") for _ in range(8)]
    for number, damaged in enumerate((*before[1::2], *after[1::2])):
        if number % 2:
            await desk.redis.hdel(PREFIX + "cmd:" + damaged, "place")
        else:
            await desk.redis.delete(PREFIX + "cmd:" + damaged)
    child = child_of("order:x", "part:a")

    await desk.ledger.expand(parent, await desk.claimed(parent), [child])

    sound = {*before[::2], child.key, *after[::2]}
    assert [key for key in await desk.lane("part:a") if key in sound] == [*before[::2], child.key, *after[::2]]


async def test_a_line_enters_a_long_lane_without_reading_all_of_it(desk: Desk) -> None:
    parent = await desk.admit("order:x", kind="order.receive")
    await desk.ledger.admit([command("part:a") for _ in range(500)])
    owner = await desk.claimed(parent)
    await desk.redis.config_resetstat()

    await desk.ledger.expand(parent, owner, [child_of("order:x", "part:a")])

    found = await desk.redis.info("commandstats")
    assert found["cmdstat_hgetall"]["calls"] < 20
