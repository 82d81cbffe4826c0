"""A cell of a grid: one plan, what it must come to, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checker.effects import VendorEffects
from tests.simulation.examine import Outcome, examine
from tests.simulation.kinds import KINDS
from tests.simulation.world import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.checker.evidence import Entry
    from tests.simulation.plan import Plan
    from tests.simulation.world import Played


@dataclass(frozen=True, slots=True)
class Write:
    """A command that writes, as its ledger and its vendor's journal have it at the end."""

    entry: Entry
    effects: int

    @property
    def ending(self) -> tuple[str, int, int]:
        """Its state, how often it was committed, and how many sends that took."""
        return self.entry.state, self.effects, self.entry.attempts

    def __str__(self) -> str:
        return f"{self.entry}; {self.effects} effects, {self.entry.attempts} sent"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a cell's plan came to."""

    plan: Plan
    #: None where the world broke.
    played: Played | None
    outcome: Outcome
    #: Every command that writes.
    writes: tuple[Write, ...]

    def of(self, writer: str) -> list[Write]:
        """Give the writes of one kind."""
        return [write for write in self.writes if write.entry.kind == writer]

    def fired(self) -> int:
        """Tell how often the plan's switches came about."""
        return sum(count for (vendor, _), count in self.outcome.verdict.fired.items() if vendor != "relay")


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of a cell for the table."""

    #: The grid's row.
    row: str
    #: Where in the row.
    place: str
    #: In a word or two.
    ending: str
    #: Empty where it is right.
    wrongs: tuple[str, ...] = ()
    #: Of a wrong one, for `python -m tests.simulation --plan`.
    plan: str = ""


@dataclass(frozen=True)
class Grid:
    """One grid: rows that can be played apart from each other, in any process."""

    name: str
    title: str
    rows: Sequence[str]
    #: Plays the cells of a row: every `stride`-th, from the `offset`-th on.
    play_row: Callable[[str, int, int], Iterator[Ended]]


def see(plan: Plan) -> Seen:
    """Play a plan and judge it; a world that breaks is a wrong of its own."""
    kept: list[Played] = []

    def keep(given: Plan) -> Played:
        kept.append(play(given))
        return kept[0]

    outcome = examine(plan, keep)
    played = kept[0] if kept else None
    return Seen(plan, played, outcome, tuple(_writes(played)) if played else ())


def _writes(played: Played) -> Iterator[Write]:
    evidence = played.evidence
    journals = {vendor: VendorEffects(books.journal) for vendor, books in evidence.books.items()}
    entries = {entry.key: entry for told in evidence.told.values() for entry in told.entries}
    for command in evidence.expected:
        if KINDS[command.kind].operation and command.key in entries:
            yield Write(entries[command.key], len(journals[command.vendor].claim(command)))


def ended(row: str, place: str, seen: Seen, wrongs: Iterable[str], ending: str = "") -> Ended:
    """Close a cell: what the checker finds is wrong in any, and so is a held command whose outcome shows."""
    verdict = seen.outcome.verdict
    found = [f"{name}: {each}" for name, several in seen.outcome.wrongs.items() for each in several]
    found += [f"decidable: {each}" for each in verdict.decidable]
    found += wrongs
    plan = seen.plan.to_json() if found else ""
    return Ended(row, place, ending or ending_of(seen.writes), tuple(found), plan)


def ending_of(writes: Iterable[Write]) -> str:
    """Sum up how the writes ended."""
    states = dict.fromkeys(write.entry.state for write in writes)
    again = any(write.effects and write.entry.attempts > 1 for write in writes)
    return " and ".join(sorted(states)) + (", sent again" if again else "")


def applied_once(seen: Seen) -> Iterator[str]:
    """Name each write that is not applied, or not once; all of them must be."""
    if seen.played is not None and not seen.writes:
        yield "no command came to a write"
    for write in seen.writes:
        if (write.entry.state, write.effects) != ("applied", 1):
            yield f"not applied once: {write}"
