"""The names behind the ids of a play, for people: a story says `bolt` and not its 26 letters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.simulation import warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator


def _named() -> Iterator[tuple[str, str]]:
    parts = (*warehouse.STOCKED, *warehouse.SPARES, *warehouse.REPLACED, *warehouse.KITS, *warehouse.SHARED_BEFORE)
    places = (*warehouse.SHELVES, *warehouse.PLACES, *warehouse.CLOSED_PLACES)
    projects = (*warehouse.PROJECTS, *warehouse.DRAFTS, *warehouse.CLOSED_PROJECTS)
    nouns = {"part": parts, "storage": places, "project": projects, "lot": warehouse.LOTS, "order": warehouse.ORDERS}
    for noun, names in nouns.items():
        yield from ((warehouse.partsbox_id(noun, name), name) for name in names)
    for order in warehouse.ORDERS:
        lines = range(1, len(warehouse.ORDERED) + 1)
        yield from ((warehouse.line_id(order, position), f"{order}/{position}") for position in lines)
    for project in warehouse.PROJECTS:
        yield warehouse.partsbox_id("build", f"{project}/1"), f"{project}/1"
        entries = range(1, warehouse.ENTRIES + 1)
        yield from ((warehouse.entry_id(project, position), f"{project}/{position}") for position in entries)
    yield from ((warehouse.drawn_id(name), name) for name in warehouse.DRAWN)
    yield from ((warehouse.BOARD, "board"), (warehouse.CATALOG, "store"))


NAMES: Final[dict[str, str]] = dict(_named())
_ID: Final = re.compile("|".join(NAMES))


def named(text: str) -> str:
    """Put names in the place of all ids in a text."""
    return _ID.sub(lambda found: NAMES[found.group()], text)
