"""Judging stock movements and the receipts of order lines against a part's history, marker by marker."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tasks.identity import markers_in
from tasks.lookup import Proof
from tasks.projects import without_markers
from tasks.stock import AddStock
from workers.reconciler.findings import Finding, moment_of, shown
from workers.reconciler.offers import balanced, corrected, repeated
from workers.reconciler.remedies import Remedies, legs_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.lookup import Leg
    from tasks.ports import StockEntry
    from workers.reconciler.books import Told
    from workers.reconciler.findings import Findings
    from workers.reconciler.remedies import Movement, Place

#: Vendor prices are binary floats: equal within half of the smallest price.
PRICE_TOLERANCE: Final = Decimal("0.000000005")
_NO_REMEDIES: Final = Remedies()


@dataclass(slots=True)
class History:
    """One part's stock history, and what commands of ours have corrected in it since: fields by timestamp."""

    part_id: str
    entries: tuple[StockEntry, ...]
    corrected: Mapping[int, frozenset[str]]
    #: What was submitted to put differences right, by what it is about.
    remedies: Mapping[str, Remedies] = field(default_factory=dict)
    #: What people call the part.
    name: str = ""
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

    def remedies_about(self, about: str) -> Remedies:
        """Give what was submitted to put one difference right."""
        return self.remedies.get(about, _NO_REMEDIES)

    def marked_by(self, keys: frozenset[str]) -> list[StockEntry]:
        """Give the entries with the marker of one of these."""
        return [entry for key in sorted(keys) for entry in self._by_marker.get(key, ())]


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

    @property
    def remedies(self) -> Remedies:
        """Give what was submitted to put it right."""
        return self.history.remedies_about(self.told.key)

    def add(self, finding: Finding, detail: str, offers: Sequence[Any] = ()) -> None:
        self.findings.add(
            finding,
            f"part {self.history.part_id}",
            detail,
            place=f"part {self.history.part_id}",
            name=self.history.name,
            key=self.told.key,
            kind=self.command.kind,
            expected=[{"storage_id": leg.storage_id, "quantity": leg.quantity} for leg in legs_of(self.command)],
            found=[entry.shown() for entry in self.own],
            offers=offers,
            counted=self.remedies.keys(),
        )


def judge_movement(findings: Findings, history: History, told: Told, command: Movement) -> None:
    """Note how an applied movement differs from what is in the part's history."""
    findings.compared.add(told.key)
    own = history.own(told)
    history.accounted |= {entry.timestamp_ms for entry in own}
    judged = _Judged(findings, history, told, command, own)
    if not own and told.key not in history.remedies:
        judged.add(Finding.MISSING, f"no entry has the marker of {command.summary()}", [repeated(told)])
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
    expected: Counter[Place] = Counter()
    for leg in legs:
        expected[leg.storage_id, leg.lot_id] += leg.quantity
    found = judged.remedies.pieces(legs)
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
    if only not in (None, finding):
        return
    if judged.remedies.undecided:
        judged.findings.skip(f"part {judged.history.part_id}", judged.remedies.on_its_way())
        return
    in_lots = _in_lots(missing, _extra(judged, legs))
    judged.add(finding, words, balanced(judged.command.part_id, in_lots, told.key, told.accepted_ms))


def _place(entry: StockEntry) -> Place:
    return entry.storage_id or "", entry.lot_id


def _in_lots(missing: Mapping[Place, int], extra: Sequence[StockEntry]) -> dict[Place, int]:
    """Name the lots that pieces too many lie in, where the command named none: those of the entries too many."""
    found = Counter(missing)
    for entry in extra:
        nowhere = (entry.storage_id or "", None)
        if entry.lot_id is not None and found[nowhere] * entry.quantity < 0:
            found[nowhere] += entry.quantity
            found[_place(entry)] -= entry.quantity
    return dict(found)


def _word(judged: _Judged, legs: Sequence[Leg]) -> tuple[Finding, str]:
    """Tell what pieces in the wrong number or place are."""
    pieces = " and ".join(_pieces(entry) for entry in judged.own) or "nothing"
    wanted = " and ".join(_pieces(leg) for leg in legs)
    if again := len(judged.remedies.applied):
        wanted += f", though {again} commands were to put it right"
    if _extra(judged, legs):
        return Finding.DOUBLE, f"its marker is on {len(_marked(judged))} entries: {pieces}, not {wanted}"
    named = timestamps(judged.told)
    gone = named - {entry.timestamp_ms for entry in judged.own}
    fitted = [leg for leg in legs if any(leg.fits(entry) for entry in judged.own)]
    if gone or (not named and len(fitted) < len(legs) and all(_fits(entry, legs) for entry in judged.own)):
        return Finding.MISSING, f"only a part of it is there: {pieces}, not {wanted}"
    return Finding.CHANGED, f"the entry has {pieces}, not {wanted}"


def _marked(judged: _Judged) -> list[StockEntry]:
    return [entry for entry in judged.own if judged.told.key in markers_in(entry.comments)]


def _extra(judged: _Judged, legs: Sequence[Leg]) -> list[StockEntry]:
    """Give the entries with the marker that were not the command's own."""
    named = timestamps(judged.told)
    marked = _marked(judged)
    return [entry for entry in marked if entry.timestamp_ms not in named] if named else marked[len(legs) :]


def _pieces(counted: StockEntry | Leg) -> str:
    lot = f" in lot {counted.lot_id}" if counted.lot_id else ""
    return f"{counted.quantity:+d} at {counted.storage_id}{lot}"


def _fits(entry: StockEntry, legs: Sequence[Leg]) -> bool:
    return any(leg.fits(entry) for leg in legs)


def _judge_entry(judged: _Judged, entry: StockEntry) -> None:
    """Compare an entry's comment and price, as far as no command of ours has corrected them since."""
    command, by_us = judged.command, judged.history.corrected.get(entry.timestamp_ms, frozenset())
    if "comments" not in by_us:
        if judged.told.key not in markers_in(entry.comments):
            if judged.told.proof == Proof.MARKER:  # else the vendor never showed it
                judged.add(Finding.CHANGED, f"the entry of {moment_of(entry.timestamp_ms)} has lost its marker")
        elif _words(entry.comments) != _words(command.comments):
            judged.add(Finding.CHANGED, f"its comment is {shown(entry.comments)}, not {shown(command.comments)}")
    if isinstance(command, AddStock) and command.price is not None and not by_us & {"price", "currency"}:
        same = entry.price is not None and abs(entry.price - command.price) <= PRICE_TOLERANCE
        if not same or entry.currency != command.currency:
            fields = {"price": str(command.price), "currency": command.currency}
            text = f"its price is {entry.price} {entry.currency}, not {command.price} {command.currency}"
            offer = corrected(command.part_id, entry.timestamp_ms, fields, judged.told)
            judged.add(Finding.CHANGED, text, [offer])


def _words(comments: str) -> list[str]:
    return without_markers(comments).split()
