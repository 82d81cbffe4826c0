"""Every command under every fault of the vendor ends applied once, rejected, or held: never lost, never doubled."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tasks.orders import LineToReceive, ReceiveOrder
from tasks.records import State
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tasks.submit import now_ms
from tests.relay import running_relay
from tests.sandbox.partsbox import PartsBoxSandbox, id_for
from tests.sandbox.partsbox.orders import outstanding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tests.relay import Relay

PART, SHELF, LINE = id_for("part", "R-1K"), id_for("storage", "shelf-1"), id_for("storage", "line-1")
ORDER = id_for("order", "SO-1")
_ticks = itertools.count(now_ms())

OPERATIONS = {
    "stock.add": "stock/add",
    "stock.remove": "stock/remove",
    "stock.move": "stock/move",
    "stock.correct": "stock/update",
    "order.receive": "order/receive",
}
KINDS = tuple(OPERATIONS)
#: Kinds whose effect carries our marker.
MARKED = tuple(kind for kind in KINDS if kind != "stock.correct")


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def relay(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Relay]:
    async with running_relay(redis_client, sandbox) as running:
        yield running


def a_command(kind: str, sandbox: PartsBoxSandbox) -> Command:
    moment = next(_ticks)
    match kind:
        case "stock.add":
            return AddStock(part_id=PART, storage_id=SHELF, quantity=5, stock_timestamp=moment)
        case "stock.remove":
            return RemoveStock(part_id=PART, storage_id=SHELF, quantity=5, stock_timestamp=moment)
        case "stock.move":
            return MoveStock(
                part_id=PART, from_storage_id=SHELF, to_storage_id=LINE, quantity=5, stock_timestamp=moment
            )
        case "stock.correct":
            entry = sandbox.state.history[PART][-1].timestamp_ms
            return CorrectStock(part_id=PART, entry_timestamp=entry, quantity=1200, stock_timestamp=moment)
    line = outstanding(sandbox.state, ORDER)[0]
    lines = (LineToReceive(stock_id=line.stock_id or "", quantity=40),)
    return ReceiveOrder(order_id=ORDER, storage_id=SHELF, lines=lines, stock_timestamp=moment)


async def the_one_that_writes(relay: Relay, key: str) -> str:
    """Give the key of the command that writes: for an order, its only line's."""
    record = await relay.ledger.find(key)
    assert record is not None
    if record.kind != "order.receive":
        return key
    await relay.until(key, State.WAITING, *(state for state in State if state.is_final))
    record = await relay.ledger.find(key)
    assert record is not None
    return record.children[0]


def effects(sandbox: PartsBoxSandbox) -> int:
    return len(sandbox.journal.own_effects())


# the outcome is lost

LOST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("accept_then_drop", {}),
    ("accept_then_drop", {"reset": True}),
    ("drop_before", {}),
    ("truncated", {}),
    ("missing_category", {}),
    ("garbage", {}),
    ("hang", {"commit": True}),
    ("hang", {"commit": False}),
    ("status", {"status": 500, "commit": True}),
    ("status", {"status": 500, "commit": False}),
    ("status", {"status": 502, "commit": True, "body": "html"}),
    ("status", {"status": 503, "commit": False, "body": "empty"}),
    ("status", {"status": 408, "commit": False}),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fault", "options"), LOST)
async def test_a_lost_answer_ends_applied_exactly_once(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str, fault: str, options: dict[str, Any]
) -> None:
    switch = sandbox.faults.add(fault, OPERATIONS[kind], **options)

    key = await relay.submit(a_command(kind, sandbox))
    record = await relay.until(key)

    assert switch.fired == 1
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.9])
async def test_a_commit_after_the_connection_closed_is_found_not_repeated(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str, share: float
) -> None:
    delay = share * relay.executor.settle_seconds
    switch = sandbox.faults.add("late_commit", OPERATIONS[kind], delay_seconds=delay)

    key = await relay.submit(a_command(kind, sandbox))
    record = await relay.until(key)

    assert switch.fired == 1
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_answer_lost_is_still_one_effect(relay: Relay, sandbox: PartsBoxSandbox, kind: str) -> None:
    sandbox.faults.add("accept_then_drop", OPERATIONS[kind], count=None)

    record = await relay.until(await relay.submit(a_command(kind, sandbox)))

    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


# the look-up itself fails

LOOK_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 429, "retry_after": "zero"}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "body": "html"}),
    ("drop_before", {}),
    ("garbage", {}),
    ("hang", {}),
)


@pytest.mark.parametrize("kind", ["stock.add", "stock.move", "order.receive"])
@pytest.mark.parametrize(("fault", "options"), LOOK_FAULTS)
async def test_a_failed_look_up_does_not_end_doubt(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str, fault: str, options: dict[str, Any]
) -> None:
    lost = sandbox.faults.add("accept_then_drop", OPERATIONS[kind])
    # the first read of the part is the before-image, the next ones are look-ups
    failing = sandbox.faults.add(fault, "part/get", skip=1, count=2, **options)

    record = await relay.until(await relay.submit(a_command(kind, sandbox)))

    assert (lost.fired, failing.fired) == (1, 2)
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


# the vendor says no, or not now

BLOCKS: tuple[tuple[str, dict[str, Any]], ...] = tuple(
    ("status", {"status": 429, "retry_after": form, "retry_after_seconds": 0.2})
    for form in ("absent", "seconds", "zero", "fraction", "http_date", "past_date", "empty", "garbage", "ratelimit")
)


@pytest.mark.parametrize(("fault", "options"), BLOCKS)
async def test_a_429_costs_no_attempt(
    relay: Relay, sandbox: PartsBoxSandbox, fault: str, options: dict[str, Any]
) -> None:
    switch = sandbox.faults.add(fault, "stock/add", **options)

    record = await relay.until(await relay.submit(a_command("stock.add", sandbox)))

    assert switch.fired == 1
    assert (record.state, record.attempts, effects(sandbox)) == (State.APPLIED, 1, 1)
    assert record.waits >= 1


@pytest.mark.parametrize("form", ["huge", "negative"])
async def test_an_absurd_retry_after_does_not_stop_the_vendor_for_ever(
    relay: Relay, sandbox: PartsBoxSandbox, form: str
) -> None:
    sandbox.faults.add("status", "stock/add", status=429, retry_after=form)

    record = await relay.until(await relay.submit(a_command("stock.add", sandbox)))

    assert (record.state, record.attempts, effects(sandbox)) == (State.APPLIED, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
async def test_a_refusal_is_a_dead_letter_with_the_vendors_answer(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str, status: int
) -> None:
    sandbox.faults.add("status", OPERATIONS[kind], status=status)

    key = await relay.submit(a_command(kind, sandbox))
    writer = await the_one_that_writes(relay, key)
    record = await relay.until(writer)

    assert (record.state, record.attempts, effects(sandbox)) == (State.REJECTED, 1, 0)
    assert [letter.key for letter in await relay.ledger.dead_letters()] == [writer]
    assert (await relay.ledger.evidence(writer))[-1]["exchange"]["status"] == status


async def test_a_success_status_with_an_error_category_is_a_refusal(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("error_category", "stock/add", category="conflict")

    record = await relay.until(await relay.submit(a_command("stock.add", sandbox)))

    assert (record.state, effects(sandbox)) == (State.REJECTED, 0)


@pytest.mark.parametrize(
    ("fault", "options"), [("status", {"status": 401}), ("status", {"status": 402}), ("redirect", {})]
)
async def test_a_closed_vendor_is_paused_and_costs_no_attempt(
    relay: Relay, sandbox: PartsBoxSandbox, fault: str, options: dict[str, Any]
) -> None:
    sandbox.faults.add(fault, "stock/add", **options)

    key = await relay.submit(a_command("stock.add", sandbox))
    record = await relay.until(key, State.DELAYED)
    limits = await relay.limiter.snapshot()

    assert (record.attempts, effects(sandbox)) == (0, 0)
    assert limits.paused_until_ms is not None
    await relay.limiter.resume()


async def test_a_refused_repeat_proves_nothing_about_the_first_send(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    """The first send commits beyond the settle time; its repeat is refused for lack of stock."""
    settle = relay.executor.settle_seconds
    everything = sandbox.state.on_hand(PART, SHELF, None)
    sandbox.faults.add("late_commit", "stock/remove", delay_seconds=settle * 1.5)
    held = sandbox.faults.add("gate", "stock/remove", skip=1, gate="repeat")
    command = RemoveStock(part_id=PART, storage_id=SHELF, quantity=everything, stock_timestamp=next(_ticks))

    key = await relay.submit(command)
    await sandbox.gates["repeat"].until_arrived(1)
    await sandbox.journal.until_effects(1)
    sandbox.gates["repeat"].open()
    record = await relay.until(key)

    assert held.fired == 1
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


# markers, and other people


@pytest.mark.parametrize("kind", MARKED)
async def test_a_confirmed_write_whose_comment_was_dropped_is_applied(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str
) -> None:
    sandbox.faults.add("comment_stripped", OPERATIONS[kind])

    record = await relay.until(await relay.submit(a_command(kind, sandbox)))

    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


@pytest.mark.parametrize("kind", MARKED)
async def test_a_lost_answer_whose_comment_was_dropped_is_held_never_repeated(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str
) -> None:
    sandbox.faults.add("comment_stripped", OPERATIONS[kind])
    sandbox.faults.add("accept_then_drop", OPERATIONS[kind])

    key = await relay.submit(a_command(kind, sandbox))
    record = await relay.until(await the_one_that_writes(relay, key))

    assert (record.state, effects(sandbox)) == (State.HELD, 1)


async def test_a_move_with_one_marked_leg_is_held(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("marker_lost_on_one_leg", "stock/move")
    sandbox.faults.add("accept_then_drop", "stock/move")

    record = await relay.until(await relay.submit(a_command("stock.move", sandbox)))

    assert (record.state, effects(sandbox)) == (State.HELD, 1)


@pytest.mark.parametrize("kind", ["stock.add", "stock.remove", "stock.move"])
async def test_a_colleagues_equal_entry_is_not_taken_for_ours(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str
) -> None:
    """The colleague writes, ours is dropped before its commit: ours must still be applied."""
    sandbox.faults.add("second_writer", OPERATIONS[kind], place="before_commit")
    sandbox.faults.add("accept_then_drop", OPERATIONS[kind])

    record = await relay.until(await relay.submit(a_command(kind, sandbox)))

    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


async def test_an_entry_that_may_be_ours_is_held_when_our_user_is_unknown(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    gate = sandbox.faults.add("gate", "stock/add", gate="door")
    sandbox.faults.add("drop_before", "stock/add")
    async with running_relay(redis_client, sandbox, user=None) as relay:
        key = await relay.submit(a_command("stock.add", sandbox))
        await sandbox.gates["door"].until_arrived(1)
        sandbox.load.stock(PART, SHELF, 5)
        sandbox.gates["door"].open()
        record = await relay.until(key)

    assert gate.fired == 1
    assert (record.state, effects(sandbox)) == (State.HELD, 0)


async def test_a_vendor_that_books_twice_is_noticed(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("duplicate_commit", "stock/add")

    record = await relay.until(await relay.submit(a_command("stock.add", sandbox)))

    assert record.state is State.HELD
    assert "more than once" in record.reason


async def test_a_correction_that_someone_else_overwrote_is_held(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("accept_then_drop", "stock/update")
    gate = sandbox.faults.add("gate", "part/get", skip=1, gate="look", count=1)

    key = await relay.submit(a_command("stock.correct", sandbox))
    await sandbox.gates["look"].until_arrived(1)
    sandbox.state.amend(sandbox.state.history[PART][-1], 777)
    sandbox.gates["look"].open()
    record = await relay.until(key)

    assert gate.fired == 1
    assert (record.state, sandbox.state.history[PART][-1].quantity) == (State.HELD, 777)


# deliveries and lanes


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_delivery_five_times_at_once_is_one_effect(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str
) -> None:
    command = a_command(kind, sandbox)

    keys = {await relay.submit(command) for _ in range(5)}
    key = keys.pop()
    extra = [await relay.executor.deliver(key) for _ in range(5)]
    record = await relay.until(key)

    assert not keys
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1), extra


async def test_commands_on_one_part_run_one_at_a_time_in_the_order_accepted(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("accept_then_drop", "stock/add", skip=1)
    sandbox.faults.add("drop_before", "stock/add", skip=3)

    keys = [await relay.submit(a_command("stock.add", sandbox)) for _ in range(6)]
    for key in keys:
        await relay.until(key)

    assert [effect.marker for effect in sandbox.journal.own_effects()] == [f"[cmd:{key}]" for key in keys]


async def test_a_held_command_blocks_its_lane_only_and_discarding_it_frees_the_lane(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("comment_stripped", "stock/add")
    sandbox.faults.add("accept_then_drop", "stock/add")
    stuck = await relay.submit(a_command("stock.add", sandbox))
    behind = await relay.submit(a_command("stock.add", sandbox))
    other_part = id_for("part", "R-10K")
    beside = await relay.submit(
        AddStock(part_id=other_part, storage_id=SHELF, quantity=1, stock_timestamp=next(_ticks))
    )

    assert (await relay.until(beside)).state is State.APPLIED
    assert (await relay.until(stuck)).state is State.HELD
    waiting = await relay.ledger.find(behind)
    assert waiting is not None
    assert waiting.state is State.WAITING

    await relay.ledger.discard(stuck, by="anna", reason="seen at the vendor")
    assert (await relay.until(behind)).state is State.APPLIED


async def test_a_replayed_command_that_had_landed_is_not_sent_again(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    sandbox.faults.add("duplicate_commit", "stock/add")
    key = await relay.submit(a_command("stock.add", sandbox))
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
    key = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, stock_timestamp=next(_ticks)))
    record = await relay.until(key)

    assert (record.state, record.done, record.total) == (State.APPLIED, 4, 4)
    assert Counter(len(effect.legs) for effect in sandbox.journal.own_effects()) == {1: 4}
    assert sandbox.state.orders[ORDER]["order/status"] == "received"


async def test_an_order_scanned_twice_is_received_once(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    first = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, stock_timestamp=next(_ticks)))
    second = await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, stock_timestamp=next(_ticks)))

    assert (await relay.until(first)).state is State.APPLIED
    again = await relay.until(second)

    assert (again.state, effects(sandbox)) == (State.REJECTED, 4)
    assert "not ordered" in again.reason


@pytest.mark.parametrize("number", ["SO-3", "SO-unknown"])
async def test_an_order_that_cannot_be_received_is_rejected_with_the_reason(
    relay: Relay, sandbox: PartsBoxSandbox, number: str
) -> None:
    command = ReceiveOrder(order_id=id_for("order", number), storage_id=SHELF, stock_timestamp=next(_ticks))

    record = await relay.until(await relay.submit(command))

    assert (record.state, effects(sandbox)) == (State.REJECTED, 0)
    assert record.reason


async def test_more_than_is_open_on_a_line_is_refused_before_anything_is_sent(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    line = outstanding(sandbox.state, ORDER)[0]
    lines = (LineToReceive(stock_id=line.stock_id or "", quantity=101),)

    record = await relay.until(
        await relay.submit(ReceiveOrder(order_id=ORDER, storage_id=SHELF, lines=lines, stock_timestamp=next(_ticks)))
    )

    assert (record.state, sandbox.journal.requests_of("order/receive")) == (State.REJECTED, [])
    assert record.reason.startswith("quantity: 101 asked, 100 open")
