"""What the vendors have when a chaos run begins: enough parts, orders, rows and items for so many commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.sandbox import openbom, partbolt, partsbox

Json = dict[str, Any]

SHELF, BIN, LINE = (partsbox.id_for("storage", f"chaos-{name}") for name in ("shelf", "bin", "line"))
#: More than any run takes away.
PIECES: Final = 1_000_000
#: Pieces and lines of an order.
LINE_PIECES: Final = 20
ORDER_LINES: Final = 3
#: The vendor's time of the one entry of a part that corrections change.
ENTRY_MS: Final = 1_700_000_000_000
LANGUAGES: Final = ("en", "de", "fr")
COLUMNS: Final = ("Bin", "Description")
BOM, CATALOG = openbom.id_for("bom", "Chaos board"), openbom.id_for("catalog", "Chaos items")

ROUTES: Final = f"""
[routes.catalog_part.partsbox]
name = "attributes.stock-name.en"
description = "name.en"

[routes.catalog_part.openbom]
catalog_id = "{CATALOG}"
part_number = "attributes.stock-name.en"
properties = {{ Bin = "attributes.bin.en" }}

[imports.partbolt]
part_id = "mpn"
name = {{ en = "description", de = "description", fr = "description" }}
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many of each there are; lanes are as long as commands are more than these."""

    parts: int
    storages: int
    projects: int
    orders: int
    rows: int
    #: Parts that one command each brings into PartsBox and OpenBOM through the routes, and from PartBolt.
    routed: int
    items: int

    @classmethod
    def of(cls, commands: int) -> Sizes:
        """Choose sizes that let a run of so many commands have lanes of a few dozen, and work beside them."""
        small, large = max(commands // 250, 2), max(commands // 45, 4)
        return cls(
            parts=large, storages=small, projects=small, orders=max(commands // 66, 1), rows=small,
            routed=max(commands // 66, 1), items=max(commands // 50, 1),
        )  # fmt: skip


def texts(text: str) -> dict[str, str]:
    """Say the same in every language of the catalog."""
    return dict.fromkeys(LANGUAGES, text)


def part_name(number: int) -> str:
    """Name a part with stock."""
    return f"CH-{number:03d}"


def ordered_part(order: int, line: int) -> str:
    """Name the part of an order's line, which nothing else is about."""
    return f"CO-{order:03d}-{line}"


def routed_part(number: int) -> str:
    """Name a part that only the catalog's feed brings."""
    return f"CR-{number:03d}"


def imported_word(number: int) -> str:
    """Give the word that only this item of PartBolt has in its text."""
    return f"item-{number:03d}"


def fixtures(sizes: Sizes) -> dict[str, Json]:
    """Give by vendor what its sandbox loads."""
    return {
        "partsbox": _partsbox(sizes),
        "partium": {
            "languages": list(LANGUAGES),
            "attributes": [{"attribute_id": name, "type": "text"} for name in ("stock-name", "bin")],
        },
        "openbom": _openbom(sizes),
        "partbolt": {
            "parts": [
                {"name": imported_word(number), "mpn": f"CI-{number:03d}", "description": _described(number)}
                for number in range(sizes.items)
            ]
        },
    }


def _described(number: int) -> str:
    return f"Imported {imported_word(number)}"


def imported(number: int) -> tuple[str, str, dict[str, str]]:
    """Give the id of an item at PartBolt, and id and name of the catalog part that it becomes."""
    return partbolt.id_for("part", imported_word(number)), f"CI-{number:03d}", texts(_described(number))


def _partsbox(sizes: Sizes) -> Json:
    stocked = [part_name(number) for number in range(sizes.parts)]
    lines = {order: [ordered_part(order, line) for line in range(ORDER_LINES)] for order in range(sizes.orders)}
    ordered = [part for parts in lines.values() for part in parts]
    storages = ["chaos-shelf", "chaos-bin", "chaos-line", *(f"room-{number}" for number in range(sizes.storages))]
    entry = {"storage": "chaos-shelf", "stock/quantity": PIECES, "stock/timestamp": ENTRY_MS}
    return {
        "parts": [{"part/name": name} for name in (*stocked, *ordered)],
        "storages": [{"storage/name": name} for name in storages],
        "stock": [{"part": name, **entry} for name in stocked],
        "orders": [
            {
                "order/number": f"CO-{order}",
                "order/entries": [{"part": part, "stock/quantity": LINE_PIECES} for part in parts],
            }
            for order, parts in lines.items()
        ],
        "projects": [{"project/name": f"chaos-{number}"} for number in range(sizes.projects)],
    }


def _openbom(sizes: Sizes) -> Json:
    numbers = [part_name(number) for number in range(sizes.rows)]
    columns = {"Part Number": "T", **dict.fromkeys(COLUMNS, "T")}
    routed = [routed_part(number) for number in range(sizes.routed)]
    return {
        "boms": [{"name": "Chaos board", "columns": columns, "rows": [{"Part Number": each} for each in numbers]}],
        "catalogs": [
            {"name": "Chaos items", "columns": columns, "rows": [{"Part Number": each} for each in (*numbers, *routed)]}
        ],
    }
