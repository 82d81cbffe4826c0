"""What the steps of the ledger mean, in plain Python: places in lanes, who may run, who owns what."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.dead_letter_records import Place
from tasks.ledger import MAX_CRASHES
from tasks.records import State, Verdict

ORDER = "order:x"
STARTED = (State.READY, State.SENDING, State.DELAYED, State.IN_DOUBT, State.HELD)


@dataclass
class Modelled:
    """What the model knows of one command."""

    lanes: tuple[str, ...]
    place: tuple[int, int]
    state: State = State.WAITING
    parent: str | None = None
    children: list[str] = field(default_factory=list)
    owner: str | None = None
    intent: bool = False
    due: bool = False
    attempts: int = 0
    crashes: int = 0
    closed: bool = False
    #: The lanes of a correction that is kept for the next replay.
    corrected: tuple[str, ...] | None = None

    @property
    def is_parent(self) -> bool:
        return self.lanes == (ORDER,)

    @property
    def is_dead(self) -> bool:
        return self.state in (State.REJECTED, State.HELD) and not self.closed

    @property
    def verdict(self) -> Verdict:
        """Tell what a claim must find now."""
        if self.owner is not None:
            return Verdict.HELD_BY_OTHER
        match self.state:
            case State.READY:
                return Verdict.FRESH
            case State.DELAYED:
                return Verdict.FRESH if self.due else Verdict.NOT_READY
            case State.IN_DOUBT:
                return Verdict.IN_DOUBT if self.due else Verdict.NOT_READY
            case State.WAITING:
                return Verdict.NOT_READY
        return Verdict.SETTLED


class Model:
    """The ledger's meaning: places in lanes, who may run, who owns what."""

    def __init__(self) -> None:
        self.commands: dict[str, Modelled] = {}
        self.places = 0
        self.first_places = 0

    def next_place(self) -> tuple[int, int]:
        self.places += 1
        return (self.places, 0)

    def first_place(self) -> tuple[int, int]:
        self.first_places -= 1
        return (self.first_places, 0)

    def replay(self, key: str, lanes: tuple[str, ...] | None, at: Place | None) -> None:
        one = self.commands[key]
        lanes = one.lanes if lanes is None else lanes
        stays = one.state is State.HELD and lanes == one.lanes and at is not Place.TAIL
        if not stays:
            one.place = self.first_place() if at is Place.HEAD else self.next_place()
        one.lanes, one.corrected = lanes, None
        one.state, one.intent, one.attempts, one.crashes = State.WAITING, False, 0, 0
        self.settle_lanes()

    def stands(self, key: str) -> bool:
        one = self.commands[key]
        return one.state in STARTED or (one.state is State.WAITING and not one.children)

    def settle_lanes(self) -> None:
        """Let every waiting command run that has nobody before it in any lane."""
        waiting = sorted(
            (one.place, key) for key, one in self.commands.items() if one.state is State.WAITING and not one.children
        )
        taken = {lane for one in self.commands.values() if one.state in STARTED for lane in one.lanes}
        for _, key in waiting:
            one = self.commands[key]
            if taken.isdisjoint(one.lanes):
                one.state = State.READY
            taken.update(one.lanes)

    def close_child(self, key: str) -> None:
        one = self.commands[key]
        one.closed = True
        if one.parent is None:
            return
        parent = self.commands[one.parent]
        ends = [self.commands[child] for child in parent.children]
        if all(end.closed for end in ends):
            applied = all(end.state is State.APPLIED for end in ends)
            parent.state = State.APPLIED if applied else State.REJECTED
            parent.closed = True

    def recover(self, key: str) -> None:
        one = self.commands[key]
        one.owner = None
        one.crashes += 1
        if one.crashes >= MAX_CRASHES:
            one.state = State.HELD
        elif one.intent:
            one.state, one.due = State.IN_DOUBT, True
        else:
            one.state = State.READY

    def promote(self) -> None:
        for one in self.commands.values():
            if one.state is State.DELAYED and one.due:
                one.state = State.READY
