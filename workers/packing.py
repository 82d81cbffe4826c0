"""What shares one request: how much fits, and in which order it stands there. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

#: What JSON puts between two items of a list.
_COMMA: Final = ","


@dataclass(frozen=True, slots=True)
class Item:
    """One record's place in a list that a request carries."""

    record_id: str
    body: Any
    #: Its JSON, in ASCII: written once, measured and sent as it is.
    text: str
    #: The record that this one hangs below; empty for none.
    above: str = ""

    @classmethod
    def of(cls, record_id: str, body: Any, *, above: str = "") -> Item:
        """Make the item of a body."""
        return cls(record_id, body, json.dumps(body, separators=(",", ":"), allow_nan=False), above)

    @property
    def size(self) -> int:
        """Count the bytes of its JSON."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class Room:
    """What one request may carry: items, and bytes of its whole body. `frame_bytes` is the body without any item."""

    items: int
    body_bytes: int
    frame_bytes: int = len("[]")


class Waiting(Protocol):
    """Who waits for a place in a request."""

    @property
    def item(self) -> Item:
        """What it brings."""

    @property
    def company(self) -> int | None:
        """How many items its request may have, this one counted; None for as many as there is room for."""


W = TypeVar("W", bound=Waiting)


def pack(waiting: Iterable[W], room: Room, *, sharing: bool = False) -> list[W]:
    """Choose, in order of arrival, who goes into the next request: at least the first, and no more than fits.

    A record is named once in a request: who comes second for it waits for the next one, or with `sharing` takes the
    same place. Nobody overtakes an item that is too large for what is left, or wants less company.
    """
    chosen: list[W] = []
    named: set[str] = set()
    used, most = room.frame_bytes - len(_COMMA), room.items
    for one in waiting:
        item = one.item
        if item.record_id in named:
            if sharing:
                chosen.append(one)
            continue
        used += item.size + len(_COMMA)
        most = most if one.company is None else min(most, one.company)
        if chosen and (len(named) >= most or used > room.body_bytes):
            break
        named.add(item.record_id)
        chosen.append(one)
    return chosen


def list_text(items: Iterable[Item]) -> str:
    """Write the JSON list of the items."""
    return f"[{_COMMA.join(item.text for item in items)}]"


#: Puts the items of a request in the order that the vendor wants.
Arrange = Callable[[Sequence[Item]], Sequence[Item]]


def as_they_came(items: Sequence[Item]) -> Sequence[Item]:
    """Keep the order of arrival."""
    return items


def parents_first(items: Sequence[Item]) -> Sequence[Item]:
    """Put each record behind the one it hangs below, else in order of arrival.

    Records that hang below each other in a circle stand in some order: the vendor will refuse them.
    """
    known = {item.record_id: item for item in items}
    placed: dict[str, Item] = {}
    for item in items:
        placed.update((one.record_id, one) for one in reversed(list(_upwards(item, known, placed))))
    return list(placed.values())


def children_first(items: Sequence[Item]) -> Sequence[Item]:
    """Put each record before the one it hangs below."""
    return parents_first(items)[::-1]


def _upwards(item: Item, known: dict[str, Item], placed: dict[str, Item]) -> Iterator[Item]:
    """Walk from an item to the highest one above it that has no place yet."""
    passed: set[str] = set()
    above: Item | None = item
    while above is not None and above.record_id not in placed and above.record_id not in passed:
        passed.add(above.record_id)
        yield above
        above = known.get(above.above)
