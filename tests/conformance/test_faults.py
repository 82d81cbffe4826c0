"""What a fault does besides its command's end: when a look is made, whether a vendor is paused, who waits behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.records import State
from tasks.stock import RemoveStock
from tests.conformance.catalogue import CASES
from tests.conformance.catalogue.case import event
from tests.conformance.rounds import opened
from tests.conformance.warehouse import PART, SHELF, an_addition, effects
from tests.relay import consuming, running_relay
from workers.limits import Rate
from workers.retries import Budgets

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey
    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox

#: One for each vendor that is written to.
ONE_EACH = [CASES[name] for name in ("stock.add", "catalog.upsert_part", "bom.set_property")]

# a late commit: the looks come at growing gaps, and only the last one may call a write absent


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.8])
async def test_a_commit_within_the_settle_time_is_found_not_repeated(
    redis_client: Redis, sandbox: PartsBoxSandbox, share: float
) -> None:
    async with running_relay(redis_client, sandbox, settle_seconds=1.2) as relay:
        sandbox.faults.add("late_commit", "stock/add", delay_seconds=share * 1.2)
        record = await relay.until(await relay.submit(an_addition()))

    assert (record.state, record.attempts, effects(sandbox)) == (State.APPLIED, 1, 1)


async def test_a_refused_repeat_proves_nothing_about_the_first_send(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    """The first send commits beyond the settle time; its repeat is refused for lack of stock."""
    everything = sandbox.state.on_hand(PART, SHELF, None)
    # a request meets one gate at most, the first with a count left: the first send this one, its repeat the other
    sandbox.faults.add("gate", "stock/remove", gate="first")
    sandbox.faults.add("gate", "stock/remove", gate="repeat")

    key = await relay.submit(RemoveStock(part_id=PART, storage_id=SHELF, quantity=everything, **event()))
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
        stuck = await relay.submit(an_addition())
        behind = await relay.submit(an_addition())

        assert (await relay.until(stuck)).state is State.REJECTED
        assert (await relay.until(behind)).state is State.APPLIED
    assert effects(sandbox) == 1


# a vendor that takes nothing now

FORMS = ("absent", "seconds", "zero", "fraction", "http_date", "past_date", "empty", "garbage", "ratelimit", "huge")


@pytest.mark.parametrize("form", [*FORMS, "negative"])
async def test_every_form_of_retry_after_is_waited_for_and_costs_no_attempt(
    valkey_server: SharedValkey, form: str
) -> None:
    """An absurd one does not stop the vendor for ever either."""
    async with opened(valkey_server.url, ONE_EACH) as played:
        switches = {}
        for case in ONE_EACH:
            switches[case] = played.switch(case, "status", status=429, retry_after=form, retry_after_seconds=0.2)
            await played.admit(case)
        async with consuming(played.relay):
            seen = [await played.ended(case, switches[case]) for case in ONE_EACH]

    assert [(one.record.state, one.record.attempts, one.effects, one.fired) for one in seen] == [
        (State.APPLIED, 1, 1, 1)
    ] * len(ONE_EACH)
    assert all(one.record.waits >= 1 for one in seen)


@pytest.mark.parametrize(("kind", "options"), [("status", {"status": 402}), ("redirect", {"status": 301})])
async def test_a_vendor_that_is_closed_to_us_is_paused_until_an_operator_or_a_minute(
    valkey_server: SharedValkey, kind: str, options: dict[str, int]
) -> None:
    async with opened(valkey_server.url, ONE_EACH) as played:
        for case in ONE_EACH:
            played.switch(case, kind, **options)
            await played.admit(case)
        async with consuming(played.relay):
            for case in ONE_EACH:
                record = await played.relay.until(await played.writer(case), State.DELAYED)
                limits = await played.relay.limiter_of(case.vendor).snapshot()

                assert (record.attempts, case.effects(played.vendors, played.scenes[case])) == (0, [])
                assert limits.paused_until_ms is not None
                assert limits.paused_until_ms - record.updated_ms > 50_000
                await played.relay.limiter_of(case.vendor).resume()
                assert (await played.ended(case)).record.state is State.APPLIED


async def test_a_paused_vendor_gets_each_command_back_once_not_again_and_again(
    relay: Relay, sandbox: PartsBoxSandbox
) -> None:
    await relay.limiter.pause(None, "stocktaking")
    keys = [await relay.submit(an_addition(part)) for part in sandbox.state.parts]
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
        keys = [await relay.submit(an_addition(part)) for part in sandbox.state.parts]
        for key in keys:
            record = await relay.until(key)
            assert (record.state, record.waits) == (State.APPLIED, 0)
    hints = [await redis_client.hget(f"sr:{{partsbox}}:cmd:{key}", "hints") for key in keys]
    assert set(hints) == {"1"}
