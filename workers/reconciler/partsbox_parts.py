"""Comparing the parts of PartsBox: movements by their markers, strangers among them, and the fields of each part."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tasks.part_upsert import CreatePart
from tasks.parts import DeletePart
from tasks.stock import CorrectStock
from workers.reconciler.cells import compare, is_equal
from workers.reconciler.claims import entry_subject, part_subject
from workers.reconciler.findings import Finding
from workers.reconciler.movements import PRICE_TOLERANCE, History, judge_movement, judge_undecided
from workers.reconciler.offers import removed
from workers.reconciler.remedies import MOVEMENTS, remedies_of
from workers.reconciler.strangers import Strangers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.parts import Part
    from tasks.ports import StockEntry
    from workers.reconciler.books import Told
    from workers.reconciler.comparison import Look
    from workers.vendors.partsbox.wire.histories import PartHistory

#: What the list of all parts is read for, besides the parts that commands are about.
_OTHERS: Final = "entries on parts that no command has moved"


async def compare_parts(look: Look, port: Any, user: str | None) -> None:
    """Compare every part that commands are about, and look through the others for strangers."""
    if look.places is not None and not any(place.startswith("part ") for place in look.places):
        return
    comparing = _Comparing(look, user, _movements(look), _undecided(look), _corrected(look))
    wanted = comparing.wanted()
    found, unread = await _read(look, port, wanted, comparing.moved())
    for part_id in sorted(wanted - unread):
        comparing.compare_part(part_id, found.get(part_id))
        await asyncio.sleep(0)  # a long history takes its time, and commands run in this loop too
    for part_id in sorted(found.keys() - wanted):
        if look.looks_at(str(part_subject(part_id))):
            history = History(part_id, found[part_id].entries or (), {}, name=found[part_id].part.name)
            comparing.find_strangers(history, is_ours=False)
    comparing.find_twins([each.part for each in found.values()])


async def _read(look: Look, port: Any, wanted: set[str], moved: set[str]) -> tuple[dict[str, PartHistory], set[str]]:
    """Read all parts at once, and those again that this cannot tell of; gives too the ids of parts not read."""
    listed = await look.read(_OTHERS, port.part_histories)
    found = {} if listed is None else {each.part.part_id: each for each in listed[0]}
    shows_stock = any(each.entries is not None for each in found.values())
    if found and not shows_stock:
        look.findings.skip(_OTHERS, "the vendor's list of parts leaves their stock out")
    unread = set()
    for part_id in sorted(wanted):
        is_told = part_id in found and (found[part_id].entries is not None or part_id not in moved)
        if is_told:
            continue
        read = await look.read(str(part_subject(part_id)), partial(port.part_history, part_id))
        if read is None:
            unread.add(part_id)
            found.pop(part_id, None)
        elif read[0] is not None:
            found[part_id] = read[0]
    return found, unread


def _movements(look: Look) -> dict[str, list[Told]]:
    """Give the movements of each part, but for those that went with the part when it was deleted."""
    found: dict[str, list[Told]] = defaultdict(list)
    for told in look.applied:
        if isinstance(told.command, DeletePart):
            found.pop(told.command.part_id, None)
        elif isinstance(told.command, MOVEMENTS) and look.looks_at(str(part_subject(told.command.part_id))):
            found[told.command.part_id].append(told)
    return found


def _undecided(look: Look) -> dict[str, list[Told]]:
    """Give the movements of each part that have not ended, or are held."""
    found: dict[str, list[Told]] = defaultdict(list)
    for told in look.books.undecided:
        if isinstance(told.command, MOVEMENTS) and look.looks_at(str(part_subject(told.command.part_id))):
            found[told.command.part_id].append(told)
    return found


def _corrected(look: Look) -> dict[str, dict[int, frozenset[str]]]:
    """Give the fields of stock entries that commands have corrected, or may have, by part and timestamp."""
    found: dict[str, dict[int, frozenset[str]]] = defaultdict(dict)
    for told in (*look.applied, *look.books.undecided):
        if isinstance(command := told.command, CorrectStock):
            given = {"quantity": command.quantity, "comments": command.new_comments, "price": command.price}
            entries = found[command.part_id]
            names = {name for name, value in given.items() if value is not None}
            entries[command.entry_timestamp] = entries.get(command.entry_timestamp, frozenset()) | names
    return found


@dataclass(frozen=True, slots=True)
class _Comparing:
    """The parts of one look."""

    look: Look
    user: str | None
    movements: dict[str, list[Told]]
    undecided: dict[str, list[Told]]
    corrected: dict[str, dict[int, frozenset[str]]]

    def wanted(self) -> set[str]:
        """Name the parts that commands are about."""
        return self.moved() | {subject.id for subject in self.look.of("part")}

    def moved(self) -> set[str]:
        """Name the parts whose stock commands are about."""
        entries = (subject.within.removeprefix("part ") for subject in self.look.of("stock entry"))
        return {*self.movements, *self.undecided, *entries}

    def compare_part(self, part_id: str, found: PartHistory | None) -> None:
        """Compare one part; `found` is None where it is not there."""
        self._compare_record(part_id, None if found is None else found.part)
        moved = self.movements.get(part_id, [])
        if found is None:
            self._movements_gone(part_id, moved)
            return
        remedies = remedies_of((*moved, *self.undecided.get(part_id, ())))
        history = History(part_id, found.entries or (), self.corrected.get(part_id, {}), remedies, found.part.name)
        for told in moved:
            judge_movement(self.look.findings, history, told, told.command)  # type: ignore[arg-type]
        for told in self.undecided.get(part_id, []):
            judge_undecided(self.look.findings, history, told, told.command)  # type: ignore[arg-type]
        self._compare_entries(history)
        self.find_strangers(history, is_ours=bool(moved))

    def find_strangers(self, history: History, *, is_ours: bool) -> None:
        """Note the entries that no command accounts for."""
        look = self.look
        Strangers(look.findings, look.books, look.since_ms, self.user).judge(history, is_ours=is_ours)

    def find_twins(self, parts: list[Part]) -> None:
        """Note the parts that a command has created and that are there a second time, by their name."""
        by_name: dict[str, list[Part]] = defaultdict(list)
        for part in parts:
            by_name[part.name].append(part)
        for subject, standing in self.look.of("part").items():
            cell = standing.cells.get("name")
            if cell is None or not isinstance(cell.told.command, CreatePart):
                continue
            named = by_name.get(cell.value, ())
            others = [part for part in named if part.part_id != subject.id]
            if 0 < len(others) < len(named):  # else its own is gone, and another may be what was made anew
                self.look.findings.add(
                    Finding.DOUBLE,
                    str(subject),
                    f"{len(others) + 1} parts are named {cell.value}",
                    place=str(subject),
                    key=cell.told.key,
                    kind=cell.told.command.kind,
                    found=[subject.id, *(part.part_id for part in others)],
                    offers=tuple(removed(DeletePart, "part_id", part.part_id, cell.told) for part in others),
                )

    def _compare_record(self, part_id: str, part: Part | None) -> None:
        subject = part_subject(part_id)
        if (standing := self.look.standings.get(subject)) is not None:
            found = None if part is None else _shown(part, standing.cells)
            compare(self.look.findings, subject, standing, found, place=str(subject), same=_same_field)

    def _movements_gone(self, part_id: str, moved: list[Told]) -> None:
        subject = part_subject(part_id)
        standing = self.look.standings.get(subject)
        self.look.findings.compared |= {told.key for told in moved}
        unsettled = standing is not None and (standing.unsure or bool(standing.cells))
        if moved and not unsettled and not _may_be_deleted(self.look, part_id):
            self.look.findings.add(
                Finding.MISSING,
                str(subject),
                f"the part is not there, and with it {len(moved)} movements",
                place=str(subject),
                key=moved[-1].key,
                kind=moved[-1].command.kind,
                expected=[told.key for told in moved],
            )

    def _compare_entries(self, history: History) -> None:
        """Compare the stock entries that commands have corrected."""
        for timestamp_ms in history.corrected:
            subject = entry_subject(history.part_id, timestamp_ms)
            if (standing := self.look.standings.get(subject)) is not None:
                entry = next((entry for entry in history.entries if entry.timestamp_ms == timestamp_ms), None)
                found = None if entry is None else _entry_fields(entry)
                compare(self.look.findings, subject, standing, found, place=subject.within, same=_same_field)


def _may_be_deleted(look: Look, part_id: str) -> bool:
    deletions = (told.command for told in look.books.undecided if isinstance(told.command, DeletePart))
    return any(command.part_id == part_id for command in deletions)


def _shown(part: Part, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Give a part's fields as claims name them; custom fields only where the vendor shows any."""
    found = part.values()
    linked = {"member": part.member_ids, "substitute": part.substitute_ids}
    for name in wanted:
        noun, _, which = name.partition(" ")
        if noun in linked:
            found[name] = which in linked[noun]
        elif name.startswith("custom field ") and part.custom_fields is not None:
            found[name] = part.custom_fields.get(name.removeprefix("custom field "))
    return found


def _entry_fields(entry: StockEntry) -> dict[str, Any]:
    return {
        "quantity": entry.quantity,
        "comments": entry.comments,
        "price": entry.price,
        "currency": entry.currency,
    }


def _same_field(name: str, there: Any, wanted: Any) -> bool:
    if name == "price":
        return isinstance(there, Decimal) and abs(there - wanted) <= PRICE_TOLERANCE
    if name.startswith("custom field "):
        return (there or "") == (wanted or "")
    return is_equal(name, there, wanted)
