"""PartsBox's markers, lanes and orders."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tasks.orders import LineToReceive, ReceiveOrder
from tasks.records import State
from tasks.stock import MoveStock
from tests.conformance.catalogue import CASES
from tests.conformance.catalogue.case import event
from tests.conformance.rounds import opened
from tests.conformance.warehouse import ORDER, PART, SHELF, an_addition, effects
from tests.relay import consuming, running_relay
from tests.sandbox.partsbox import id_for
from tests.sandbox.partsbox.orders import outstanding

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conformance.catalogue import Case
    from tests.conformance.rounds import Rounds, Seen
    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox

# markers, and other people

#: Cases whose effect carries our marker.
MARKED = [
    CASES[name]
    for name in (
        "stock.add",
        "stock.remove",
        "stock.move",
        "order.receive",
        "order.receive_line",
        "project.create",
        "project.add_entries",
    )
]


async def without_comments(lost: str, redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, MARKED) as played:
        for case in MARKED:
            played.switch(case, "comment_stripped")
            if lost:
                played.switch(case, lost)
            await played.admit(case)
        async with consuming(played.relay):
            return await played.endings()


@pytest.mark.parametrize("case", MARKED, ids=str)
async def test_a_confirmed_write_whose_comment_was_dropped_is_applied(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("no comments", partial(without_comments, ""), case)

    assert (seen.record.state, seen.effects, seen.found) == (State.APPLIED, 1, seen.wanted), str(seen)


@pytest.mark.parametrize("case", MARKED, ids=str)
async def test_a_lost_answer_whose_comment_was_dropped_is_held_never_repeated(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("no comments, no answers", partial(without_comments, "accept_then_drop"), case)

    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.HELD, 1, 1), str(seen)
    assert seen.dead


async def test_a_move_with_one_marked_leg_is_held(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("marker_lost_on_one_leg", "stock/move")
    sandbox.faults.add("accept_then_drop", "stock/move")

    command = MoveStock(
        part_id=PART, from_storage_id=SHELF, to_storage_id=id_for("storage", "line-1"), quantity=5, **event()
    )
    record = await relay.until(await relay.submit(command))

    assert (record.state, effects(sandbox)) == (State.HELD, 1)


async def test_an_entry_that_may_be_ours_is_held_when_our_user_is_unknown(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    gate = sandbox.faults.add("gate", "stock/add", gate="door")
    sandbox.faults.add("drop_before", "stock/add")
    async with running_relay(redis_client, sandbox, user=None) as relay:
        key = await relay.submit(an_addition())
        await sandbox.gates["door"].until_arrived(1)
        sandbox.load.stock(PART, SHELF, 5)
        sandbox.gates["door"].open()
        record = await relay.until(key)

    assert gate.fired == 1
    assert (record.state, effects(sandbox)) == (State.HELD, 0)


# lanes


async def test_commands_on_one_part_run_one_at_a_time_in_the_order_accepted(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("accept_then_drop", "stock/add", skip=1)
    sandbox.faults.add("drop_before", "stock/add", skip=3)

    keys = [await relay.submit(an_addition()) for _ in range(6)]
    for key in keys:
        await relay.until(key)

    assert [effect.marker for effect in sandbox.journal.own_effects()] == [f"[cmd:{key}]" for key in keys]


async def test_a_held_command_blocks_its_lane_only_and_discarding_it_frees_the_lane(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("comment_stripped", "stock/add")
    sandbox.faults.add("accept_then_drop", "stock/add")
    stuck = await relay.submit(an_addition())
    behind = await relay.submit(an_addition())
    assert (await relay.until(stuck)).state is State.HELD
    other_part = id_for("part", "R-10K")
    beside = await relay.submit(an_addition(other_part))

    assert (await relay.until(beside)).state is State.APPLIED
    waiting = await relay.ledger.find(behind)
    assert waiting is not None
    assert waiting.state is State.WAITING

    await relay.ledger.discard(stuck, by="anna", reason="seen at the vendor")
    assert (await relay.until(behind)).state is State.APPLIED


async def test_a_replayed_command_that_had_landed_is_not_sent_again(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("duplicate_commit", "stock/add")
    key = await relay.submit(an_addition())
    assert (await relay.until(key)).state is State.HELD
    sent = len(sandbox.journal.requests_of("stock/add"))

    await relay.ledger.replay(key, by="anna")
    record = await relay.until(key, State.HELD)

    assert record.replayed_by == "anna"
    assert len(sandbox.journal.requests_of("stock/add")) == sent


# orders


async def test_an_order_becomes_one_command_per_line_and_the_parent_shows_progress(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    key = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, **event()))
    record = await relay.until(key)

    assert (record.state, record.done, record.total) == (State.APPLIED, 4, 4)
    assert Counter(len(effect.legs) for effect in sandbox.journal.own_effects()) == {1: 4}
    assert sandbox.state.orders[ORDER]["order/status"] == "received"


async def test_an_order_scanned_twice_is_received_once(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    first = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, **event()))
    second = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, **event()))

    assert (await relay.until(first)).state is State.APPLIED
    again = await relay.until(second)

    assert (again.state, effects(sandbox)) == (State.REJECTED, 4)
    assert "not ordered" in again.reason


@pytest.mark.parametrize("number", ["SO-3", "SO-unknown"])
async def test_an_order_that_cannot_be_received_is_rejected_with_the_reason(
    relay: Relay, sandbox: PartsBoxSandbox, number: str
) -> None:
    command = ReceiveOrder(order_id=id_for("order", number), storage_id=SHELF, **event())

    record = await relay.until(await relay.submit(command))

    assert (record.state, effects(sandbox)) == (State.REJECTED, 0)
    assert record.reason


async def test_more_than_is_open_on_a_line_is_refused_before_anything_is_sent(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    line = outstanding(sandbox.state, ORDER)[0]
    lines = (LineToReceive(stock_id=line.stock_id or "", quantity=101),)

    record = await relay.until(
        await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, lines=lines, **event()))
    )

    assert (record.state, sandbox.journal.requests_of("order/receive")) == (State.REJECTED, [])
    assert record.reason.startswith("quantity: 101 asked, 100 open")
