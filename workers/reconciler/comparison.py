"""One look at a vendor: what the ledger says by then, by which reads the vendor is seen, and what is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from workers.reconciler.claims import claims_of, part_subject
from workers.reconciler.reads import UnreadError
from workers.reconciler.remedies import MOVEMENTS
from workers.reconciler.standings import standings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workers.reconciler.books import Books, Told
    from workers.reconciler.claims import Subject
    from workers.reconciler.findings import Findings
    from workers.reconciler.reads import PatientReads
    from workers.reconciler.standings import Standing

R = TypeVar("R")


def place_of(subject: Subject) -> str:
    """Name what is read to see a record."""
    return subject.within or str(subject)


def places_of(told: Told) -> frozenset[str]:
    """Name what is read to see the effect of a command."""
    command = told.command
    if isinstance(command, MOVEMENTS):
        return frozenset({str(part_subject(command.part_id))})
    return frozenset(place_of(claim.subject) for claim in claims_of(command, told.entries))


@dataclass
class Look:
    """Compares once. What the ledger says was read just before the vendor is."""

    books: Books
    reads: PatientReads
    findings: Findings
    since_ms: int
    #: Only these, where given: what a first look found is looked at a second time.
    places: frozenset[str] | None = None
    #: How the records stand by the ledger, as far as they are looked at.
    standings: dict[Subject, Standing] = field(init=False)

    def __post_init__(self) -> None:
        found = standings(self.books.applied, self.books.undecided)
        self.standings = {subject: each for subject, each in found.items() if self.looks_at(place_of(subject))}

    @property
    def applied(self) -> tuple[Told, ...]:
        """What the ledger says was applied."""
        return self.books.applied

    def looks_at(self, place: str) -> bool:
        """Tell whether something is to be looked at."""
        return self.places is None or place in self.places

    def of(self, *nouns: str) -> dict[Subject, Standing]:
        """Give the records of some nouns."""
        return {subject: standing for subject, standing in self.standings.items() if subject.noun in nouns}

    async def read(self, what: str, ask: Callable[[], Awaitable[R]]) -> tuple[R] | None:
        """Read the vendor; None, and noted as not compared, where that cannot be done."""
        try:
            return (await self.reads.read(ask),)
        except UnreadError as error:
            if not self.reads.gave_up:
                self.findings.skip(what, error)
            elif not self.reads.told:
                self.findings.skip(f"{what}, and what was to be read after it", error)
                self.reads.told = True
            return None
