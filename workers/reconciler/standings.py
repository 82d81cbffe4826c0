"""How a vendor's records stand by the ledger: the claims of all applied commands laid over one another.

Later claims take the place of earlier ones, field by field; what may show itself besides is kept beside them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.reconciler.claims import claims_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.reconciler.books import Told
    from workers.reconciler.claims import Claim, Subject

#: Records that others go with, and are deleted with.
_HOLDERS: Final = frozenset({"part", "project"})


@dataclass(frozen=True, slots=True)
class Cell:
    """The last value that was applied to a field, and by which command."""

    value: Any
    told: Told


@dataclass(slots=True)
class Standing:
    """What the ledger says of one record."""

    cells: dict[str, Cell] = field(default_factory=dict)
    #: The command that deleted it last.
    gone: Told | None = None
    #: Values that commands may have given it which were applied later or have not ended.
    maybe: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    #: It may be there or not, or answer to another name by now.
    unsure: bool = False

    def tellers(self) -> set[str]:
        """Name the commands that it rests on."""
        return {cell.told.key for cell in self.cells.values()} | ({self.gone.key} if self.gone else set())


def standings(applied: Iterable[Told], maybe: Iterable[Told]) -> dict[Subject, Standing]:
    """Lay the claims of applied commands over one another, in their order, and allow for what is not settled."""
    found: dict[Subject, Standing] = {}
    for told in applied:
        for claim in claims_of(told.command, told.entries):
            _apply(found, claim, told)
    for told in maybe:
        for claim in claims_of(told.command, told.entries):
            _allow(found, claim)
    return found


def _apply(found: dict[Subject, Standing], claim: Claim, told: Told) -> None:
    standing = found.setdefault(claim.subject, Standing())
    if claim.fields is None:
        standing.cells.clear()
        standing.gone = told
        for subject in list(_with(found, claim.subject)):
            del found[subject]
        return
    standing.gone = None
    standing.cells.update({name: Cell(value, told) for name, value in claim.fields.items()})
    if claim.renamed is not None:
        found[claim.renamed] = found.pop(claim.subject)


def _allow(found: dict[Subject, Standing], claim: Claim) -> None:
    """Let it be no difference whether this claim shows itself or not."""
    standing = found.get(claim.subject)
    if claim.fields is None or claim.renamed is not None:
        named = (claim.subject, *_with(found, claim.subject), *([claim.renamed] if claim.renamed else []))
        for subject in named:
            if subject in found:
                found[subject].unsure = True
    elif standing is not None:
        standing.unsure = standing.unsure or standing.gone is not None
        for name, value in claim.fields.items():
            standing.maybe[name].append(value)


def _with(found: dict[Subject, Standing], holder: Subject) -> Iterator[Subject]:
    """Give the records that go with another."""
    if holder.noun in _HOLDERS:
        yield from (subject for subject in found if subject.within == str(holder))
