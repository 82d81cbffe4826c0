"""The vendors' faults in a chaos run: every class where it can happen, spread over the requests to come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Mapping

    from tests.chaos.commands import Asked

Switch = dict[str, Any]

#: Kinds of commands -> the operation that each writes with, or reads with where it writes nothing.
OPERATIONS: Final[Mapping[str, str]] = {
    "stock.add": "stock/add",
    "stock.remove": "stock/remove",
    "stock.move": "stock/move",
    "stock.correct": "stock/update",
    "order.receive_line": "order/receive",
    "part.create": "part/create",
    "part.update": "part/update",
    "storage.update": "storage/update",
    "project.create": "project/create",
    "project.add_entries": "project/add-entries",
    "catalog.upsert_part": "parts/upsert",
    "catalog.upsert_assembly": "assemblies/upsert",
    "catalog.delete_part": "parts/delete",
    "bom.set_property": "bom/propertyvalue",
    "catalog.set_property": "catalog/propertyvalue",
    "cad.import_part": "parts/get",
}
#: Commands that share one request at a vendor that takes lists, about.
SHARING: Final[Mapping[str, int]] = {"partium": 25}
#: Of all requests of an operation, faults hit the first part: the rest is there for sure when they are over.
HIT: Final = 0.7

SECOND_WRITER: Final = "second_writer"
#: What happens to a write, and how often in a thousand requests that write; at least once.
WRITE_FAULTS: Final[tuple[tuple[int, Switch], ...]] = (
    (6, {"kind": "accept_then_drop"}),
    (2, {"kind": "accept_then_drop", "reset": True}),
    (4, {"kind": "drop_before"}),
    (3, {"kind": "late_commit", "delay_seconds": 0.5}),
    (1, {"kind": "late_commit", "delay_seconds": 1.2}),
    (2, {"kind": "status", "status": 500, "commit": True}),
    (1, {"kind": "status", "status": 500, "commit": False, "body": "html"}),
    (1, {"kind": "status", "status": 502, "commit": True, "body": "empty"}),
    (2, {"kind": "truncated"}),
    (1, {"kind": "garbage"}),
    (1, {"kind": "hang", "commit": True}),
    (1, {"kind": "delay", "delay_seconds": 1.0}),
    (1, {"kind": SECOND_WRITER}),
)
#: The same for whatever comes first, reads included.
ANY_FAULTS: Final[tuple[tuple[int, Switch], ...]] = (
    (1, {"kind": "status", "status": 429, "retry_after": "seconds"}),
    (1, {"kind": "status", "status": 429, "retry_after": "fraction", "retry_after_seconds": 0.4, "count": 3}),
    (1, {"kind": "status", "status": 429, "retry_after": "absent"}),
    (1, {"kind": "status", "status": 429, "retry_after": "ratelimit", "body": "empty"}),
    (1, {"kind": "status", "status": 503, "retry_after": "seconds", "count": 2}),
    (1, {"kind": "drop_before", "count": 2}),
    (1, {"kind": "truncated", "commit": False}),
)
MAIN_CLASSES: Final = ("status", "drop_before", "accept_then_drop", "late_commit")
#: Where somebody else writes beside us: not where names must be unique, or there is nothing left to write.
SHARED_BY: Final = (
    "stock/add",
    "stock/remove",
    "stock/move",
    "parts/upsert",
    "bom/propertyvalue",
    "catalog/propertyvalue",
)
#: A vendor that is only read has nothing to commit.
READ_ONLY: Final = ("partbolt",)


def switches(chance: random.Random, asked: Iterable[Asked], *, few: bool = False) -> dict[str, list[Switch]]:
    """Choose by vendor the switches to set before the first command; `few` takes the first of each main class."""
    found = {vendor: list(_of_vendor(chance, vendor, counts)) for vendor, counts in _requests(asked).items()}
    if not few:
        return found
    return {
        vendor: [next(each for each in chosen if each["kind"] == kind) for kind in _main_classes(vendor)]
        for vendor, chosen in found.items()
    }


def _main_classes(vendor: str) -> tuple[str, ...]:
    return ("status", "drop_before") if vendor in READ_ONLY else MAIN_CLASSES


def _requests(asked: Iterable[Asked]) -> dict[str, Counter[str]]:
    """Estimate by vendor how many requests of each operation will come, lost ones not counted."""
    found: dict[str, Counter[str]] = {}
    for command in (each for one in asked for each in one.expected):
        if command.kind in OPERATIONS:
            found.setdefault(command.vendor, Counter())[OPERATIONS[command.kind]] += 1
    return {
        vendor: Counter({operation: -(-count // SHARING.get(vendor, 1)) for operation, count in counts.items()})
        for vendor, counts in found.items()
    }


def _of_vendor(chance: random.Random, vendor: str, counts: Counter[str]) -> Iterator[Switch]:
    total = counts.total()
    for weight, switch in ANY_FAULTS:
        for _ in range(_number(weight, total)):
            yield {**switch, "skip": chance.randint(0, int(HIT * total))}
    for weight, switch in WRITE_FAULTS if vendor not in READ_ONLY else ():
        written = counts if switch["kind"] != SECOND_WRITER else Counter({each: counts[each] for each in SHARED_BY})
        for _ in range(_number(weight, total)):
            (operation,) = chance.choices(list(written), list(written.values()))
            yield {**switch, "operation": operation, "skip": chance.randint(0, int(HIT * (written[operation] - 1)))}


def _number(weight: int, requests: int) -> int:
    return max(weight * requests // 1000, 1)
