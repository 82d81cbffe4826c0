"""What was submitted to put differences right, as it was offered: pieces that make up for others."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from tasks.lookup import Leg
from tasks.orders import ReceiveLine
from tasks.records import State
from tasks.stock import AddStock, MoveStock, RemoveStock
from tasks.stock import legs_of as legs_of_stock
from workers.reconciler.findings import on_its_way
from workers.reconciler.offers import about_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.reconciler.books import Told

Movement = AddStock | RemoveStock | MoveStock | ReceiveLine
MOVEMENTS: Final = (AddStock, RemoveStock, MoveStock, ReceiveLine)
#: A storage location, and a lot where one is named.
Place = tuple[str, str | None]


def legs_of(command: Movement) -> tuple[Leg, ...]:
    """List the entries that a movement or the receipt of an order line writes."""
    if isinstance(command, ReceiveLine):
        return (Leg(command.storage_id, command.quantity),)
    return legs_of_stock(command)


@dataclass(frozen=True, slots=True)
class Remedies:
    """The movements that were submitted to put one difference right."""

    applied: tuple[Told, ...] = ()
    #: Not ended, or held.
    undecided: tuple[Told, ...] = ()

    def keys(self) -> frozenset[str]:
        """Name those that were applied."""
        return frozenset(told.key for told in self.applied)

    def pieces(self, legs: Sequence[Leg] = ()) -> Counter[Place]:
        """Count the pieces that were brought or taken, each at the place of a leg where it is one of these."""
        found: Counter[Place] = Counter()
        for told in self.applied:
            for leg in legs_of(cast("Movement", told.command)):
                found[_place_among(legs, leg)] += leg.quantity
        return found

    def on_its_way(self) -> str:
        """Say what is to put it right, and has not ended."""
        return on_its_way(*(told.key for told in self.undecided))


def remedies_of(movements: Iterable[Told]) -> dict[str, Remedies]:
    """Give what was submitted, by what it was offered about: the key of a command, or an entry."""
    applied: dict[str, list[Told]] = defaultdict(list)
    undecided: dict[str, list[Told]] = defaultdict(list)
    for told in movements:
        if about := about_of(told.command):
            (applied if told.state is State.APPLIED else undecided)[about].append(told)
    return {about: Remedies(tuple(applied[about]), tuple(undecided[about])) for about in {**applied, **undecided}}


def _place_among(legs: Sequence[Leg], leg: Leg) -> Place:
    for each in legs:
        if each.storage_id == leg.storage_id and (None in (each.lot_id, leg.lot_id) or each.lot_id == leg.lot_id):
            return each.storage_id, each.lot_id
    return leg.storage_id, leg.lot_id
