"""A new generation of the directory while it is put together: pure, from the vendor's lists to what Redis keeps."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tasks.directory import MAX_CODE, Thing, ThingType, code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.directory import OrderHead
    from tasks.lots import Lot
    from tasks.parts import Part
    from tasks.storage import Storage

#: Of a name; what is longer is no name to show on a station's line.
MAX_NAME: Final = 200
_VENDOR_ID: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")


@dataclass(slots=True)
class Draft:
    """Collects things and part numbers. None for a list means that the vendor refuses it to our key."""

    #: id -> JSON
    things: dict[str, str] = field(default_factory=dict)
    #: part number -> part ids, in the vendor's order
    codes: dict[str, dict[str, None]] = field(default_factory=dict)
    counts: dict[str, int | None] = field(default_factory=dict)
    #: Records without an id that could be scanned.
    left_out: int = 0

    def add_parts(self, parts: Sequence[Part]) -> None:
        """Add parts, and their manufacturers' part numbers."""
        self._add(
            ThingType.PART,
            [
                Thing(part.part_id, ThingType.PART, _line(part.name), manufacturer=_line(part.manufacturer or ""))
                for part in parts
            ],
        )
        self.add_skus((part.mpn or "", part.part_id) for part in parts)

    def add_storages(self, storages: Sequence[Storage]) -> None:
        """Add storage locations, archived ones too: their labels are still there."""
        self._add(
            ThingType.STORAGE,
            [Thing(each.storage_id, ThingType.STORAGE, _line(each.name), archived=each.archived) for each in storages],
        )

    def add_lots(self, lots: Sequence[Lot] | None) -> None:
        """Add lots."""
        things = None if lots is None else [Thing(lot.lot_id, ThingType.LOT, _line(lot.name)) for lot in lots]
        self._add(ThingType.LOT, things)

    def add_orders(self, orders: Sequence[OrderHead] | None) -> None:
        """Add orders."""
        things = (
            None if orders is None else [Thing(each.order_id, ThingType.ORDER, _line(each.name)) for each in orders]
        )
        self._add(ThingType.ORDER, things)

    def add_skus(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Add part numbers of whatever issuer, each with the id of a part that is there."""
        for text, part_id in pairs:
            code = code_of(text)
            if code and len(code) <= MAX_CODE and part_id in self.things:
                self.codes.setdefault(code, {})[part_id] = None

    def written_codes(self) -> dict[str, str]:
        """Give the part numbers as the directory keeps them."""
        return {code: json.dumps(list(part_ids)) for code, part_ids in self.codes.items()}

    def _add(self, kind: ThingType, things: Sequence[Thing] | None) -> None:
        if things is None:
            self.counts[kind.value] = None
            return
        before = len(self.things)
        for thing in things:
            if _VENDOR_ID.fullmatch(thing.id):
                self.things.setdefault(thing.id, thing.to_json())
            else:
                self.left_out += 1
        self.counts[kind.value] = len(self.things) - before


def _line(text: str) -> str:
    """Write a vendor's name on one line that no terminal obeys: what cannot be printed is a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * MAX_NAME]).split())[:MAX_NAME]
