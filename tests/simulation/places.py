"""Where each command stands in the order of its vendor: its lanes played again from what the ledger's events tell."""

from __future__ import annotations

from collections import defaultdict
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.checker.evidence import Told


class Laned(NamedTuple):
    """A command as the lanes see it; `parent` is empty for one that has none at this vendor."""

    key: str
    vendor: str
    lanes: tuple[str, ...]
    parent: str


class Places:
    """The order of acceptance.

    A command stands behind all that were accepted before it. One that another command became stands where that one
    was accepted: before whoever came later and was still waiting when it was made.
    """

    def __init__(self, told: Mapping[str, Told]) -> None:
        self._accepted: dict[str, int] = {}
        #: When a command's turn came.
        self._begun: dict[str, int] = {}
        for ledger in told.values():
            for number, step in enumerate(ledger.steps):
                if step.state == "accepted":
                    self._accepted.setdefault(step.key, number)
                elif step.state != "waiting":
                    self._begun.setdefault(step.key, number)

    def accepted(self, key: str) -> int:
        """Tell when a command was accepted; what never was comes last."""
        return self._accepted.get(key, len(self._accepted))

    def of(self, commands: Iterable[Laned]) -> dict[str, int]:
        """Number commands so that in every lane the numbers grow; graphlib.CycleError if no order does."""
        lanes: dict[tuple[str, str], list[Laned]] = defaultdict(list)
        order: TopologicalSorter[str] = TopologicalSorter()
        for command in sorted(commands, key=lambda each: self.accepted(each.key)):
            order.add(command.key)
            for name in command.lanes:
                self._enter(lanes[command.vendor, name], command)
        for lane in lanes.values():
            for before, behind in pairwise(lane):
                order.add(behind.key, before.key)
        return {key: number for number, key in enumerate(order.static_order())}

    def _enter(self, lane: list[Laned], command: Laned) -> None:
        later = (place for place, other in enumerate(lane) if self._lets_in_front(other, command))
        lane.insert(next(later, len(lane)), command)

    def _lets_in_front(self, other: Laned, command: Laned) -> bool:
        had_begun = self._begun.get(other.key, self.accepted(command.key)) < self.accepted(command.key)
        return self._stands(other) > self._stands(command) and not had_begun

    def _stands(self, command: Laned) -> int:
        return self.accepted(command.parent or command.key)
