"""What the vendors hold before a play begins, small and quick to load, and where catalog parts go."""

from __future__ import annotations

from typing import Any, Final

from tasks.routes import Routes
from tests.sandbox import openbom, partbolt, partsbox
from tests.simulation.plan import START_MS

Record = dict[str, Any]

PARTSBOX, PARTIUM, OPENBOM, PARTBOLT = "partsbox", "partium", "openbom", "partbolt"

#: Parts on the shelves; few, so that commands meet in their lanes.
STOCKED: Final = ("bolt", "nut", "washer", "spring", "gear")
SHELVES: Final = ("shelf-1", "shelf-2", "line-1")
#: Pieces of each on each of the first two shelves: more than any plan takes.
STOCKED_PIECES: Final = 10_000
#: When the first shelf was filled: names the stock entries that are corrected.
FILLED_MS: Final = START_MS - 86_400_000
#: Parts for what happens to a part but once.
SPARES: Final = ("spare-1", "spare-2", "spare-3")
#: Parts with a substitute and a custom field, each of which goes once.
REPLACED: Final = ("worn-1", "worn-2")
#: Meta-parts; the first only gets members, the others lose their one.
KITS: Final = ("kit-1", "kit-2", "kit-3")
#: The members and substitutes that are there from the start, and the custom fields that are set.
LINKED: Final = STOCKED[:2]
FIELD_KEYS: Final = ("batch", "colour")
LOTS: Final = ("lot-1", "lot-2")
PLACES: Final = ("place-1", "place-2", "place-3", "place-4")
#: Archived from the start.
CLOSED_PLACES: Final = ("closed-1", "closed-2")
#: Orders that are received whole, and orders of which lines are received, each of two parts.
WHOLE_ORDERS: Final = ("SO-1", "SO-2")
LINE_ORDERS: Final = ("SO-3", "SO-4", "SO-5")
ORDERS: Final = (*WHOLE_ORDERS, *LINE_ORDERS)
ORDERED: Final = (("gear", 40), ("spring", 60))
PROJECTS: Final = ("lamp", "clock")
#: Projects for what happens to a project but once.
DRAFTS: Final = ("draft-1", "draft-2", "draft-3")
CLOSED_PROJECTS: Final = ("closed-1", "closed-2")
#: Entries of each of the first projects; so many of them are never deleted.
ENTRIES: Final = 6
KEPT_ENTRIES: Final = 2

SCREWS: Final = tuple(f"P-{number}" for number in range(1, 7))
#: In the catalog from the start; each can be deleted once.
OLD_SCREWS: Final = SCREWS[:4]
MACHINES: Final = ("press", "saw")
MODULES: Final = tuple(f"module-{number}" for number in range(1, 5))
OLD_MODULES: Final = ("old-1", "old-2")
#: Parts of the catalog that two other vendors get as well.
SHARED: Final = tuple(f"shared-{number}" for number in range(1, 7))
#: Of these PartsBox has a part before.
SHARED_BEFORE: Final = SHARED[:2]

#: Names that an upsert finds.
NAMED_BEFORE: Final = (*STOCKED, *SHARED_BEFORE)

BOARD, CATALOG = openbom.id_for("bom", "board"), openbom.id_for("catalog", "store")
ROWS: Final = ("10R", "1K", "10K", "100N")
#: Parts of the CAD system; each can be imported once.
DRAWN: Final = tuple(f"drawn-{number}" for number in range(1, 7))

ROUTES: Final = Routes.model_validate(
    {
        "routes": {
            "catalog_part": {
                "partsbox": {"name": "attributes.shared.en", "description": "name.en"},
                "openbom": {
                    "catalog_id": CATALOG,
                    "part_number": "attributes.shared.en",
                    "properties": {"Bin": "attributes.bin.en"},
                },
            }
        },
        "imports": {"partbolt": {"part_id": "mpn", "name": {"en": "description"}}},
    }
)


def maker_number(name: str) -> str:
    """Give the maker's number of a part of the CAD system: its id in the catalog."""
    return f"EX-{name}"


def description(name: str) -> str:
    """Give the description of a part of the CAD system: its name in the catalog."""
    return f"Motor {name}"


def _stock() -> list[Record]:
    first, second, _ = SHELVES
    filled = [
        {"part": part, "storage": first, "stock/quantity": STOCKED_PIECES, "stock/timestamp": FILLED_MS + number}
        for number, part in enumerate(STOCKED)
    ]
    return filled + [{"part": part, "storage": second, "stock/quantity": STOCKED_PIECES} for part in STOCKED]


def _projects() -> list[Record]:
    entries = [{"part": STOCKED[0], "entry/name": f"row {number}", "entry/quantity": 1} for number in range(ENTRIES)]
    builds = [{"build/quantity": 5}]
    return [
        *({"project/name": name, "entries": entries, "builds": builds} for name in PROJECTS),
        *({"project/name": name} for name in DRAFTS),
        *({"project/name": name, "project/archived?": True} for name in CLOSED_PROJECTS),
    ]


_WORN: Final = {
    "part/substitute-ids": [partsbox.id_for("part", name) for name in LINKED],
    "part/custom-fields": [{"key": "supplier", "value": "Acme"}],
}
#: Shown from the start, so that a new value must show too.
_BATCHED: Final = {"part/custom-fields": [{"key": key, "value": "first"} for key in FIELD_KEYS]}
_PARTSBOX: Final[Record] = {
    "unique_part_names": True,
    "parts": [
        *({"part/name": name, **_BATCHED} for name in STOCKED),
        *({"part/name": name} for name in (*SHARED_BEFORE, *SPARES)),
        *({"part/name": name, **_WORN} for name in REPLACED),
        *(
            {"part/name": kit, "part/type": "meta", "part/part-ids": [partsbox.id_for("part", name) for name in LINKED]}
            for kit in KITS
        ),
    ],
    "storages": [
        *({"storage/name": name} for name in (*SHELVES, *PLACES)),
        *({"storage/name": name, "storage/archived?": True} for name in CLOSED_PLACES),
    ],
    "lots": [{"part": STOCKED[0], "lot/name": name} for name in LOTS],
    "stock": _stock(),
    "orders": [
        {
            "order/number": number,
            "order/status": "ordered",
            "order/entries": [{"part": part, "stock/quantity": pieces} for part, pieces in ORDERED],
        }
        for number in ORDERS
    ],
    "projects": _projects(),
}

_PARTIUM: Final[Record] = {
    "languages": ["en"],
    "attributes": [{"attribute_id": name, "type": "text"} for name in ("weight", "shared", "bin")],
    "parts": [{"part_id": part_id, "name": {"en": "old"}} for part_id in OLD_SCREWS],
    "assemblies": [
        *({"ass_id": ass_id, "parent_id": "", "name": {"en": ass_id}} for ass_id in MACHINES),
        *({"ass_id": ass_id, "parent_id": MACHINES[0], "name": {"en": ass_id}} for ass_id in OLD_MODULES),
    ],
}

_COLUMNS: Final = {"Part Number": "T", "Description": "T", "Bin": "T", "Quantity": "N"}
_OPENBOM: Final[Record] = {
    "boms": [{"name": "board", "columns": _COLUMNS, "rows": [{"Part Number": row, "Quantity": "1"} for row in ROWS]}],
    "catalogs": [
        {"name": "store", "columns": _COLUMNS, "rows": [{"Part Number": row} for row in (*ROWS, *SHARED)]},
    ],
}

_PARTBOLT: Final[Record] = {
    "parts": [{"name": name, "mpn": maker_number(name), "description": description(name)} for name in DRAWN],
}

#: By vendor, as its sandbox's `load_fixture` takes it.
FIXTURES: Final[dict[str, Record]] = {
    PARTSBOX: _PARTSBOX,
    PARTIUM: _PARTIUM,
    OPENBOM: _OPENBOM,
    PARTBOLT: _PARTBOLT,
}


def partsbox_id(noun: str, name: str) -> str:
    """Give the id of something at PartsBox."""
    return partsbox.id_for(noun, name)


def part_id(name: str) -> str:
    """Give the id of a part at PartsBox."""
    return partsbox_id("part", name)


def storage_id(name: str) -> str:
    """Give the id of a storage location at PartsBox."""
    return partsbox_id("storage", name)


def line_id(order: str, position: int) -> str:
    """Give the id of an order's line, the first being 1."""
    return partsbox_id("line", f"{order}/{position}")


def entry_id(project: str, position: int) -> str:
    """Give the id of a project's entry, the first being 1."""
    return partsbox_id("entry", f"{project}/{position}")


def drawn_id(name: str) -> str:
    """Give the code of a part at PartBolt."""
    return partbolt.id_for("part", name)
