"""Deliveries that come several times, break off, or die with their worker: every kind of command takes effect once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tasks.records import State, Verdict
from tasks.registry import task_of
from tasks.submit import to_new_command
from tasks.task import Target
from tests.conformance.catalogue import CASES
from tests.conformance.rounds import HANGING_SECONDS, opened
from tests.relay import consuming

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.ledger import Ledger
    from tasks.lookup import Image
    from tests.conformance.catalogue import Case
    from tests.conformance.rounds import Round, Rounds, Seen
    from workers.executor import Executor

ALL = list(CASES.values())
#: Cases whose command writes by itself.
WRITERS = [case for case in ALL if case.kind == case.writer]

# several deliveries of one command


async def many_deliveries(redis_url: str) -> dict[str, Seen | Exception]:
    """Deliver each command three times more while it runs and twice behind its end, where it is submitted again too."""
    async with opened(redis_url, ALL) as played:
        for case in ALL:
            await played.admit(case)
            played.switch(case, "delay", delay_seconds=0.1)
        async with consuming(played.relay):
            await asyncio.gather(*(deliver(played, case) for case in ALL for _ in range(3)))
            await played.endings()
            behind = [await deliver(played, case) for case in ALL for _ in range(2)]
            again = [await admit_again(played, case) for case in ALL]
            assert set(behind) == {Verdict.SETTLED.value}
            assert not any(again)
            return await played.endings()


async def deliver(played: Round, case: Case) -> str:
    command = played.scenes[case].command
    return await played.relay.executors[command.vendor].deliver(command.key())


async def admit_again(played: Round, case: Case) -> bool:
    """Submit the same event again; tell whether the ledger took it for a new one."""
    command = played.scenes[case].command
    (admission,) = await played.relay.ledger_of(command.vendor).admit([to_new_command(command, command.key(), "again")])
    return admission.fresh


@pytest.mark.parametrize("case", ALL, ids=str)
async def test_many_deliveries_of_a_command_are_one_effect(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("many deliveries", many_deliveries, case)

    assert (seen.record.state, seen.parent) == (State.APPLIED, State.APPLIED), str(seen)
    assert (seen.effects, seen.record.attempts, seen.found) == (1, 1, seen.wanted)
    assert not seen.record.doubted


# a delivery that is broken off


async def broken_off(redis_url: str) -> dict[str, Seen | Exception]:
    """Cancel every delivery while its write is at the vendor, as a worker that must stop at once does."""
    async with opened(redis_url, ALL) as played:
        for case in ALL:
            played.switch(case, "gate", gate=case.name)
            await played.admit(case)
        async with consuming(played.relay):
            gates = [played.vendors.of(case.vendor).gates[case.name] for case in ALL]
            await asyncio.gather(*(gate.until_arrived(1) for gate in gates))
            breaking_off = asyncio.ensure_future(played.relay.cancel())
            await asyncio.sleep(0)
            for gate in gates:
                gate.open()  # at once: the vendor commits within the settle time
            await breaking_off
            return await played.endings()


@pytest.mark.parametrize("case", ALL, ids=str)
async def test_a_delivery_that_is_broken_off_at_the_vendor_is_looked_up(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("broken off", broken_off, case)

    assert (seen.record.state, seen.parent) == (State.APPLIED, State.APPLIED), str(seen)
    assert (seen.effects, seen.record.attempts, seen.found) == (1, 1, seen.wanted)
    assert seen.record.doubted


# a worker that dies

#: Of a worker that lives: it ends by being cut short.
LEASE_SECONDS = 30.0


@dataclass
class LastSending:
    """The sender's side of a write by a worker that dies behind it."""

    key: str
    ledger: Ledger
    image: Image

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        await self.ledger.intent(self.key, "dead", self.image.model_dump(mode="json"))

    def may_leave(self) -> bool:
        return True


async def dead_before_the_intent(redis_url: str) -> dict[str, Seen | Exception]:
    return await with_a_dead_worker(redis_url, ALL, steps=0)


async def dead_behind_the_intent(redis_url: str) -> dict[str, Seen | Exception]:
    return await with_a_dead_worker(redis_url, WRITERS, steps=1)


async def dead_behind_the_write(redis_url: str) -> dict[str, Seen | Exception]:
    return await with_a_dead_worker(redis_url, WRITERS, steps=2)


async def with_a_dead_worker(redis_url: str, cases: list[Case], *, steps: int) -> dict[str, Seen | Exception]:
    # the settle time of a lost worker's request begins when it is surely over
    async with opened(redis_url, cases, timeout_seconds=HANGING_SECONDS) as played:
        for case in cases:
            await die(played, case, steps=steps)  # one by one: a slow machine must not make a request hang
        async with consuming(played.relay):
            return await played.endings()


async def die(played: Round, case: Case, *, steps: int) -> None:
    """Claim a command, make its intent durable, send it: as many of these steps, and never come back."""
    key, command = await played.admit(case), played.scenes[case].command
    executor = played.relay.executors[command.vendor]
    ledger = executor.leases.ledger
    assert (await ledger.claim(key, "dead", LEASE_SECONDS)).record is not None
    if steps > 0:
        await act(executor, command, key, steps)
    await ledger.renew({key: "dead"}, 0.01)


async def act(executor: Executor, command: Command, key: str, steps: int) -> None:
    """Take the steps behind the claim."""
    ledger = executor.leases.ledger
    target = Target(executor.port, key, executor.user)
    before = await task_of(command.kind).before(command, target)
    sending = LastSending(key, ledger, before.image)
    if steps == 1:
        await sending.permitted()
    else:
        await task_of(command.kind).send(command, replace(target, image=before.image), sending)


@pytest.mark.parametrize("case", ALL, ids=str)
async def test_a_worker_that_dies_before_its_intent_costs_nothing(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("dead before the intent", dead_before_the_intent, case)

    assert (seen.record.state, seen.parent) == (State.APPLIED, State.APPLIED), str(seen)
    assert (seen.effects, seen.record.attempts, seen.found) == (1, 1, seen.wanted)
    assert not seen.record.doubted


@pytest.mark.parametrize("case", WRITERS, ids=str)
async def test_a_worker_that_dies_behind_its_intent_is_followed_by_one_that_looks_and_sends(
    rounds: Rounds, case: Case
) -> None:
    seen = await rounds.seen("dead behind the intent", dead_behind_the_intent, case)

    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 1, 2), str(seen)
    assert (seen.found, seen.record.doubted) == (seen.wanted, True)


@pytest.mark.parametrize("case", WRITERS, ids=str)
async def test_a_worker_that_dies_behind_its_write_is_followed_by_one_that_finds_it(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("dead behind the write", dead_behind_the_write, case)

    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 1, 1), str(seen)
    assert (seen.found, seen.record.doubted) == (seen.wanted, True)
