"""Damaged records: each is held and named, none stops the others, and a person can free its lane."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from tasks import telemetry
from tasks.errors import DamagedRecordError, TransitionRefusedError
from tasks.records import CommandRecord, DamagedRecord, State, Verdict
from tests.integration.ledger_harness import PREFIX, QUEUE, Desk, command, dump

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

#: What is done to the hash, and what the hold says about it. "" as the value takes the field out.
DAMAGE = {
    "state unknown": ("state", "verifying", "field state: unknown: verifying"),
    "state missing": ("state", "", "field state: missing"),
    "kind missing": ("kind", "", "field kind: missing"),
    "digest missing": ("digest", "", "field digest: missing"),
    "lanes not JSON": ("lanes", "part:a", "field lanes: not a list of names"),
    "lanes of numbers": ("lanes", "[1]", "field lanes: not a list of names"),
    "crashes no number": ("crashes", "many", "field crashes: not a number"),
}


@pytest.fixture
def plain(redis_client: Redis) -> Desk:
    """A desk whose ledger is allowed to break its rules: what is damaged cannot keep them all."""
    return Desk.at(redis_client)


async def spoil(desk: Desk, key: str, field: str, value: str) -> None:
    if value:
        await desk.redis.hset(PREFIX + "cmd:" + key, field, value)
    else:
        await desk.redis.hdel(PREFIX + "cmd:" + key, field)


async def ready(desk: Desk, key: str) -> None:
    await desk.age_hint(key)
    await desk.take_hints()


async def delayed(desk: Desk, key: str) -> None:
    await desk.ledger.delay(key, await desk.claimed(key), 0, spent=False, reason="429")


async def sending(desk: Desk, key: str) -> None:
    await desk.claimed(key)
    await desk.end_lease(key)


async def in_doubt(desk: Desk, key: str) -> None:
    await desk.in_doubt(key)


async def reason_of(desk: Desk, key: str) -> str:
    found = await desk.redis.hmget(PREFIX + "cmd:" + key, "state", "reason")
    return " ".join(str(part) for part in found)


def problems(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, Any]]:
    found = [record for record in caplog.records if record.getMessage() == telemetry.RECORD_DAMAGED]
    assert {record.levelno for record in found} <= {logging.ERROR}
    return [(vars(record)["key"], vars(record)["problem"]) for record in found]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("brought", [ready, delayed, sending, in_doubt])
async def test_one_damaged_record_does_not_stop_time_for_the_others(
    plain: Desk,
    damage: tuple[str, str, str],
    brought: Callable[[Desk, str], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damaged, other = await plain.admit("part:a"), await plain.admit("part:b")
    for key in (damaged, other):
        await brought(plain, key)
        await plain.take_hints()
    field, value, said = damage
    await spoil(plain, damaged, field, value)

    await plain.ledger.promote()

    assert await plain.hints() == [other]
    assert (await reason_of(plain, damaged)).startswith(f"held damaged record: {said}")
    assert await plain.index("dead") == [damaged]
    assert [key for key, problem in problems(caplog) if problem.startswith(said)] == [damaged]
    assert await plain.ledger.counts() == {State.HELD: 1, await plain.state(other): 1}
    for index in ("ready", "sending", "delayed", "doubt"):
        assert damaged not in await plain.index(index)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_delivery_of_a_damaged_record_is_not_silent_and_leaves_no_lease(
    plain: Desk, damage: tuple[str, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    key, behind = await plain.admit("part:a"), await plain.admit("part:a")
    field, value, said = damage
    await spoil(plain, key, field, value)

    _, claim = await plain.claim(key)

    assert (claim.verdict, claim.record) == (Verdict.DAMAGED, None)
    assert (await reason_of(plain, key)).startswith(f"held damaged record: {said}")
    ((named, _),) = problems(caplog)
    assert named == key
    assert await plain.index("sending") == []
    assert await plain.state(behind) is State.WAITING

    await plain.ledger.discard(key, "anna", "entered by hand")

    assert await plain.state(behind) is State.READY
    assert await plain.lane("part:a") == [behind]
    assert await plain.index("dead") == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("image", "{", "field image: not a JSON object"),
        ("receipt", "[1]", "field receipt: not a JSON object"),
        ("children", "{", "field children: not a list of names"),
        ("due_ms", "soon", "field due_ms: not a number"),
        ("accepted_ms", "inf", "field accepted_ms: not a number"),
    ],
)
async def test_what_only_the_worker_can_see_is_damaged_is_held_when_it_is_claimed(
    plain: Desk, field: str, value: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = await plain.admit("part:a")
    await spoil(plain, key, field, value)

    _, claim = await plain.claim(key)

    assert claim.verdict is Verdict.DAMAGED
    assert await reason_of(plain, key) == f"held damaged record: {said}"
    assert problems(caplog) == [(key, said)]
    assert await plain.index("sending") == []


@pytest.mark.parametrize(
    "value", [b"\xff", b"a\xc3(", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", "½".encode()[:1]]
)
async def test_bytes_that_no_message_can_carry_are_held_when_they_are_claimed(plain: Desk, value: bytes) -> None:
    key = await plain.admit("part:a")
    await plain.redis.hset(PREFIX + "cmd:" + key, "summary", value)

    assert (await plain.claim(key))[1].verdict is Verdict.DAMAGED
    assert await reason_of(plain, key) == "held damaged record: field summary: not UTF-8"


async def test_text_of_every_length_of_utf8_is_no_damage(plain: Desk) -> None:
    key = await plain.admit("part:a")
    await plain.redis.hset(PREFIX + "cmd:" + key, "summary", "¢ ½ ߿ ࠀ € 한 \ue000 \uffff 𐀀 😀 \U0010ffff")

    assert (await plain.claim(key))[1].verdict is Verdict.FRESH


async def test_a_damaged_record_that_comes_to_the_head_of_its_lane_does_not_undo_the_step_before_it(
    plain: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    head, damaged, last = [await plain.admit("part:a") for _ in range(3)]
    await spoil(plain, damaged, "kind", "")

    await plain.finish(head, State.APPLIED)

    assert await plain.state(head) is State.APPLIED
    assert problems(caplog) == [(damaged, "field kind: missing or not a name")]
    await plain.ledger.discard(damaged, "anna", "entered by hand")
    assert await plain.state(last) is State.READY


@pytest.mark.parametrize("instead", ["nothing", "text"])
async def test_a_command_whose_hash_is_gone_can_be_discarded_and_frees_every_lane(plain: Desk, instead: str) -> None:
    key = await plain.admit("part:a", "order:x")
    behind = [await plain.admit("part:a"), await plain.admit("order:x")]
    await ready(plain, key)
    await plain.redis.delete(PREFIX + "cmd:" + key)
    if instead == "text":
        await plain.redis.set(PREFIX + "cmd:" + key, "something else")

    await plain.ledger.promote()

    assert [letter.key for letter in await plain.ledger.dead_letters()] == [key]
    await plain.ledger.discard(key, "anna", "entered by hand")
    assert [await plain.state(one) for one in behind] == [State.READY, State.READY]
    assert await plain.redis.exists(PREFIX + "damaged:" + key) == (instead == "text")


async def test_a_damaged_dead_letter_is_listed_named_and_never_replayed(plain: Desk) -> None:
    sound, damaged = await plain.admit("part:a"), await plain.admit("part:b")
    for key in (sound, damaged):
        await plain.finish(key, State.REJECTED)
    await spoil(plain, damaged, "kind", "")

    letters = {letter.key: letter for letter in await plain.ledger.dead_letters()}

    assert isinstance(letters[sound], CommandRecord)
    assert isinstance(letters[damaged], DamagedRecord)
    with pytest.raises(DamagedRecordError, match=f"{damaged}: damaged record: field kind: missing"):
        await plain.ledger.find(damaged)
    before = await dump(plain.redis)
    with pytest.raises(TransitionRefusedError):
        await plain.ledger.replay(damaged, "anna")
    assert await dump(plain.redis) == before


async def test_a_second_submission_of_a_damaged_command_is_not_a_fresh_one(plain: Desk) -> None:
    new = command("part:a")
    await plain.ledger.admit([new])
    await spoil(plain, new.key, "digest", "")

    (admission,) = await plain.ledger.admit([new])

    assert (admission.state, admission.fresh, admission.conflict) == (State.HELD, False, False)


async def test_an_idempotency_key_of_a_damaged_command_refuses_its_own_caller_and_no_other(plain: Desk) -> None:
    damaged = replace(command("part:a"), alias="the sender's key")
    await plain.ledger.admit([damaged])
    await spoil(plain, damaged.key, "state", "verifying")
    using_it_again, other = replace(command("part:b"), alias=damaged.alias), command("part:c")

    ((refused,), (admitted,)) = await asyncio.gather(plain.ledger.admit([using_it_again]), plain.ledger.admit([other]))

    assert (refused.key, refused.state, refused.fresh, refused.conflict) == (damaged.key, State.HELD, False, True)
    assert (admitted.fresh, admitted.conflict) == (True, False)
    assert await plain.index("dead") == [damaged.key]


async def test_a_damaged_parent_is_held_and_its_children_end_as_they_should(plain: Desk) -> None:
    parent = await plain.admit("order:x")
    children = [command("order:x", f"part:{name}") for name in "ab"]
    await plain.ledger.expand(parent, await plain.claimed(parent), children)
    await spoil(plain, parent, "kind", "")

    for child in children:
        await plain.finish(child.key, State.APPLIED)

    assert [await plain.state(child.key) for child in children] == [State.APPLIED, State.APPLIED]
    assert (await reason_of(plain, parent)).startswith("held damaged record: field kind")
    await plain.ledger.discard(parent, "anna", "counted")
    assert await plain.state(parent) is State.REJECTED


async def test_a_command_that_sends_without_a_lease_is_held_when_it_is_delivered(plain: Desk) -> None:
    key = await plain.admit("part:a")
    await spoil(plain, key, "state", "sending")
    await plain.redis.zrem(PREFIX + "ready", key)

    _, claim = await plain.claim(key)

    assert claim.verdict is Verdict.DAMAGED
    assert await reason_of(plain, key) == "held damaged record: field lease_ms: missing, but it is sending"


async def test_a_record_damaged_under_its_worker_is_settled_by_it(plain: Desk) -> None:
    key = await plain.admit("part:a")
    owner = await plain.sent(key)
    await spoil(plain, key, "kind", "")

    assert (await plain.claim(key))[1].verdict is Verdict.HELD_BY_OTHER
    await plain.ledger.settle(key, owner, State.APPLIED)

    assert await plain.state(key) is State.APPLIED


async def test_evidence_that_cannot_be_read_is_shown_as_it_is(plain: Desk) -> None:
    key = await plain.admit("part:a")
    await plain.finish(key, State.HELD)
    await plain.redis.rpush(PREFIX + "evidence:" + key, "{", '{"what": "no time"}')

    entries = await plain.ledger.evidence(key)

    assert [(entry["what"], entry["raw"]) for entry in entries] == [
        ("unreadable", "{"),
        ("unreadable", '{"what": "no time"}'),
    ]


async def test_evidence_of_another_type_does_not_keep_a_dead_letter_from_being_discarded(plain: Desk) -> None:
    key = await plain.admit("part:a")
    await plain.finish(key, State.HELD)
    await plain.redis.set(PREFIX + "evidence:" + key, "no list")

    assert await plain.ledger.evidence(key) == []
    await plain.ledger.discard(key, "anna", "counted")

    assert await plain.lane("part:a") == []


async def test_evidence_of_another_type_does_not_keep_the_lane_of_an_applied_command(plain: Desk) -> None:
    key, behind = await plain.admit("part:a"), await plain.admit("part:a")
    owner = await plain.sent(key)
    await plain.redis.set(PREFIX + "evidence:" + key, "no list")

    await plain.ledger.settle(key, owner, State.APPLIED, evidence={"what": "applied"})

    assert (await plain.state(key), await plain.state(behind)) == (State.APPLIED, State.READY)
    assert [entry["what"] for entry in await plain.ledger.evidence(key)] == ["applied"]
    assert await plain.redis.get(PREFIX + "damaged:" + key) == "no list"
    assert await plain.redis.ttl(PREFIX + "damaged:" + key) > 0


async def test_an_attempt_that_cannot_be_counted_is_not_begun(plain: Desk) -> None:
    key = await plain.admit("part:a")
    owner = await plain.claimed(key)
    await spoil(plain, key, "attempts", "many")
    before = await dump(plain.redis)

    with pytest.raises(ResponseError, match="field attempts: not a number"):
        await plain.ledger.intent(key, owner, {})

    assert await dump(plain.redis) == before


async def test_an_unknown_delivery_is_no_damage(plain: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await plain.redis.lpush(QUEUE, json.dumps({}))

    assert (await plain.claim("a" * 20))[1].verdict is Verdict.UNKNOWN
    assert problems(caplog) == []
