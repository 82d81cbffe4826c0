"""Judging stock movements and the receipts of order lines against a part's history, marker by marker."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tasks.identity import markers_in
from tasks.lookup import Leg, Proof
from tasks.orders import ReceiveLine
from tasks.projects import without_markers
from tasks.records import State
from tasks.stock import AddStock, MoveStock, RemoveStock
from workers.reconciler.findings import Finding, shown
from workers.reconciler.offers import balanced, corrected, repeated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.ports import StockEntry
    from workers.reconciler.books import Told
    from workers.reconciler.findings import Findings

#: Vendor prices are binary floats: equal within half of the smallest price.
PRICE_TOLERANCE: Final = Decimal("0.000000005")
Movement = AddStock | RemoveStock | MoveStock | ReceiveLine
MOVEMENTS: Final = (AddStock, RemoveStock, MoveStock, ReceiveLine)


def legs_of(command: Movement) -> tuple[Leg, ...]:
    """List the entries that a movement writes."""
    match command:
        case RemoveStock():
            return (Leg(command.storage_id, -command.quantity, command.lot_id),)
        case MoveStock():
            arriving = None if command.split_lot else command.lot_id
            return (
                Leg(command.from_storage_id, -command.quantity, command.lot_id),
                Leg(command.to_storage_id, command.quantity, arriving),
            )
    return (Leg(command.storage_id, command.quantity),)


@dataclass(slots=True)
class History:
    """One part's stock history, and what commands of ours have corrected in it since: fields by timestamp."""

    part_id: str
    entries: tuple[StockEntry, ...]
    corrected: Mapping[int, frozenset[str]]
    #: Timestamps of entries that a command accounts for.
    accounted: set[int] = field(default_factory=set)
    _by_marker: dict[str, list[StockEntry]] = field(default_factory=lambda: defaultdict(list))
    _by_timestamp: dict[int, list[StockEntry]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for entry in self.entries:
            self._by_timestamp[entry.timestamp_ms].append(entry)
            for key in markers_in(entry.comments):
                self._by_marker[key].append(entry)

    def own(self, told: Told) -> tuple[StockEntry, ...]:
        """Give the entries of a command: those with its marker, and those that its receipt names."""
        marked = self._by_marker.get(told.key, [])
        named = [entry for stamp in sorted(timestamps(told)) for entry in self._by_timestamp.get(stamp, [])]
        return (*marked, *(entry for entry in named if entry not in marked))


def timestamps(told: Told) -> frozenset[int]:
    """Give the timestamps that a command's receipt names."""
    return frozenset(stamp for entry in told.entries if isinstance(stamp := entry.get("timestamp_ms"), int))


@dataclass(frozen=True, slots=True)
class _Judged:
    """A movement and its entries."""

    findings: Findings
    history: History
    told: Told
    command: Movement
    own: tuple[StockEntry, ...]

    def add(self, finding: Finding, detail: str, offers: Sequence[Any] = ()) -> None:
        self.findings.add(
            finding,
            f"part {self.history.part_id}",
            detail,
            place=f"part {self.history.part_id}",
            key=self.told.key,
            kind=self.command.kind,
            expected=[{"storage_id": leg.storage_id, "quantity": leg.quantity} for leg in legs_of(self.command)],
            found=[entry.shown() for entry in self.own],
            offers=tuple(offers),
        )


def judge_movement(findings: Findings, history: History, told: Told, command: Movement) -> None:
    """Note how an applied movement differs from what is in the part's history."""
    findings.compared.add(told.key)
    own = history.own(told)
    history.accounted |= {entry.timestamp_ms for entry in own}
    judged = _Judged(findings, history, told, command, own)
    if not own:
        judged.add(Finding.MISSING, f"no entry has the marker of {command.summary()}", [repeated(told, findings.at_ms)])
        return
    _judge_pieces(judged)
    for entry in own:
        _judge_entry(judged, entry)


def judge_undecided(findings: Findings, history: History, told: Told, command: Movement) -> None:
    """Note a movement that has not ended, or is held, and is in the part's history twice all the same."""
    own = history.own(told)
    history.accounted |= {entry.timestamp_ms for entry in own}
    if own:
        _judge_pieces(_Judged(findings, history, told, command, own), only=Finding.DOUBLE)


def _judge_pieces(judged: _Judged, only: Finding | None = None) -> None:
    """Compare the pieces at each place; an entry that a command of ours has corrected since is left out."""
    told, legs = judged.told, legs_of(judged.command)
    expected: Counter[tuple[str, str | None]] = Counter()
    for leg in legs:
        expected[leg.storage_id, leg.lot_id] += leg.quantity
    found: Counter[tuple[str, str | None]] = Counter()
    kept = {entry.get("timestamp_ms"): entry.get("quantity") for entry in told.entries}
    for entry in judged.own:
        place = next(((leg.storage_id, leg.lot_id) for leg in legs if leg.fits(entry)), _place(entry))
        if "quantity" in judged.history.corrected.get(entry.timestamp_ms, ()):
            # the correction is compared by itself
            was = kept.get(entry.timestamp_ms)
            found[place] += was if isinstance(was, int) else expected[place]
        elif entry.status is None:
            found[place] += entry.quantity
    missing = {place: expected[place] - found[place] for place in {**expected, **found}}
    if not any(missing.values()):
        return
    finding, words = _word(judged, legs)
    if only in (None, finding):
        judged.add(finding, words, balanced(judged.command.part_id, missing, told.key, judged.findings.at_ms))


def _place(entry: StockEntry) -> tuple[str, str | None]:
    return entry.storage_id or "", entry.lot_id


def _word(judged: _Judged, legs: Sequence[Leg]) -> tuple[Finding, str]:
    """Tell what pieces in the wrong number or place are."""
    named = timestamps(judged.told)
    marked = [entry for entry in judged.own if judged.told.key in markers_in(entry.comments)]
    extra = [entry for entry in marked if entry.timestamp_ms not in named] if named else marked[len(legs) :]
    pieces = " and ".join(f"{entry.quantity:+d} at {entry.storage_id}" for entry in judged.own)
    wanted = " and ".join(f"{leg.quantity:+d} at {leg.storage_id}" for leg in legs)
    if extra:
        return Finding.DOUBLE, f"its marker is on {len(marked)} entries: {pieces}, not {wanted}"
    gone = named - {entry.timestamp_ms for entry in judged.own}
    fitted = [leg for leg in legs if any(leg.fits(entry) for entry in judged.own)]
    if gone or (not named and len(fitted) < len(legs) and all(_fits(entry, legs) for entry in judged.own)):
        return Finding.MISSING, f"only a part of it is there: {pieces}, not {wanted}"
    return Finding.CHANGED, f"the entry has {pieces}, not {wanted}"


def _fits(entry: StockEntry, legs: Sequence[Leg]) -> bool:
    return any(leg.fits(entry) for leg in legs)


def _judge_entry(judged: _Judged, entry: StockEntry) -> None:
    """Compare an entry's comment and price, as far as no command of ours has corrected them since."""
    command, by_us = judged.command, judged.history.corrected.get(entry.timestamp_ms, frozenset())
    if "comments" not in by_us:
        if judged.told.key not in markers_in(entry.comments):
            if judged.told.proof == Proof.MARKER:  # else the vendor never showed it
                judged.add(Finding.CHANGED, f"the entry of {entry.timestamp_ms} has lost its marker")
        elif _words(entry.comments) != _words(command.comments):
            judged.add(Finding.CHANGED, f"its comment is {shown(entry.comments)}, not {shown(command.comments)}")
    if isinstance(command, AddStock) and command.price is not None and not by_us & {"price", "currency"}:
        same = entry.price is not None and abs(entry.price - command.price) <= PRICE_TOLERANCE
        if not same or entry.currency != command.currency:
            fields = {"price": str(command.price), "currency": command.currency}
            text = f"its price is {entry.price} {entry.currency}, not {command.price} {command.currency}"
            offer = corrected(command.part_id, entry.timestamp_ms, fields, judged.told.key, judged.findings.at_ms)
            judged.add(Finding.CHANGED, text, [offer])


def _words(comments: str) -> list[str]:
    return without_markers(comments).split()


def judge_strangers(
    findings: Findings,
    history: History,
    states: Mapping[str, State | None],
    *,
    since_ms: int,
    user: str | None,
    is_ours: bool,
) -> None:
    """Note the entries since a moment that no command accounts for.

    `user` is the vendor's name of our API user where it is known; `is_ours` tells a part that commands have moved.
    """
    for entry in history.entries:
        if entry.timestamp_ms < since_ms or entry.timestamp_ms in history.accounted:
            continue
        if (why := _stranger(entry, states, user, is_ours=is_ours)) is None:
            continue
        by_us = user is None or entry.user in (None, user) or bool(markers_in(entry.comments))
        reverse = by_us and entry.status is None and entry.quantity and entry.storage_id is not None
        about = f"entry {entry.timestamp_ms}"
        findings.add(
            Finding.FOREIGN,
            f"part {history.part_id}",
            f"{entry.quantity:+d} at {entry.storage_id} by {entry.user or 'an unnamed user'}: {why}",
            place=f"part {history.part_id}",
            key=next(iter(sorted(markers_in(entry.comments))), ""),
            found=entry.shown(),
            offers=balanced(history.part_id, {_place(entry): -entry.quantity}, about, findings.at_ms)
            if reverse
            else (),
        )


def _stranger(entry: StockEntry, states: Mapping[str, State | None], user: str | None, *, is_ours: bool) -> str | None:
    """Say why an entry is a stranger; None where it is none."""
    marked = markers_in(entry.comments)
    if marked:
        found = [(key, states.get(key)) for key in sorted(marked)]
        if any(key not in states for key, _ in found):
            return "the ledger does not know its marker"
        ended = [state for _, state in found if state in (State.REJECTED, State.CANCELLED)]
        return f"its command is {ended[0].value} in the ledger" if len(ended) == len(found) and ended[0] else None
    if entry.status is not None:
        return None  # ordered, planned, reserved: not on hand, and the vendor's own programs write such
    if user is not None and entry.user == user:
        return "our API user wrote it, and it has no marker"
    return "it has no marker, on a part that commands have moved" if is_ours else None
