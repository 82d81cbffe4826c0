"""Answers that never came: a write whose outcome is unknown is looked up, and repeated only when it is absent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tasks.records import State
from tasks.stock import RemoveStock
from tests.chaos.batch import KINDS, MARKED, OPERATIONS, SHELF, STOCK, WRITING, Batch
from tests.chaos.books import eventually
from tests.chaos.desk import Desk
from tests.relay import running_relay

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.sandbox.partsbox import PartsBoxSandbox

pytestmark = pytest.mark.slow

#: Long enough for 0.9 of it and 0.1 of it to be told apart on a busy machine.
LATE_SETTLE_SECONDS = 2.5


@pytest.mark.parametrize("fault", ["accept_then_drop", "drop_before"])
@pytest.mark.parametrize("reset", [False, True])
async def test_only_a_lost_write_is_sent_again(desk: Desk, fault: str, *, reset: bool) -> None:
    batch = Batch("lost", WRITING)
    for kind, operation in OPERATIONS.items():
        desk.sandbox.faults.add(fault, operation, match=batch.mark(kind), reset=reset)

    keys = await desk.submit_batch(batch)

    await desk.assert_each_once_in_order(batch, keys)
    sent = {kind: len(desk.requests(operation, batch.part(kind))) for kind, operation in OPERATIONS.items()}
    lost = 0 if fault == "accept_then_drop" else 1
    behind = {kind: int(batch.operations(kind)[0] == batch.operations(kind)[1]) for kind in WRITING}
    assert sent == {kind: 1 + lost + behind[kind] for kind in WRITING}


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
async def test_a_commit_within_the_settle_time_is_waited_for(
    redis_client: Redis, sandbox: PartsBoxSandbox, share: float
) -> None:
    batch = Batch("late", WRITING)
    for kind, operation in OPERATIONS.items():
        delay = share * LATE_SETTLE_SECONDS
        sandbox.faults.add("late_commit", operation, match=batch.mark(kind), delay_seconds=delay)

    async with running_relay(redis_client, sandbox, settle_seconds=LATE_SETTLE_SECONDS) as relay:
        desk = Desk(redis_client, relay, sandbox)
        keys = await desk.submit_batch(batch)

        await desk.assert_each_once_in_order(batch, keys)


async def test_a_command_delivered_five_times_at_once_is_applied_once(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    batch = Batch("five")
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(running_relay(redis_client, sandbox)) for _ in range(5)]
        desk = Desk(redis_client, relays[0], sandbox)
        keys = await desk.submit_batch(batch)

        async def deliver_by_all(*commands: str) -> None:
            await asyncio.gather(*(relay.executor.deliver(key) for key in commands for relay in relays))

        await deliver_by_all(*(first for first, _ in keys.values()))
        await deliver_by_all(*[child for first, _ in keys.values() for child in await desk.writers(first)])
        await deliver_by_all(*(behind for _, behind in keys.values()))

        await desk.assert_each_once_in_order(batch, keys)


@pytest.mark.parametrize("lost", ["accept_then_drop", "drop_before"])
@pytest.mark.parametrize(
    ("fault", "options"),
    [("status", {"status": 429, "retry_after": "seconds"}), ("status", {"status": 500}), ("hang", {})],
    ids=["429", "500", "timeout"],
)
async def test_doubt_outlives_failed_look_ups(desk: Desk, lost: str, fault: str, options: dict[str, Any]) -> None:
    kinds = ("stock.remove", "order.receive_line")
    batch = Batch("failed-looks", kinds)
    failures = []
    for kind in kinds:
        desk.sandbox.faults.add(lost, OPERATIONS[kind], match=batch.mark(kind))
        # the first read is the before-image
        look = desk.sandbox.faults.add(fault, "part/get", match=batch.part(kind), skip=1, count=2, **options)
        failures.append(look)

    keys = await desk.submit_batch(batch)

    await desk.assert_each_once_in_order(batch, keys)
    assert [failure.fired for failure in failures] == [2, 2]
    for kind in kinds:
        reads = [read for read in desk.requests("part/get", batch.part(kind)) if read.faults]
        repeats = [write.seq for write in desk.requests(OPERATIONS[kind], batch.part(kind))[1:]]
        assert all(seq > reads[-1].seq for seq in repeats)


@pytest.mark.parametrize("stuck", ["at the vendor", "in doubt", "held"])
async def test_a_stuck_lane_stops_nobody_else(redis_client: Redis, sandbox: PartsBoxSandbox, stuck: str) -> None:
    # long timeouts: what stands at the gate is only slow
    async with running_relay(redis_client, sandbox, timeout_seconds=30) as relay:
        await _stop_one_lane(Desk(redis_client, relay, sandbox), stuck)


async def _stop_one_lane(desk: Desk, stuck: str) -> None:
    blocked, free = Batch("stuck", ["stock.add"]), Batch("free")
    match stuck:
        case "at the vendor":
            desk.sandbox.faults.add("gate", "stock/add", match=blocked.part("stock.add"), gate="stuck")
        case "in doubt":
            desk.sandbox.faults.add("accept_then_drop", "stock/add", match=blocked.part("stock.add"))
            desk.sandbox.faults.add(
                "gate", "part/get", match=blocked.part("stock.add"), gate="stuck", skip=1, count=None
            )
        case "held":
            desk.sandbox.faults.add("comment_stripped", "stock/add", match=blocked.part("stock.add"))
            desk.sandbox.faults.add("accept_then_drop", "stock/add", match=blocked.part("stock.add"))
    first, behind = (await desk.submit_batch(blocked))["stock.add"]
    await (desk.until_state(State.HELD, first) if stuck == "held" else desk.until_at_gate("stuck"))

    others = await desk.submit_batch(free)
    await desk.until_state(State.APPLIED, *(key for pair in others.values() for key in pair))

    assert await desk.state(behind) is State.WAITING
    assert not (await desk.state(first)).is_final or stuck == "held"
    desk.sandbox.gates["stuck"].open()
    if stuck == "held":
        await desk.ledger.discard(first, "a person", "seen at the vendor")
        await desk.until_state(State.APPLIED, behind)
        assert len(desk.effects(blocked.part("stock.add"))) == 2
    else:
        await desk.assert_each_once_in_order(blocked, {"stock.add": (first, behind)})


def _remove_all(batch: Batch) -> RemoveStock:
    command = batch.command("stock.remove")
    assert isinstance(command, RemoveStock)
    return command.model_copy(update={"quantity": STOCK})


async def test_a_repeat_that_is_refused_because_the_first_one_landed_ends_applied(desk: Desk) -> None:
    batch = Batch("refused-landed", ["stock.remove"])
    desk.load(batch.fixture())
    # the first commits only when the settle time is long over: the repeat finds no stock left
    for gate in ("first", "second"):
        desk.sandbox.faults.add("gate", "stock/remove", gate=gate)
    key = await desk.submit(_remove_all(batch))

    await desk.until_at_gate("second")
    desk.sandbox.gates["first"].open()
    await desk.sandbox.journal.until_effects(1)
    desk.sandbox.gates["second"].open()

    await desk.until_state(State.APPLIED, key)
    assert len(desk.effects(batch.part("stock.remove"))) == 1
    assert len(desk.requests("stock/remove", batch.part("stock.remove"))) == 2
    await desk.assert_at_rest()


async def test_a_commit_beyond_the_settle_time_is_noticed_and_held(desk: Desk) -> None:
    batch = Batch("beyond", ["stock.add"])
    for gate in ("first", "second"):
        desk.sandbox.faults.add("gate", "stock/add", gate=gate)
    first, behind = (await desk.submit_batch(batch))["stock.add"]

    await desk.until_at_gate("second")
    desk.sandbox.gates["first"].open()
    await desk.sandbox.journal.until_effects(1)
    desk.sandbox.gates["second"].open()

    await desk.until_state(State.HELD, first)
    assert "more than once" in (await desk.record(first)).reason
    assert await desk.state(behind) is State.WAITING


async def test_a_repeat_that_is_refused_for_good_ends_rejected_with_the_vendors_words(desk: Desk) -> None:
    batch = Batch("refused", ["stock.remove"])
    desk.load(batch.fixture())
    part_id = batch.part("stock.remove")
    desk.sandbox.faults.add("drop_before", "stock/remove")
    desk.sandbox.faults.add("gate", "part/get", match=part_id, skip=1, gate="look")
    key = await desk.submit(_remove_all(batch))

    await desk.until_at_gate("look")
    _colleague_removes(desk, part_id)
    desk.sandbox.gates["look"].open()

    await desk.until_state(State.REJECTED, key)
    assert desk.effects(part_id) == []
    assert "stock" in (await desk.record(key)).reason
    await desk.assert_at_rest()


def _colleague_removes(desk: Desk, part_id: str, quantity: int = 1) -> None:
    source = {"source/part-id": part_id, "source/storage-id": SHELF}
    desk.colleague_writes("stock/remove", {"stock/source": source, "stock/quantity": quantity})


@pytest.mark.parametrize("kind", MARKED)
async def test_our_entry_without_its_marker_is_held_and_never_sent_again(desk: Desk, kind: str) -> None:
    batch = Batch("stripped", [kind])
    for fault in ("comment_stripped", "accept_then_drop"):
        desk.sandbox.faults.add(fault, OPERATIONS[kind], match=batch.mark(kind))

    first, behind = (await desk.submit_batch(batch))[kind]
    held = await _until_held(desk, first)

    assert "without a marker" in (await desk.record(held)).reason
    assert len(desk.effects(batch.part(kind))) == 1
    assert await desk.state(behind) is State.WAITING


async def _until_held(desk: Desk, key: str) -> str:
    """Wait until the command, or what it became, is held; returns which."""

    async def found() -> bool:
        return [await desk.state(writer) for writer in await desk.writers(key)] == [State.HELD]

    await eventually(found, "it is held")
    return (await desk.writers(key))[0]


async def test_a_confirmed_write_without_its_marker_is_applied(desk: Desk) -> None:
    batch = Batch("stripped-confirmed", MARKED)
    for kind in MARKED:
        desk.sandbox.faults.add("comment_stripped", OPERATIONS[kind], match=batch.mark(kind))

    keys = await desk.submit_batch(batch)

    await desk.assert_each_once_in_order(batch, keys)


@pytest.mark.parametrize("kind", MARKED)
async def test_a_colleagues_equal_entry_is_not_mistaken_for_ours(desk: Desk, kind: str) -> None:
    batch = Batch("colleague", [kind])
    desk.sandbox.faults.add("second_writer", OPERATIONS[kind], match=batch.mark(kind), place="before_commit")
    desk.sandbox.faults.add("accept_then_drop", OPERATIONS[kind], match=batch.mark(kind))

    keys = await desk.submit_batch(batch)

    await desk.assert_each_once_in_order(batch, keys)


async def test_an_equal_entry_of_nobody_known_is_held_until_a_person_replays_it(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    batch = Batch("nobody", ["stock.remove"])
    part_id = batch.part("stock.remove")
    async with running_relay(redis_client, sandbox, user=None) as relay:
        desk = Desk(redis_client, relay, sandbox)
        sandbox.faults.add("drop_before", "stock/remove")
        sandbox.faults.add("gate", "part/get", match=part_id, skip=1, gate="look")
        keys = await desk.submit_batch(batch)
        first, behind = keys["stock.remove"]

        await desk.until_at_gate("look")
        _colleague_removes(desk, part_id, quantity=40)
        sandbox.gates["look"].open()
        await desk.until_state(State.HELD, first)
        assert await desk.state(behind) is State.WAITING
        assert desk.effects(part_id) == []
        await desk.ledger.replay(first, "a person")

        await desk.assert_each_once_in_order(batch, keys)


async def test_a_discarded_command_frees_its_lane(desk: Desk) -> None:
    batch = Batch("discarded", KINDS)
    for kind in WRITING:
        for fault in ("comment_stripped", "accept_then_drop"):
            desk.sandbox.faults.add(fault, OPERATIONS[kind], match=batch.mark(kind))
    keys = await desk.submit_batch(batch)

    for kind in MARKED:
        held = await _until_held(desk, keys[kind][0])
        await desk.ledger.discard(held, "a person", "seen at the vendor")

    await desk.until_state(State.APPLIED, *(behind for _, behind in keys.values()))
    assert {kind: len(desk.effects(batch.part(kind))) for kind in KINDS} == dict.fromkeys(KINDS, 2)
    await desk.assert_at_rest()
