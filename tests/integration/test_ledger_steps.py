"""The steps of an owner and of a person: what each changes, and that an impossible one changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tasks.errors import LeaseLostError, TransitionRefusedError, UnknownCommandError
from tasks.ledger import Ledger
from tasks.records import State, Verdict
from tests.integration.ledger_harness import (
    LEASE_SECONDS,
    LONG_SECONDS,
    PREFIX,
    VENDOR,
    Desk,
    child_of,
    command,
    dump,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis


# what only the owner may do

OWNER_STEPS: dict[str, Callable[[Ledger, str, str], Awaitable[Any]]] = {
    "intent": lambda ledger, key, owner: ledger.intent(key, owner, {}),
    "settle": lambda ledger, key, owner: ledger.settle(key, owner, State.APPLIED),
    "doubt": lambda ledger, key, owner: ledger.doubt(key, owner, 0, reason="cut"),
    "delay": lambda ledger, key, owner: ledger.delay(key, owner, 0, spent=True, reason="no connection"),
    "absent": lambda ledger, key, owner: ledger.absent(key, owner),
    "hand_back": lambda ledger, key, owner: ledger.hand_back(key, owner),
    "expand": lambda ledger, key, owner: ledger.expand(key, owner, [child_of("part:a", "part:z")]),
}
PEOPLE_STEPS: dict[str, Callable[[Ledger, str], Awaitable[Any]]] = {
    "cancel": lambda ledger, key: ledger.cancel(key, "anna"),
    "replay": lambda ledger, key: ledger.replay(key, "anna"),
    "discard": lambda ledger, key: ledger.discard(key, "anna", "why"),
}


@pytest.mark.parametrize("name", OWNER_STEPS)
@pytest.mark.parametrize("in_doubt", [False, True])
async def test_the_old_owner_is_refused_once_another_recovered_the_command(
    desk: Desk, name: str, *, in_doubt: bool
) -> None:
    key = await desk.admit("part:a")
    if in_doubt:
        await desk.in_doubt(key)
    old = await desk.claimed(key)
    await desk.end_lease(key)
    await desk.ledger.promote()
    await refused(desk, LeaseLostError, lambda: OWNER_STEPS[name](desk.ledger, key, old))
    await desk.claimed(key)
    await refused(desk, LeaseLostError, lambda: OWNER_STEPS[name](desk.ledger, key, old))


@pytest.mark.parametrize("name", OWNER_STEPS)
@pytest.mark.parametrize("state", ["ready", "waiting", "delayed", "applied", "rejected", "held", "cancelled"])
async def test_a_step_of_an_owner_needs_a_claimed_command(desk: Desk, name: str, state: str) -> None:
    key = await desk.admit("part:a")
    await bring_to(desk, key, state)
    await refused(desk, LeaseLostError, lambda: OWNER_STEPS[name](desk.ledger, key, "nobody"))


async def bring_to(desk: Desk, key: str, state: str) -> None:
    match state:
        case "waiting":
            first = await desk.claimed(key)
            await desk.ledger.expand(key, first, [child_of("part:a", "part:z")])
        case "delayed":
            await desk.ledger.delay(key, await desk.claimed(key), LONG_SECONDS, spent=True, reason="no connection")
        case "cancelled":
            await desk.ledger.cancel(key, "anna")
        case "in_doubt":
            await desk.in_doubt(key)
        case "sending":
            await desk.claimed(key)
        case "discarded":
            await desk.finish(key, State.REJECTED)
            await desk.ledger.discard(key, "anna", "why")
        case "ready":
            pass
        case _:
            await desk.finish(key, State(state))


@pytest.mark.parametrize(
    ("name", "state"),
    [
        *(("cancel", state) for state in ("sending", "in_doubt", "applied", "rejected", "held", "cancelled")),
        ("cancel", "waiting"),  # an expanded parent: its children are cancelled one by one
        *(
            (name, state)
            for name in ("replay", "discard")
            for state in (
                "ready",
                "waiting",
                "delayed",
                "sending",
                "in_doubt",
                "applied",
                "cancelled",
                "discarded",
            )
        ),
    ],
)
async def test_a_person_cannot_do_what_the_state_forbids(desk: Desk, name: str, state: str) -> None:
    key = await desk.admit("part:a")
    await bring_to(desk, key, state)
    await refused(desk, TransitionRefusedError, lambda: PEOPLE_STEPS[name](desk.ledger, key))


@pytest.mark.parametrize("name", [*OWNER_STEPS, *PEOPLE_STEPS])
async def test_an_unknown_key_is_refused_everywhere(desk: Desk, name: str) -> None:
    async def step() -> None:
        if name in OWNER_STEPS:
            await OWNER_STEPS[name](desk.ledger, "a" * 20, "owner")
        else:
            await PEOPLE_STEPS[name](desk.ledger, "a" * 20)

    await refused(desk, UnknownCommandError, step)


async def test_what_is_impossible_for_the_owner_changes_nothing(desk: Desk) -> None:
    sending, doubtful = await desk.admit("part:a"), await desk.admit("part:b")
    owner = await desk.sent(sending)
    await refused(desk, LeaseLostError, lambda: desk.ledger.absent(sending, owner))
    await refused(desk, LeaseLostError, lambda: desk.ledger.hand_back(sending, owner))
    await desk.in_doubt(doubtful)
    looker = await desk.claimed(doubtful)
    await refused(desk, LeaseLostError, lambda: desk.ledger.intent(doubtful, looker, {}))
    await refused(desk, LeaseLostError, lambda: desk.ledger.delay(doubtful, looker, 0, spent=True, reason="x"))
    await refused(desk, LeaseLostError, lambda: desk.ledger.settle(doubtful, looker, State.CANCELLED))
    await refused(desk, LeaseLostError, lambda: desk.ledger.settle(doubtful, looker, State.WAITING))


async def test_no_intent_is_written_after_the_lease_ended(desk: Desk) -> None:
    key = await desk.admit("part:a")
    owner = await desk.claimed(key)
    await desk.end_lease(key)
    await refused(desk, LeaseLostError, lambda: desk.ledger.intent(key, owner, {}))


async def test_a_renewed_lease_is_not_recovered(desk: Desk) -> None:
    key, gone = await desk.admit("part:a"), await desk.admit("part:b")
    owner, old = await desk.claimed(key), await desk.claimed(gone)
    for name in (key, gone):
        await desk.end_lease(name)
    assert (await desk.claim(gone))[1].verdict is Verdict.FRESH
    assert await desk.ledger.renew({key: owner, gone: old}, LEASE_SECONDS) == {gone}
    assert (await desk.ledger.promote()).recovered == 0
    await desk.ledger.settle(key, owner, State.APPLIED)


async def test_nothing_to_renew_is_no_error(desk: Desk) -> None:
    assert await desk.ledger.renew({}, LEASE_SECONDS) == frozenset()


# a repeated step


@pytest.mark.parametrize("name", ["settle", "doubt", "delay", "absent", "hand_back", "expand"])
async def test_a_step_whose_answer_was_lost_may_be_repeated_and_counts_once(desk: Desk, name: str) -> None:
    key = await desk.admit("part:a")
    if name == "absent":
        await desk.in_doubt(key)
    owner = await desk.claimed(key)
    await OWNER_STEPS[name](desk.ledger, key, owner)
    before = await dump(desk.redis)
    await OWNER_STEPS[name](desk.ledger, key, owner)
    assert await dump(desk.redis) == before
    other = "settle" if name != "settle" else "delay"
    await refused(desk, LeaseLostError, lambda: OWNER_STEPS[other](desk.ledger, key, owner))


async def test_a_command_from_its_claim_to_its_end_costs_the_server_few_calls(desk: Desk) -> None:
    key, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.redis.config_resetstat()

    owner = await desk.sent(key)
    await desk.ledger.settle(key, owner, State.APPLIED, receipt={"proof": "marker"}, evidence={"what": "applied"})

    found = await desk.redis.info("commandstats")
    assert sum(one["calls"] for name, one in found.items() if not name.startswith("cmdstat_config")) <= 42
    assert await desk.state(behind) is State.READY


# intent, settle, doubt, delay


async def test_the_intent_keeps_the_image_and_counts_an_attempt(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.sent(key)
    record = await desk.ledger.find(key)
    assert record is not None
    assert (record.attempts, record.image) == (1, {"timestamps": [1]})


async def test_applied_keeps_receipt_and_evidence_and_expires(desk: Desk) -> None:
    key = await desk.admit("part:a")
    owner = await desk.sent(key)
    await desk.ledger.settle(
        key, owner, State.APPLIED, reason="found", receipt={"proof": "marker"}, evidence={"what": "applied", "list": []}
    )
    record = await desk.ledger.find(key)
    assert record is not None
    assert (record.state, record.receipt, record.reason, record.image) == (
        State.APPLIED,
        {"proof": "marker"},
        "found",
        None,
    )
    (entry,) = await desk.ledger.evidence(key)
    assert entry == {"what": "applied", "list": [], "at_ms": record.updated_ms}
    month_seconds = 30 * 86_400
    for name in ("cmd:", "evidence:"):
        assert month_seconds - 60 < await desk.redis.ttl(PREFIX + name + key) <= month_seconds


async def test_the_retention_is_a_setting_and_forgets_for_good(redis_client: Redis) -> None:
    desk = Desk(redis_client, Ledger(redis_client, VENDOR, retention_days=1 / 86_400))
    new = command("part:a")
    await desk.ledger.admit([new])
    await desk.finish(new.key, State.APPLIED)
    async with asyncio.timeout(60):
        while await desk.ledger.find(new.key) is not None:  # noqa: ASYNC110  the server's own clock is waited for
            await asyncio.sleep(0.05)
    assert await desk.lane("part:a") == []
    (again,) = await desk.ledger.admit([new])
    assert again.fresh


async def test_dead_letters_do_not_expire_before_a_person_decided(desk: Desk) -> None:
    rejected, held = await desk.admit("part:a"), await desk.admit("part:b")
    await desk.finish(rejected, State.REJECTED)
    await desk.finish(held, State.HELD)
    assert [await desk.redis.ttl(PREFIX + "cmd:" + key) for key in (rejected, held)] == [-1, -1]
    assert {record.key for record in await desk.ledger.dead_letters()} == {rejected, held}
    for key in (rejected, held):
        await desk.ledger.discard(key, "anna", "counted by hand")
        assert await desk.redis.ttl(PREFIX + "cmd:" + key) > 0
    assert await desk.ledger.dead_letters() == []


async def test_a_pause_costs_no_attempt_and_a_failure_does(desk: Desk) -> None:
    key = await desk.admit("part:a")
    steps = [
        # intent written first?, spent, attempts and waits afterwards
        (True, False, 0, 1),
        (False, False, 0, 2),
        (True, True, 1, 2),
        (False, True, 2, 2),
    ]
    for with_intent, spent, attempts, waits in steps:
        owner = await (desk.sent(key) if with_intent else desk.claimed(key))
        await desk.ledger.delay(key, owner, 0, spent=spent, reason="429")
        record = await desk.ledger.find(key)
        assert record is not None
        assert (record.attempts, record.waits) == (attempts, waits)
        await desk.come_due(key)


async def test_doubt_counts_looks_and_failed_looks_from_its_beginning(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.in_doubt(key)
    first = await desk.ledger.find(key)
    for failed in (False, True, True):
        owner = await desk.claimed(key)
        await desk.ledger.doubt(key, owner, 0, reason="not there yet", failed=failed)
    record = await desk.ledger.find(key)
    assert first is not None
    assert record is not None
    assert (record.looks, record.failed_looks, record.doubted) == (3, 2, True)
    assert record.doubt_ms == first.doubt_ms
    await desk.ledger.absent(key, await desk.claimed(key))
    await desk.ledger.doubt(key, await desk.sent(key), 0, reason="cut", refusal={"reason": "not ordered"})
    again = await desk.ledger.find(key)
    assert again is not None
    assert (again.looks, again.failed_looks, again.attempts) == (0, 0, 2)
    assert again.refusal == {"reason": "not ordered"}


async def test_absence_makes_ready_in_place_and_keeps_that_it_was_doubted(desk: Desk) -> None:
    key, behind = await desk.admit("part:a"), await desk.admit("part:a")
    await desk.in_doubt(key)
    await desk.take_hints()
    await desk.ledger.absent(key, await desk.claimed(key))
    assert (await desk.state(key), await desk.state(behind)) == (State.READY, State.WAITING)
    assert await desk.hints() == [key]
    _, claim = await desk.claim(key)
    assert claim.record is not None
    assert (claim.record.doubted, claim.record.doubt_ms) == (True, None)


async def test_a_stopping_worker_gives_a_look_up_back_at_once(desk: Desk) -> None:
    key = await desk.admit("part:a")
    await desk.in_doubt(key)
    await desk.ledger.hand_back(key, await desk.claimed(key))
    await desk.take_hints()
    assert (await desk.ledger.promote()).hinted == 1
    assert await desk.hints() == [key]
    assert (await desk.claim(key))[1].verdict is Verdict.IN_DOUBT
