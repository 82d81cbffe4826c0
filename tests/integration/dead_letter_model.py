"""What the dead-letter desk means, in plain Python: letters, corrections, places in lanes, bulk replays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tasks.dead_letter_records import LetterState, Place, RedriveState
from tasks.records import State


@dataclass(frozen=True)
class Asked:
    """What a command asks: the part, which is its lane too, and a remark."""

    part: str
    remark: str


@dataclass
class Letter:
    """What the model knows of one command."""

    vendor: str
    asked: Asked
    state: State = State.WAITING
    corrected: Asked | None = None
    original: Asked | None = None
    is_damaged: bool = False
    is_discarded: bool = False
    #: Every death, replay and correction.
    revision: int = 0
    #: What people did, and who.
    history: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_dead(self) -> bool:
        return self.state in (State.REJECTED, State.HELD) and not self.is_discarded

    @property
    def letter_state(self) -> LetterState:
        return LetterState.DAMAGED if self.is_damaged else LetterState(self.state.value)

    @property
    def next(self) -> Asked:
        """What a replay would ask."""
        return self.corrected or self.asked


@dataclass
class Job:
    """A bulk replay."""

    vendor: str
    left: list[tuple[str, int]]
    total: int
    state: RedriveState = RedriveState.RUNNING
    replayed: int = 0
    skipped: int = 0


class DeskModel:
    """Commands of one lane each, and what may be decided about them."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.lanes: dict[tuple[str, str], list[str]] = {}
        self.jobs: dict[str, Job] = {}

    def admit(self, key: str, vendor: str, asked: Asked) -> None:
        self.letters[key] = Letter(vendor, asked)
        self._lane(key).append(key)
        self._let_heads_run()

    def end(self, key: str, state: State) -> None:
        one = self.letters[key]
        one.state = state
        if state is not State.APPLIED:
            one.revision += 1
        if state is not State.HELD:
            self._lane(key).remove(key)
        self._let_heads_run()

    def may_replay(self, key: str, asked: Asked, at: Place | None) -> bool:
        one = self.letters[key]
        if not one.is_dead or one.is_damaged:
            return False
        return one.state is State.REJECTED or asked.part == one.asked.part or at is not None

    def replay(self, key: str, by: str, asked: Asked, at: Place | None) -> None:
        one = self.letters[key]
        enters = one.state is State.REJECTED or asked.part != one.asked.part or at is Place.TAIL
        if enters and one.state is State.HELD:
            self._lane(key).remove(key)
        if asked != one.next:
            one.history.append(("edited", by))
        one.history.append(("replayed", by))
        if asked != one.asked:
            one.original = one.original or one.asked
        one.asked, one.corrected, one.state = asked, None, State.WAITING
        one.revision += 1
        if enters:
            lane = self._lane(key)
            lane.insert(min(len(lane), 1) if at is Place.HEAD else len(lane), key)
        self._let_heads_run()

    def edit(self, key: str, by: str, asked: Asked) -> None:
        one = self.letters[key]
        one.corrected = None if asked == one.asked else asked
        one.revision += 1
        one.history.append(("edited", by))

    def discard(self, key: str, by: str) -> None:
        one = self.letters[key]
        if one.state is State.HELD:
            self._lane(key).remove(key)
        one.state, one.is_discarded = State.REJECTED, True
        one.history.append(("discarded", by))
        self._let_heads_run()

    # bulk replays

    def fitting(self, vendor: str | None, state: LetterState | None, part: str) -> list[str]:
        return [
            key
            for key, one in self.letters.items()
            if one.is_dead
            and vendor in (None, one.vendor)
            and state in (None, one.letter_state)
            and part in (one.asked if one.is_damaged else one.next).part
        ]

    def move(self, redrive_id: str, by: str) -> None:
        """Let a bulk replay make its one replay of the hour."""
        job = self.jobs[redrive_id]
        while job.left:
            key, revision = job.left.pop(0)
            one = self.letters[key]
            if one.revision == revision and self.may_replay(key, one.next, None):
                job.replayed += 1
                self.replay(key, by, one.next, None)
                break
            job.skipped += 1
        if not job.left:
            job.state = RedriveState.DONE

    def _lane(self, key: str) -> list[str]:
        one = self.letters[key]
        return self.lanes.setdefault((one.vendor, one.asked.part), [])

    def _let_heads_run(self) -> None:
        for lane in self.lanes.values():
            if lane and self.letters[lane[0]].state is State.WAITING:
                self.letters[lane[0]].state = State.READY


def edited(asked: Asked, part: str | None, remark: str | None) -> Asked:
    """Give what is asked after a correction."""
    changes = {name: value for name, value in (("part", part), ("remark", remark)) if value is not None}
    return replace(asked, **changes)
