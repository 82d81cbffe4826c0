"""Whether a label may be booked without asking, once the directory has said which of its numbers it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from producers.scanner.labels.label import Label, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: Formats that name a thing by the vendor's id, which the directory resolves or does not.
_BY_ID: Final = frozenset({"partsbox-id", "partsbox-url"})


def open_doubts(label: Label, parts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Tell why a label must not be booked without asking; empty if nothing speaks against it.

    `parts` gives the ids of the parts that the directory found for each of `label.codes_to_check`; a number that it
    does not know is absent or has none. One known number is enough, as few directories hold every supplier's numbers;
    but the known ones must stand for one and the same part. A label of which separators were lost has numbers that
    nobody knows.
    """
    if label.format in _BY_ID:
        return label.doubts
    if not label.codes_to_check:
        return (*label.doubts, "the label names no part")
    known = {code: frozenset(parts.get(code, ())) for code in label.codes_to_check}
    known = {code: ids for code, ids in known.items() if ids}
    names = " and ".join(map(shown, known or label.codes_to_check))
    if not known:
        return (*label.doubts, f"the directory does not know {names}")
    same = frozenset.intersection(*known.values())
    if not same:
        return (*label.doubts, f"{names} are different parts")
    if len(same) > 1:
        return (*label.doubts, f"{names} may be {len(same)} parts: choose one")
    return label.doubts


def vouched(label: Label, parts: Mapping[str, Collection[str]]) -> bool:
    """Tell whether a label may be booked without asking: see `open_doubts`."""
    return not open_doubts(label, parts)
