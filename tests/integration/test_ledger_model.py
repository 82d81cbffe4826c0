"""Any sequence of ledger steps against a small model of what each step means, with the ledger's rules after each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import hypothesis.strategies as st
import pytest
import redis.asyncio
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tasks.dead_letter_records import Place
from tasks.errors import LeaseLostError, TransitionRefusedError
from tasks.records import State, Verdict
from tests.integration.ledger_harness import Desk, check, child_of, command, dump
from tests.integration.ledger_model import ORDER, Model, Modelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from tasks.records import NewCommand
    from tests.conftest import SharedValkey

T = TypeVar("T")
PARTS = ("part:a", "part:b")
ENDS = (State.APPLIED, State.REJECTED, State.CANCELLED)
LANES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=2, unique=True)
OUTCOMES = (State.APPLIED, State.REJECTED, State.HELD, State.DELAYED, State.IN_DOUBT, State.SENDING)


class LedgerMachine(RuleBasedStateMachine):
    """Steps in any order, also impossible ones, which must change nothing."""

    keys: Bundle[str] = Bundle("keys")

    #: Where the server is; the test fills it in.
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = redis.asyncio.Redis.from_url(self.url, decode_responses=True)
        self.model = Model()
        self.desk = Desk.at(self.client)
        self.ledger = self.desk.ledger

    def run(self, step: Awaitable[T]) -> T:
        return self.runner.run(cast("Coroutine[Any, Any, T]", step))

    def teardown(self) -> None:
        try:
            self.run(self.drain())
        finally:
            self.run(self.client.aclose())
            self.runner.close()

    @initialize()
    def empty(self) -> None:
        self.run(self.client.flushall())

    # producers

    @rule(target=keys, lanes=LANES)
    def admit(self, lanes: list[str]) -> str:
        return self._admit(command(*lanes))

    @rule(target=keys)
    def admit_parent(self) -> str:
        return self._admit(command(ORDER, kind="order.receive"))

    def _admit(self, new: NewCommand) -> str:
        (admission,) = self.run(self.ledger.admit([new]))
        self.model.commands[new.key] = Modelled(new.lanes, self.model.next_place())
        self.model.settle_lanes()
        assert admission.fresh
        assert admission.state is self.model.commands[new.key].state
        return new.key

    @rule(key=keys)
    def admit_again(self, key: str) -> None:
        before = self.run(dump(self.client))
        (admission,) = self.run(self.ledger.admit([command("part:elsewhere", key=key)]))
        assert not admission.fresh
        assert admission.state is self.model.commands[key].state
        assert self.run(dump(self.client)) == before

    # workers

    @rule(key=keys)
    def claim(self, key: str) -> None:
        one = self.model.commands[key]
        owner, claim = self.run(self.desk.claim(key))
        assert claim.verdict is one.verdict
        if claim.record is not None:
            one.owner = owner
            if claim.verdict is Verdict.FRESH:
                one.state = State.SENDING

    def _step(self, key: str, *, allowed: bool, error: type[Exception], step: Callable[[], Awaitable[Any]]) -> bool:
        """Make a step; when the model forbids it, it must be refused and change nothing. Says whether it was made."""

        async def make() -> None:
            await step()

        if allowed:
            self.run(make())
            return True
        before = self.run(dump(self.client))
        try:
            self.run(make())
        except error:
            assert self.run(dump(self.client)) == before
            return False
        raise AssertionError(f"{key}: the ledger allowed a step that the model forbids")

    def _owned(self, key: str, *states: State, step: Callable[[str], Awaitable[Any]]) -> bool:
        one = self.model.commands[key]
        allowed = one.owner is not None and one.state in states
        return self._step(key, allowed=allowed, error=LeaseLostError, step=lambda: step(one.owner or "nobody"))

    @rule(key=keys)
    def step_of_a_stranger(self, key: str) -> None:
        for step in (
            lambda: self.ledger.settle(key, "stranger", State.APPLIED),
            lambda: self.ledger.hand_back(key, "stranger"),
        ):
            self._step(key, allowed=False, error=LeaseLostError, step=step)

    @rule(key=keys)
    def intent(self, key: str) -> None:
        if self._owned(key, State.SENDING, step=lambda owner: self.ledger.intent(key, owner, {"timestamps": []})):
            one = self.model.commands[key]
            one.intent = True
            one.attempts += 1

    @rule(key=keys, state=st.sampled_from([State.APPLIED, State.APPLIED, State.REJECTED, State.HELD]))
    def settle(self, key: str, state: State) -> None:
        if not self._owned(
            key, State.SENDING, State.IN_DOUBT, step=lambda owner: self.ledger.settle(key, owner, state, reason="r")
        ):
            return
        one = self.model.commands[key]
        one.state, one.owner = state, None
        if state is State.APPLIED:
            self.model.close_child(key)
        self.model.settle_lanes()

    @rule(key=keys, due=st.booleans(), failed=st.booleans())
    def doubt(self, key: str, *, due: bool, failed: bool) -> None:
        seconds = 0 if due else 3_600
        if self._owned(
            key,
            State.SENDING,
            State.IN_DOUBT,
            step=lambda owner: self.ledger.doubt(key, owner, seconds, reason="cut", failed=failed),
        ):
            one = self.model.commands[key]
            one.state, one.owner, one.due, one.crashes, one.intent = State.IN_DOUBT, None, due, 0, True

    @rule(key=keys, due=st.booleans(), spent=st.booleans())
    def delay(self, key: str, *, due: bool, spent: bool) -> None:
        seconds = 0 if due else 3_600
        if self._owned(
            key,
            State.SENDING,
            step=lambda owner: self.ledger.delay(key, owner, seconds, spent=spent, reason="429"),
        ):
            one = self.model.commands[key]
            one.attempts += spent - one.intent
            one.state, one.owner, one.due, one.crashes, one.intent = State.DELAYED, None, due, 0, False

    @rule(key=keys)
    def absent(self, key: str) -> None:
        if self._owned(key, State.IN_DOUBT, step=lambda owner: self.ledger.absent(key, owner)):
            one = self.model.commands[key]
            one.state, one.owner, one.intent = State.READY, None, False

    @rule(key=keys)
    def hand_back(self, key: str) -> None:
        one = self.model.commands[key]
        allowed = (one.state is State.SENDING and not one.intent) or (one.state is State.IN_DOUBT and one.owner)
        if self._step(
            key,
            allowed=bool(allowed),
            error=LeaseLostError,
            step=lambda: self.ledger.hand_back(key, one.owner or "nobody"),
        ):
            one.owner = None
            if one.state is State.SENDING:
                one.state = State.READY

    @rule(target=keys, key=keys, parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
    def expand(self, key: str, parts: list[str]) -> Any:
        one = self.model.commands[key]
        if not one.is_parent:
            return multiple()
        children = [child_of(one.lanes[0], part) for part in parts]
        if not self._owned(key, State.SENDING, step=lambda owner: self.ledger.expand(key, owner, children)):
            return multiple()
        one.state, one.owner = State.WAITING, None
        one.children = [child.key for child in children]
        for number, child in enumerate(children, start=1):
            self.model.commands[child.key] = Modelled(child.lanes, (one.place[0], number), parent=key)
        self.model.settle_lanes()
        return multiple(*one.children)

    @rule(
        target=keys,
        number=st.integers(0, 9),
        outcome=st.sampled_from(OUTCOMES),
        parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=2),
    )
    def work(self, number: int, outcome: State, parts: list[str]) -> Any:
        """Do what a worker does with something that can be claimed; random keys alone rarely get this far."""
        commands = self.model.commands
        possible = [
            key
            for key, one in commands.items()
            if one.verdict in (Verdict.FRESH, Verdict.IN_DOUBT) or (one.is_parent and one.state is State.SENDING)
        ]
        if not possible:
            return multiple()
        key = possible[number % len(possible)]
        one = commands[key]
        if one.owner is None:
            self.claim(key)
        if one.is_parent and one.state is State.SENDING:
            # a claimed one is left alone now and then, so that other steps come between
            return self.expand(key, parts) if outcome is not State.SENDING else multiple()
        match outcome:
            case State.DELAYED:
                self.delay(key, due=True, spent=True)
            case State.IN_DOUBT:
                self.doubt(key, due=True, failed=False)
            case State.SENDING:
                self.intent(key)
            case _:
                self.settle(key, outcome)
        return multiple()

    @rule(number=st.integers(0, 9), again=st.booleans(), at=st.sampled_from([None, Place.HEAD, Place.TAIL]))
    def decide(self, number: int, *, again: bool, at: Place | None) -> None:
        """Do what a person does with a dead letter."""
        dead = [key for key, one in self.model.commands.items() if one.is_dead]
        if dead:
            key = dead[number % len(dead)]
            self.replay(key, None, at) if again else self.discard(key)

    # time

    @rule(key=keys)
    def the_lease_ends(self, key: str) -> None:
        if self.model.commands[key].owner is None:
            return
        self.run(self.desk.end_lease(key))
        self.run(self.ledger.promote())
        self.model.recover(key)
        self.model.promote()

    @rule(key=keys)
    def the_due_time_comes(self, key: str) -> None:
        one = self.model.commands[key]
        if one.state in (State.DELAYED, State.IN_DOUBT):
            self.run(self.desk.come_due(key))
            one.due = True

    @rule()
    def promote(self) -> None:
        self.run(self.ledger.promote())
        self.model.promote()

    @rule()
    def every_hint_is_lost(self) -> None:
        self.run(self.desk.take_hints())

    # people

    @rule(key=keys)
    def cancel(self, key: str) -> None:
        one = self.model.commands[key]
        allowed = one.state in (State.WAITING, State.READY, State.DELAYED) and not one.children
        if self._step(key, allowed=allowed, error=TransitionRefusedError, step=lambda: self.ledger.cancel(key, "a")):
            one.state = State.CANCELLED
            self.model.close_child(key)
            self.model.settle_lanes()

    @rule(key=keys, lanes=st.none() | LANES, at=st.sampled_from([None, Place.HEAD, Place.TAIL]))
    def replay(self, key: str, lanes: list[str] | None, at: Place | None) -> None:
        one = self.model.commands[key]
        edited = command(*lanes) if lanes and ORDER not in one.lanes else None
        after = one.corrected if edited is None else edited.lanes
        has_a_place = one.state is not State.HELD or after in (None, one.lanes) or at is not None
        if self._step(
            key,
            allowed=one.is_dead and has_a_place,
            error=TransitionRefusedError,
            step=lambda: self.ledger.replay(key, "a", edited, at=at),
        ):
            self.model.replay(key, after, at)

    @rule(key=keys, lanes=st.none() | LANES)
    def edit(self, key: str, lanes: list[str] | None) -> None:
        one = self.model.commands[key]
        edited = command(*lanes) if lanes and ORDER not in one.lanes else None
        if self._step(
            key, allowed=one.is_dead, error=TransitionRefusedError, step=lambda: self.ledger.edit(key, "a", edited)
        ):
            one.corrected = None if edited is None else edited.lanes

    @rule(key=keys)
    def discard(self, key: str) -> None:
        one = self.model.commands[key]
        if self._step(
            key, allowed=one.is_dead, error=TransitionRefusedError, step=lambda: self.ledger.discard(key, "a", "why")
        ):
            one.state = State.REJECTED
            self.model.close_child(key)
            self.model.settle_lanes()

    # what must be true

    @invariant()
    def the_rules_hold(self) -> None:
        check(self.run(dump(self.client)))

    @invariant()
    @precondition(lambda self: bool(self.model.commands))
    def the_model_agrees(self) -> None:
        async def found() -> dict[str, tuple[State, int]]:
            records = [await self.ledger.find(key) for key in self.model.commands]
            return {record.key: (record.state, record.attempts) for record in records if record is not None}

        assert self.run(found()) == {key: (one.state, one.attempts) for key, one in self.model.commands.items()}

    async def drain(self) -> None:
        """Go on as workers do, by hints and time alone: nothing may stay behind."""
        # each round settles at least the first of what is left
        for _ in range(len(self.model.commands) + 3):
            left = await self._left()
            if not left:
                break
            await self._pass_time(left)
            while key := await self.desk.take_hint():
                owner, claim = await self.desk.claim(key)
                if claim.record is not None:
                    await self.ledger.settle(key, owner, State.APPLIED)
        assert not await self._left()
        check(await dump(self.client))

    async def _left(self) -> dict[str, State]:
        states = {key: await self.desk.state(key) for key in self.model.commands}
        return {key: state for key, state in states.items() if state not in ENDS}

    async def _pass_time(self, left: dict[str, State]) -> None:
        """Let every lease end, every due time come and every hint be missed; close what only a person can."""
        leased = await self.desk.index("sending")
        for key in left:
            if key in leased:
                await self.desk.end_lease(key)
            await self.desk.come_due(key)
            await self.desk.age_hint(key)
        # a held command keeps its lane, a rejected line its order, until a person closes it
        for key in await self.desk.index("dead"):
            await self.ledger.discard(key, "a", "drained")
        await self.ledger.promote()


@pytest.mark.timeout(600)  # thousands of steps, each synced to disk
def test_no_sequence_of_steps_loses_doubles_reorders_or_wedges_a_command(valkey: SharedValkey) -> None:
    class Machine(LedgerMachine):
        url = valkey.url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
