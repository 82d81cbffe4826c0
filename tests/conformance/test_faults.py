"""Every command under every fault of the vendor ends applied once, rejected, or held: never lost, never doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.records import State
from tasks.stock import AddStock, RemoveStock
from tests.conformance.warehouse import KINDS, OPERATIONS, PART, SHELF, a_command, effects, the_one_that_writes, ticks
from tests.relay import running_relay
from workers.limits import Rate
from workers.retries import Budgets

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox

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
    everything = sandbox.state.on_hand(PART, SHELF, None)
    # a request meets one gate at most, the first with a count left: the first send this one, its repeat the other
    sandbox.faults.add("gate", "stock/remove", gate="first")
    sandbox.faults.add("gate", "stock/remove", gate="repeat")
    command = RemoveStock(part_id=PART, storage_id=SHELF, quantity=everything, stock_timestamp=next(ticks))

    key = await relay.submit(command)
    await sandbox.gates["repeat"].until_arrived(1)
    sandbox.gates["first"].open()
    await sandbox.journal.until_effects(1)
    sandbox.gates["repeat"].open()
    record = await relay.until(key)

    assert [request.outcome for request in sandbox.journal.requests_of("stock/remove")] == ["ok", "conflict"]
    assert (record.state, effects(sandbox)) == (State.APPLIED, 1)


async def test_a_vendor_that_never_takes_a_command_does_not_block_its_lane_for_ever(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("drop_before", "stock/add", count=3)
    async with running_relay(redis_client, sandbox, settle_seconds=0.2, budgets=Budgets(attempts=3)) as relay:
        stuck = await relay.submit(a_command("stock.add", sandbox))
        behind = await relay.submit(a_command("stock.add", sandbox))

        assert (await relay.until(stuck)).state is State.REJECTED
        assert (await relay.until(behind)).state is State.APPLIED
    assert effects(sandbox) == 1


async def test_a_paused_vendor_gets_each_command_back_once_not_again_and_again(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    await relay.limiter.pause(None, "stocktaking")
    keys = [
        await relay.submit(AddStock(part_id=part, storage_id=SHELF, quantity=1, stock_timestamp=next(ticks)))
        for part in sandbox.state.parts
    ]
    for key in keys:
        await relay.until(key, State.DELAYED)

    assert (await relay.ledger.promote(paused=True)).promoted == 0
    await relay.limiter.resume()
    for key in keys:
        record = await relay.until(key)
        assert (record.state, record.waits) == (State.APPLIED, 1)


async def test_a_rate_limited_backlog_does_not_go_round_between_ledger_and_queue(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    async with running_relay(redis_client, sandbox, rates=(Rate(30, 1.0, 1),)) as relay:
        keys = [
            await relay.submit(AddStock(part_id=part, storage_id=SHELF, quantity=1, stock_timestamp=next(ticks)))
            for part in sandbox.state.parts
        ]
        for key in keys:
            record = await relay.until(key)
            assert (record.state, record.waits) == (State.APPLIED, 0)
    hints = [await redis_client.hget(f"sr:{{partsbox}}:cmd:{key}", "hints") for key in keys]
    assert set(hints) == {"1"}
