"""Judging the entries of a part's history that no command of the window accounts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.identity import markers_in
from tasks.submit import MAX_AHEAD_SECONDS
from workers.reconciler.findings import CAME_TO_NOTHING, Finding, moment_of
from workers.reconciler.offers import balanced

if TYPE_CHECKING:
    from tasks.ports import StockEntry
    from workers.reconciler.books import Books
    from workers.reconciler.findings import Findings, Offer
    from workers.reconciler.movements import History


@dataclass(frozen=True, slots=True)
class Strangers:
    """Looks through histories for what the ledger does not account for, since a moment."""

    findings: Findings
    books: Books
    since_ms: int
    #: The vendor's name of our API user, where it is known.
    user: str | None

    def judge(self, history: History, *, is_ours: bool) -> None:
        """Note them; `is_ours` tells a part that commands have moved."""
        for entry in history.entries:
            if entry.timestamp_ms < self.since_ms or entry.timestamp_ms in history.accounted:
                continue
            if _is_second(entry, history):
                self._note(Finding.DOUBLE, history, entry, "its marker was on an earlier entry, and is there again")
            elif (why := self._why(entry, is_ours=is_ours)) is not None:
                self._note(Finding.FOREIGN, history, entry, why)

    def _note(self, finding: Finding, history: History, entry: StockEntry, why: str) -> None:
        part, about = f"part {history.part_id}", f"entry {entry.timestamp_ms}"
        offers: tuple[Offer, ...] = ()
        remedies = history.remedies_about(about)
        if self._may_be_reversed(entry):
            found = remedies.pieces()
            found[entry.storage_id or "", entry.lot_id] += entry.quantity
            if not any(found.values()):
                return
            if remedies.undecided:
                self.findings.skip(part, remedies.on_its_way())
                return
            # as an event of the entry's own moment, it is one command in every report
            at_ms = self._acceptable(entry.timestamp_ms)
            missing = {place: -pieces for place, pieces in found.items()}
            offers = balanced(history.part_id, missing, about, at_ms)
        when = moment_of(entry.timestamp_ms)
        self.findings.add(
            finding,
            part,
            f"{entry.quantity:+d} at {entry.storage_id} by {entry.user or 'an unnamed user'} on {when}: {why}",
            place=part,
            name=history.name,
            key=next(iter(sorted(markers_in(entry.comments))), ""),
            found=entry.shown(),
            offers=offers,
            counted=remedies.keys(),
        )

    def _acceptable(self, timestamp_ms: int) -> int:
        """Give the moment, or that of the comparison where the vendor's clock is so far ahead that it is refused."""
        latest_ms = self.findings.at_ms + MAX_AHEAD_SECONDS * 1000 // 2
        return timestamp_ms if timestamp_ms <= latest_ms else self.findings.at_ms

    def _may_be_reversed(self, entry: StockEntry) -> bool:
        """Tell whether it seems to be ours and can be taken back; nobody does that to a colleague's, or unasked."""
        marked, states = markers_in(entry.comments), self.books.states
        by_us = bool(marked) or (self.user is not None and entry.user == self.user)
        may_be_lost = marked and not marked & states.keys() and not self.books.remembers(entry.timestamp_ms)
        on_hand = entry.status is None and entry.quantity and entry.storage_id is not None
        return bool(by_us and on_hand and not may_be_lost)

    def _why(self, entry: StockEntry, *, is_ours: bool) -> str | None:
        """Say why an entry is a stranger; None where it is none."""
        marked = markers_in(entry.comments)
        if marked:
            found = [(key, self.books.states.get(key)) for key in sorted(marked)]
            if any(key not in self.books.states for key, _ in found):
                return self._unknown(entry)
            ended = [state for _, state in found if state in CAME_TO_NOTHING]
            return f"its command is {ended[0].value} in the ledger" if len(ended) == len(found) and ended[0] else None
        if entry.status is not None:
            return None  # ordered, planned, reserved: not on hand, and the vendor's own programs write such
        if self.user is not None and entry.user == self.user:
            return "our API user wrote it, and it has no marker"
        return "it has no marker, on a part that commands have moved" if is_ours else None

    def _unknown(self, entry: StockEntry) -> str:
        why = "the ledger does not know its marker"
        if self.books.remembers(entry.timestamp_ms):
            return why
        oldest = self.books.oldest_ms
        since = "nothing at all" if oldest is None else f"nothing from before {moment_of(oldest)}"
        return f"{why}; it remembers {since}: it may have been lost, then this is rightly there"


def _is_second(entry: StockEntry, history: History) -> bool:
    """Tell whether an earlier entry is the same: of a command that was applied before what is compared."""
    marked = markers_in(entry.comments)
    return any(
        earlier.timestamp_ms < entry.timestamp_ms
        and (earlier.storage_id, earlier.quantity) == (entry.storage_id, entry.quantity)
        and earlier.status == entry.status
        for earlier in history.marked_by(marked)
    )
