"""Any sequence of decisions at the desk against a small model of what each means."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import hypothesis.strategies as st
import pytest
import redis.asyncio
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tasks.dead_letter_records import Filter, LetterState, Place, RedriveState
from tasks.errors import DamagedRecordError, TransitionRefusedError
from tasks.ledger import prefix_of
from tasks.records import State
from tasks.registry import InvalidCommandError
from tests.integration.dead_letter_harness import Bench
from tests.integration.dead_letter_model import Asked, DeskModel, Job, edited
from tests.integration.ledger_harness import dump

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from tests.conftest import SharedValkey

T = TypeVar("T")
HOUR_MS: Final = 3_600_000
KINDS: Final = {"partsbox": "stock.add", "partium": "catalog.upsert_part"}
#: A part of both vendors' forms, so that a correction may move a command between two lanes.
PARTS: Final = ("p" * 26, "r" * 26)
REFUSALS: Final = (TransitionRefusedError, DamagedRecordError, InvalidCommandError)
PEOPLE: Final = ("edited", "replayed", "discarded")

numbers = st.integers(0, 7)
vendors = st.sampled_from(sorted(KINDS))
parts = st.sampled_from(PARTS)
places = st.sampled_from([None, Place.HEAD, Place.TAIL])


class DeskMachine(RuleBasedStateMachine):
    """Decisions in any order, also impossible ones, which must change nothing."""

    #: Where the server is; the test fills it in.
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = redis.asyncio.Redis.from_url(self.url, decode_responses=True)
        self.bench = Bench.at(self.client)
        self.desk = self.bench.desk
        self.model = DeskModel()
        #: What a person has seen of a letter: its revision at the desk, and in the model.
        self.seen: dict[str, tuple[str, int]] = {}

    def run(self, step: Awaitable[T]) -> T:
        return self.runner.run(cast("Coroutine[Any, Any, T]", step))

    def teardown(self) -> None:
        self.run(self.client.aclose())
        self.runner.close()

    @initialize(ends=st.lists(st.sampled_from([State.REJECTED, State.HELD]), min_size=2, max_size=4), part=parts)
    def begin(self, ends: list[State], part: str) -> None:
        """Begin with letters: most of the time goes into decisions about them."""
        self.run(self.client.flushall())
        for number, state in enumerate(ends):
            self.admit("partsbox", part)
            self.end(number, state)

    # what workers do

    @rule(vendor=vendors, part=parts)
    def admit(self, vendor: str, part: str) -> None:
        key = self.run(self.bench.admit(KINDS[vendor], part_id=part, comments="as seen"))
        self.model.admit(key, vendor, Asked(part, "as seen"))

    @rule(number=numbers, state=st.sampled_from([State.APPLIED, State.REJECTED, State.REJECTED, State.HELD]))
    def end(self, number: int, state: State) -> None:
        ready = [key for key, one in self.model.letters.items() if one.state is State.READY]
        if ready:
            key = ready[number % len(ready)]
            self.run(self.bench.end(key, state, kind=KINDS[self.model.letters[key].vendor]))
            self.model.end(key, state)

    @rule(number=numbers)
    def damage(self, number: int) -> None:
        key = self._dead(number)
        if key is not None:
            kind = KINDS[self.model.letters[key].vendor]
            self.run(self.bench.spoil(key, "attempts", "many", kind=kind))
            self.model.letters[key].is_damaged = True

    # what people do

    def _dead(self, number: int) -> str | None:
        dead = [key for key, one in self.model.letters.items() if one.is_dead]
        return dead[number % len(dead)] if dead else None

    def _any(self, number: int, *, mostly_dead: bool) -> str:
        return (mostly_dead and self._dead(number)) or list(self.model.letters)[number % len(self.model.letters)]

    def _decide(self, step: Callable[[], Awaitable[Any]], *, allowed: bool) -> bool:
        """Make a decision; one that the model forbids must be refused and change nothing. Says whether it was made."""

        async def make() -> None:
            await step()

        if allowed:
            self.run(make())
            return True
        before = self.run(dump(self.client))
        with pytest.raises(REFUSALS):
            self.run(make())
        assert self.run(dump(self.client)) == before
        return False

    @rule(
        number=numbers,
        mostly_dead=st.booleans(),
        at=places,
        part=st.none() | parts,
        remark=st.none() | st.sampled_from(["as seen", "counted", "moved"]),
    )
    def replay(self, number: int, *, mostly_dead: bool, at: Place | None, part: str | None, remark: str | None) -> None:
        key = self._any(number, mostly_dead=mostly_dead)
        one = self.model.letters[key]
        edits = _edits(part, remark)
        asked = edited(one.next, part, remark)
        changes = not edits or asked != one.next
        allowed = changes and self.model.may_replay(key, asked, at)
        if self._decide(lambda: self.desk.replay(key, "anna", edits, at), allowed=allowed):
            self.model.replay(key, "anna", asked, at)

    @rule(
        number=numbers,
        part=st.none() | parts,
        remark=st.none() | st.sampled_from(["as seen", "counted", "moved", "a [cmd:aaaaaaaaaaaaaaaaaaaa]"]),
    )
    def edit(self, number: int, part: str | None, remark: str | None) -> None:
        key = self._any(number, mostly_dead=True)
        one = self.model.letters[key]
        asked = edited(one.next, part, remark)
        allowed = one.is_dead and not one.is_damaged and asked != one.next and "[cmd:" not in asked.remark
        if self._decide(lambda: self.desk.edit(key, "anna", _edits(part, remark)), allowed=allowed):
            self.model.edit(key, "anna", asked)

    @rule(number=numbers, mostly_dead=st.booleans())
    def discard(self, number: int, *, mostly_dead: bool) -> None:
        key = self._any(number, mostly_dead=mostly_dead)
        allowed = self.model.letters[key].is_dead
        if self._decide(lambda: self.desk.discard(key, "anna", "old"), allowed=allowed):
            self.model.discard(key, "anna")

    @rule(number=numbers)
    def look(self, number: int) -> None:
        key = self._dead(number)
        if key is not None:
            self.seen[key] = (self.run(self.desk.read(key)).revision, self.model.letters[key].revision)

    @rule(number=numbers, again=st.booleans())
    def decide_about_what_was_seen(self, number: int, *, again: bool) -> None:
        if not self.seen:
            return
        key = list(self.seen)[number % len(self.seen)]
        revision, at_model = self.seen[key]
        one = self.model.letters[key]
        is_same = one.is_dead and one.revision == at_model
        if again:
            allowed = is_same and self.model.may_replay(key, one.next, Place.TAIL)
            step = lambda: self.desk.replay(key, "anna", at=Place.TAIL, revision=revision)  # noqa: E731
            if self._decide(step, allowed=allowed):
                self.model.replay(key, "anna", one.next, Place.TAIL)
        elif self._decide(lambda: self.desk.discard(key, "anna", "old", revision=revision), allowed=is_same):
            self.model.discard(key, "anna")

    # many at once

    @rule(vendor=st.none() | vendors, state=st.none() | st.sampled_from(LetterState), part=st.just("") | parts)
    def redrive(self, vendor: str | None, state: LetterState | None, part: str) -> None:
        wanted = Filter(vendor=vendor, state=state, text=part and f"part:{part}")
        begun = self.run(self.desk.redrive(wanted, "carla", 1 / 3600))
        fitting = [key for key in self.model.fitting(vendor, state, part) if not self.model.letters[key].is_damaged]
        by_vendor = {name: [key for key in fitting if self.model.letters[key].vendor == name] for name in KINDS}
        assert {one.vendor: one.total for one in begun} == {name: len(keys) for name, keys in by_vendor.items() if keys}
        for one in begun:
            left = [(key, self.model.letters[key].revision) for key in by_vendor[one.vendor]]
            self.model.jobs[one.id] = Job(one.vendor, left, len(left))
            self.run(self.bench.ledgers[one.vendor].move_redrives())
            self.model.move(one.id, "carla")

    @rule(number=numbers)
    def an_hour_passes(self, number: int) -> None:
        running = [one for one, job in self.model.jobs.items() if job.state is RedriveState.RUNNING]
        if running:
            redrive_id = running[number % len(running)]
            vendor = self.model.jobs[redrive_id].vendor
            index = prefix_of(vendor) + "redriving"
            self.run(self.client.zadd(index, {redrive_id: -HOUR_MS}, xx=True, incr=True))
            self.run(self.bench.ledgers[vendor].move_redrives())
            self.model.move(redrive_id, "carla")

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        if self.model.jobs:
            redrive_id = list(self.model.jobs)[number % len(self.model.jobs)]
            self.run(self.desk.cancel_redrive(redrive_id, "anna"))
            job = self.model.jobs[redrive_id]
            if job.state is RedriveState.RUNNING:
                job.state, job.left = RedriveState.CANCELLED, []

    # what must be true

    @rule(
        vendor=st.none() | vendors,
        state=st.none() | st.sampled_from(LetterState),
        part=st.just("") | parts,
        limit=st.sampled_from([1, 2, 50]),
    )
    def find(self, vendor: str | None, state: LetterState | None, part: str, limit: int) -> None:
        async def pages() -> list[str]:
            keys, after = [], None
            while True:
                page = await self.desk.find(Filter(vendor, state=state, text=part and f"part:{part}"), limit, after)
                keys += [letter.key for letter in page.letters]
                after = page.after
                if after is None:
                    return keys

        assert sorted(self.run(pages())) == sorted(self.model.fitting(vendor, state, part))

    @rule()
    def list_all(self) -> None:
        found = self.run(self.desk.find(Filter(), 1_000)).letters
        assert {letter.key: letter.state for letter in found} == {
            key: one.letter_state for key, one in self.model.letters.items() if one.is_dead
        }
        jobs = {one.id: (one.state, one.total, one.replayed, one.skipped) for one in self.run(self.desk.redrives())}
        assert jobs == {
            redrive_id: (job.state, job.total, job.replayed, job.skipped) for redrive_id, job in self.model.jobs.items()
        }

    @invariant()
    def the_ledger_agrees(self) -> None:
        found = self.run(dump(self.client))
        lanes = {(vendor, part): keys for (vendor, part), keys in self.model.lanes.items() if keys}
        assert lanes == {
            (vendor, name.rpartition(":")[2]): content
            for vendor in KINDS
            for name, (_, content, _) in found.items()
            if name.startswith(prefix_of(vendor) + "lane:")
        }
        dead = [key for vendor in KINDS for key, _ in found.get(prefix_of(vendor) + "dead", ("", [], False))[1]]
        assert sorted(dead) == sorted(key for key, one in self.model.letters.items() if one.is_dead)
        for key, one in self.model.letters.items():
            prefix = prefix_of(one.vendor)
            _, fields, _ = found[f"{prefix}cmd:{key}"]
            assert fields["state"] == one.state
            assert _asked(fields["command"]) == one.asked
            assert _asked(fields.get("corrected")) == one.corrected
            assert _asked(fields.get("original")) == one.original
            _, entries, _ = found.get(f"{prefix}evidence:{key}", ("list", [], False))
            acts = [(entry["what"], entry["by"]) for entry in map(json.loads, entries) if entry["what"] in PEOPLE]
            assert acts == one.history


def _edits(part: str | None, remark: str | None) -> dict[str, Any]:
    return {name: value for name, value in (("part_id", part), ("comments", remark)) if value is not None}


def _asked(text: str | None) -> Asked | None:
    said = json.loads(text) if text else None
    return None if said is None else Asked(said["part_id"], said["comments"])


@pytest.mark.timeout(600)  # thousands of steps, each synced to disk
def test_no_sequence_of_decisions_loses_doubles_reorders_or_forgets_who_decided(valkey: SharedValkey) -> None:
    class Machine(DeskMachine):
        url = valkey.url

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
