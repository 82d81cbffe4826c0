"""Reads that fail: before the write, to prove it, and to find out what became of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tasks.effects import Effect
from tasks.lookup import Proof
from tasks.records import State
from tests.conformance.catalogue import CASES
from tests.conformance.rounds import HANGING_SECONDS, TIMEOUT_SECONDS, opened, reopening
from tests.relay import consuming

if TYPE_CHECKING:
    from tests.conformance.catalogue import Case
    from tests.conformance.rounds import Rounds, Seen

#: Cases that read, by themselves, what only they are about.
READERS = [case for case in CASES.values() if case.read is not None and case.kind == case.writer]
#: Those that write a whole record look only when its outcome is unclear.
BEFORE = [case for case in READERS if case.effect is not Effect.UPSERT]
#: Those have rounds of their own: their looks would share requests with the others' first reads.
WHOLE = [case for case in READERS if case.effect is Effect.UPSERT]
#: At Partium the answer names what was done: it is not read back.
PROVED = [case for case in BEFORE if case.vendor != "partium"]

FAILURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("garbage", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "body": "html", "retry_after": "fraction", "retry_after_seconds": 0.05}),
    ("status", {"status": 429, "retry_after": "zero"}),
    ("status", {"status": 402}),
    ("hang", {}),
)
IDS = [f"{kind}-{options.get('status', '')}" for kind, options in FAILURES]
#: Where they are all alike: one without an answer, one with a status, one that closes the vendor.
SOME = (0, 2, 5)
LOOKS = [
    pytest.param(number, case, id=f"{IDS[number]}-{case}")
    for number in range(len(FAILURES))
    for case in (*BEFORE, *(WHOLE if number in SOME else ()))
]
#: The vendor takes nothing from anybody now: no attempt is spent on it.
CLOSED = (429, 503, 402)


async def failing(number: int, cases: list[Case], place: str, redis_url: str) -> dict[str, Seen | Exception]:
    """Let reads of each case fail: the one before its write, the one that proves it, or two looks behind a lost one."""
    kind, options = FAILURES[number]
    seconds = HANGING_SECONDS if kind == "hang" else TIMEOUT_SECONDS
    async with opened(redis_url, cases, timeout_seconds=seconds) as played:
        switches = {}
        for case in cases:
            scene = played.scenes[case]
            skip = 0 if place == "before" or case.effect is Effect.UPSERT else 1
            count = 2 if place == "look" else 1
            if place == "look":
                played.switch(case, "accept_then_drop")
            switches[case] = played.vendors.of(case.vendor).faults.add(
                kind, case.read or "", match=scene.read_about or scene.about, skip=skip, count=count, **options
            )
            await played.admit(case)
        async with consuming(played.relay), reopening(played.relay):
            return await played.endings(switches)


async def end_of(rounds: Rounds, place: str, number: int, cases: list[Case], case: Case) -> Seen:
    play = partial(failing, number, cases, place)
    return await rounds.seen(f"{place} {IDS[number]} {len(cases)}", play, case)


@pytest.mark.parametrize("number", range(len(FAILURES)), ids=IDS)
@pytest.mark.parametrize("case", BEFORE, ids=str)
async def test_a_read_that_fails_before_the_write_sends_nothing(rounds: Rounds, number: int, case: Case) -> None:
    seen = await end_of(rounds, "before", number, BEFORE, case)

    spent = 1 if FAILURES[number][1].get("status") in CLOSED else 2
    assert seen.fired == 1
    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 1, spent), str(seen)
    assert (seen.found, seen.record.doubted) == (seen.wanted, False)


@pytest.mark.parametrize("number", SOME, ids=[IDS[number] for number in SOME])
@pytest.mark.parametrize("case", PROVED, ids=str)
async def test_a_proof_that_fails_leaves_a_confirmed_write_applied(rounds: Rounds, number: int, case: Case) -> None:
    seen = await end_of(rounds, "proof", number, PROVED, case)

    assert seen.fired == 1
    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 1, 1), str(seen)
    assert seen.found == seen.wanted
    assert seen.record.receipt is not None
    assert seen.record.receipt["proof"] == Proof.ANSWER.value


@pytest.mark.parametrize(("number", "case"), LOOKS)
async def test_a_look_that_fails_does_not_end_the_doubt(rounds: Rounds, number: int, case: Case) -> None:
    seen = await end_of(rounds, "look", number, WHOLE if case in WHOLE else BEFORE, case)

    assert seen.fired == 2
    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 1, 1), str(seen)
    assert (seen.found, seen.record.doubted) == (seen.wanted, True)
