"""The directory: what the vendor's ids and part numbers stand for, kept in Redis so that a scan needs no vendor call.

The vendor's worker keeps it (`workers.directory`). It may be old: `age` says how old, and a miss may ask for a newer
one. Names are the vendor's data, on one line and without secrets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from tasks.ledger import prefix_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

#: Longer than every part number; what is longer is never looked up.
MAX_CODE: Final = 100


class ThingType(StrEnum):
    """What an id can name."""

    PART = "part"
    STORAGE = "storage"
    LOT = "lot"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Thing:
    """What one id stands for."""

    id: str
    type: ThingType
    name: str
    #: Hidden at the vendor; its label may still be on a bag.
    archived: bool = False
    #: Of a part, where it is known: tells parts of one number apart.
    manufacturer: str = ""

    def to_json(self) -> str:
        """Write it as the directory keeps it under its id."""
        return json.dumps([self.type.value, self.name, int(self.archived), self.manufacturer], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class OrderHead:
    """An order in the list of all orders. `status` None: the vendor does not say."""

    order_id: str
    status: str | None = None
    name: str = ""
    #: The vendor SKUs of its lines with their part ids, where the list shows them.
    skus: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What the directory holds, and how old that is."""

    #: None for a type that the vendor refuses to list to our key.
    counts: Mapping[ThingType, int | None]
    #: Part numbers and SKUs.
    codes: int
    refreshed_ms: int
    age_seconds: float


def code_of(text: str) -> str:
    """Write a part number as it is looked up: capitals and blanks make no difference."""
    return " ".join(text.split()).casefold()


def directory_prefix(vendor: str) -> str:
    """Name what every key of a vendor's directory begins with; the keys are described in directory.lua."""
    return f"{prefix_of(vendor)}directory:"


class Directory:
    """Reads one vendor's directory. Redis errors come through; a vendor is never called."""

    def __init__(self, redis: Redis, vendor: str = "partsbox") -> None:
        source = resources.files("tasks").joinpath("directory.lua").read_text()
        self._script = redis.register_script(source)
        self._prefix = directory_prefix(vendor)

    async def resolve(self, vendor_id: str) -> Thing | None:
        """Tell what an id stands for; None when it is not in the directory."""
        if len(vendor_id) > MAX_CODE:
            return None
        found = await self._look("resolve", vendor_id)
        return None if found is None else _thing(vendor_id, found)

    async def parts_of(self, code: str) -> tuple[Thing, ...]:
        """Find the parts of a manufacturer's or a vendor's part number; more than one is for a person to decide."""
        code = code_of(code)
        if not code or len(code) > MAX_CODE:
            return ()
        found = await self._look("parts", code)
        things = (_thing(vendor_id, text) for vendor_id, text in zip(found[::2], found[1::2], strict=True))
        return tuple(thing for thing in things if thing is not None)

    async def wanted(self, text: str) -> bool:
        """Ask for a refresh because an id or part number is missing; false when it is known by now.

        However often this is asked, the vendor is read at most once in the worker's shortest gap.
        """
        if not text or len(text) > MAX_CODE:
            return False
        return bool(await self._look("wanted", text, code_of(text)))

    async def summary(self) -> Summary | None:
        """Count what is there; None when it was never filled."""
        refreshed_ms, counts, codes, now_ms = await self._look("summary")
        if refreshed_ms is None:
            return None
        known = json.loads(counts)
        return Summary(
            {each: known.get(each.value) for each in ThingType},
            int(codes),
            int(refreshed_ms),
            max(0, int(now_ms) - int(refreshed_ms)) / 1000,
        )

    async def age(self) -> float | None:
        """Tell how many seconds ago it was read from the vendor; None when it never was."""
        summary = await self.summary()
        return None if summary is None else summary.age_seconds

    async def _look(self, operation: str, *arguments: str) -> Any:
        safe = [argument.encode(errors="replace") for argument in arguments]
        return await self._script(keys=[self._prefix], args=[operation, *safe])


def _thing(vendor_id: str, text: str) -> Thing | None:
    """Read what is kept under an id; None for what cannot be read: the next refresh writes it anew."""
    try:
        kind, name, archived, manufacturer = json.loads(text)
        return Thing(vendor_id, ThingType(kind), str(name), bool(archived), str(manufacturer))
    except (TypeError, ValueError):
        return None
