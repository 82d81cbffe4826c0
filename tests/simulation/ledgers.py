"""What the ledgers tell of a play: asked past the virtual time and all troubles, for the world itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tasks.ledger import prefix_of
from tests.checker.evidence import Entry, Step, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.store import Store

FINAL: Final = ("applied", "rejected", "held", "cancelled")
_TOLD: Final = Path(__file__).with_name("told.lua").read_text(encoding="utf-8")
#: How the ledger ends a parent of which some child was discarded.
_NOT_ALL: Final = "the rest discarded or cancelled"
#: How the reason of a dead letter begins that somebody has decided about.
_DISCARDED: Final = "discarded by "


@dataclass
class Ledgers:
    """The ledgers of all vendors, and what was decided about dead letters so that others could go on."""

    store: Store
    vendors: Sequence[str]
    #: What a dead letter said of itself before it was discarded, by key.
    _decided: dict[str, Entry] = field(default_factory=dict)
    #: How much the store had executed at the latest look for open states, and what that found.
    _seen: int = -1
    _open: frozenset[str] = frozenset()

    def open_states(self) -> frozenset[str]:
        """Name the states of commands that have not ended; asks only when something has happened."""
        if self._seen == self.store.executions:
            return self._open
        self._seen = self.store.executions
        counts = self.store.look(*(("HGETALL", prefix_of(vendor) + "counts") for vendor in self.vendors))
        found = {state for flat in counts for state, count in zip(flat[::2], flat[1::2], strict=True) if int(count) > 0}
        self._open = frozenset(found.difference(FINAL))
        return self._open

    def undecided(self) -> list[Entry]:
        """List the dead letters for which others wait, in their lane or as parents; remember what they say."""
        found = [
            entry
            for vendor, dead in zip(self.vendors, self._dead_letters(), strict=True)
            for entry in (self._ask([vendor])[vendor][0] if dead else ())
            if entry.key in dead and (entry.state == "held" or entry.parent)
        ]
        for entry in found:
            self._decided.setdefault(entry.key, entry)
        return found

    def _dead_letters(self) -> list[list[str]]:
        return self.store.look(*(("ZRANGE", prefix_of(vendor) + "dead", 0, -1) for vendor in self.vendors))

    def told(self) -> dict[str, Told]:
        """Give everything that they tell; a command that was discarded as it was before."""
        found = self._ask(self.vendors)
        return {
            vendor: Told([self._as_it_was(entry) for entry in entries], steps)
            for vendor, (entries, steps) in found.items()
        }

    def _ask(self, vendors: Sequence[str]) -> dict[str, tuple[list[Entry], list[Step]]]:
        found = self.store.run(_TOLD, [prefix_of(vendor) for vendor in vendors])
        return {vendor: self._read(vendor, json.loads(told)) for vendor, told in zip(vendors, found, strict=True)}

    @staticmethod
    def _read(vendor: str, found: dict[str, Any]) -> tuple[list[Entry], list[Step]]:
        steps = [Step(*step) for step in found["steps"] or ()]
        entries = found["entries"] or {}
        return [_entry(vendor, key, *entries[key]) for key in dict.fromkeys(step.key for step in steps)], steps

    def _as_it_was(self, entry: Entry) -> Entry:
        if entry.key in self._decided:
            return self._decided[entry.key]
        # a parent has done its own part; of its children each is judged for itself
        became_others = entry.state == "rejected" and entry.reason.endswith(_NOT_ALL)
        return replace(entry, state="applied") if became_others and self._decided else entry


def _entry(vendor: str, key: str, kind: str, state: str, reason: str, parent: str, attempts: str) -> Entry:
    return Entry(vendor, key, kind, state, reason, parent, int(attempts or 0))
