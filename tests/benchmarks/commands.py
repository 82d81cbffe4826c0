"""The commands of our own rows: one call at Partium, three calls at PartsBox."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final

from tasks.catalog import UpsertPart
from tasks.stock import AddStock
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.commands import Command

SHELF_NAME: Final = "bench-shelf"
SHELF: Final = id_for("storage", SHELF_NAME)
_ticks = itertools.count(int(time.time() * 1000))
_numbers = itertools.count()

#: What the nth part is called at the vendor.
PART_NAME: Final = "bench-{}"


def upserts(count: int) -> list[Command]:
    """Write a part each: one request, if the worker shares none."""
    return [
        UpsertPart(part_id=f"B-{number}", name={"en": f"Part {number}"}, stock_timestamp=next(_ticks))
        for number in itertools.islice(_numbers, count)
    ]


def additions(count: int) -> list[Command]:
    """Add to a part each: read, write, read back."""
    return [addition(number) for number in itertools.islice(_numbers, count)]


def addition(number: int) -> Command:
    """Add to the part `PART_NAME` of this number; a command of its own each time."""
    return AddStock(
        part_id=id_for("part", PART_NAME.format(number)), storage_id=SHELF, quantity=1, stock_timestamp=next(_ticks)
    )


#: By the calls that each command makes: at which vendor, and how commands of it are made.
COMMANDS: Final[dict[int, tuple[str, Callable[[int], Sequence[Command]]]]] = {
    1: ("partium", upserts),
    3: ("partsbox", additions),
}
