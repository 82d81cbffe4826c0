"""Judging a read of a project's entries: which of the wanted ones are there? Pure, no vendor, no clock.

The vendor gives no ids back and appends at each send, so entries are counted: each that carries the marker stands for
one that was wanted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tasks.identity import markers_in
from tasks.lookup import Absent, Finding, Image, Landed, Undecidable, Why
from tasks.projects import without_markers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.project_entries import NewEntry, ProjectEntry


def marked_by(key: str, entries: Iterable[ProjectEntry]) -> tuple[ProjectEntry, ...]:
    """Give the entries that carry the command's marker."""
    return tuple(entry for entry in entries if key in markers_in(entry.comments or ""))


def judge_entries(wanted: Sequence[NewEntry], entries: Iterable[ProjectEntry], key: str, image: Image) -> Finding:
    """Decide whether the wanted entries are there; `image` has the ids of those that were there before.

    Undecidable as INCOMPLETE where some are and others are not.
    """
    entries = tuple(entries)
    marked = marked_by(key, entries)
    missing = find_missing(wanted, marked)
    if isinstance(missing, Undecidable):
        return missing
    if not missing:
        return Landed(marked)
    cores = {_core(wanted[place]) for place in missing}
    unmarked = tuple(
        entry
        for entry in entries
        if entry.entry_id not in image.record_ids and not markers_in(entry.comments or "") and _core(entry) in cores
    )
    if unmarked:
        return Undecidable(Why.UNMARKED, unmarked)
    return Undecidable(Why.INCOMPLETE, marked) if marked else Absent()


def find_missing(wanted: Sequence[NewEntry], marked: tuple[ProjectEntry, ...]) -> tuple[int, ...] | Undecidable:
    """Find the places of the wanted entries that no marked one stands for.

    Undecidable where there are too many, one that nobody wanted, or it can't be told which of several is there.
    """
    found: dict[tuple[object, ...], list[ProjectEntry]] = {}
    for entry in marked:
        found.setdefault(_core(entry), []).append(entry)
    places: dict[tuple[object, ...], list[int]] = {}
    for place, new in enumerate(wanted):
        places.setdefault(_core(new), []).append(place)
    if len(marked) > len(wanted) or any(len(found.get(core, ())) > len(same) for core, same in places.items()):
        return Undecidable(Why.DOUBLE, marked)
    if found.keys() - places.keys():
        return Undecidable(Why.CHANGED, marked)
    missing: list[int] = []
    for core, same in places.items():
        rest = _missing_of(wanted, same, found.get(core, []))
        if rest is None:
            return Undecidable(Why.PARTIAL, marked)
        missing += rest
    return tuple(sorted(missing))


def _core(entry: NewEntry | ProjectEntry) -> tuple[object, ...]:
    """Give what every vendor keeps as it was sent."""
    return entry.part_id, entry.quantity


def _rest(entry: NewEntry | ProjectEntry) -> tuple[object, ...]:
    """Give what tells entries of one core apart, but for the order: the vendor may number them anew."""
    designators = frozenset(entry.designators or ())
    return entry.name or "", designators, without_markers(entry.comments or ""), entry.cad_footprint or ""


def _missing_of(wanted: Sequence[NewEntry], places: list[int], found: list[ProjectEntry]) -> list[int] | None:
    """Tell which of the entries of one core are missing; None where that can't be told."""
    left = Counter(_rest(entry) for entry in found)
    missing = []
    for place in places:
        rest = _rest(wanted[place])
        if left[rest]:
            left[rest] -= 1
        else:
            missing.append(place)
    # changed since, or kept by the vendor in a form of its own: each still stands for one of them
    others = left.total()
    if others in (0, len(missing)) or len({_rest(wanted[place]) for place in missing}) == 1:
        return missing[others:]
    return None
