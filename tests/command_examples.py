"""One good command of every kind as JSON, and for each of its identity fields another value."""

from __future__ import annotations

from typing import Any, Final

PART, SHELF, BIN, ORDER, LINE, OTHER = (letter * 26 for letter in "pshdnq")
NOW_MS: Final = 1_700_000_000_000
_EVENT: Final = {"stock_timestamp": NOW_MS}

_PART_FIELDS: Final = {
    "description": "thick film",
    "notes": "keep dry",
    "footprint": "0603",
    "tags": ["smd"],
    "attrition_percentage": "2.5",
    "attrition_quantity": 5,
    "low_stock": 100,
}
_WORDING: Final = {"en": "Screw", "de": "Schraube"}
_ATTRIBUTE: Final = {"attribute_id": "weight", "values": [{"value": {"en": "2 g"}}]}
_CELL: Final = {"part_number": "R-10R", "property": "Description", "value": "10 ohm", "part_number_property": "MPN"}
_ENTRY: Final = {"part_id": PART, "quantity": 2, "designators": ["R1", "R2"]}
_CATALOG_PART: Final = {"part_id": "P-1", "name": _WORDING, **_EVENT}

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "stock.add": {"part_id": PART, "storage_id": SHELF, "quantity": 3},
    "stock.remove": {"part_id": PART, "storage_id": SHELF, "quantity": 3},
    "stock.move": {"part_id": PART, "from_storage_id": SHELF, "to_storage_id": BIN, "quantity": 3},
    "stock.correct": {"part_id": PART, "entry_timestamp": NOW_MS - 1, "quantity": -3},
    "order.receive": {"order_id": ORDER, "storage_id": SHELF, "lines": [{"stock_id": LINE, "quantity": 3}]},
    "order.receive_line": {
        "order_id": ORDER,
        "stock_id": LINE,
        "part_id": PART,
        "storage_id": SHELF,
        "quantity": 3,
    },
    "part.upsert": {"name": "R-10R", "part_type": "local", **_PART_FIELDS},
    "part.create": {"name": "R-10R", "part_type": "local", **_PART_FIELDS},
    "part.update": {"part_id": PART, "name": "R-10R", **_PART_FIELDS},
    "part.delete": {"part_id": PART},
    "part.add_members": {"part_id": PART, "member_ids": [SHELF]},
    "part.remove_members": {"part_id": PART, "member_ids": [SHELF]},
    "part.add_substitutes": {"part_id": PART, "substitute_ids": [SHELF]},
    "part.remove_substitutes": {"part_id": PART, "substitute_ids": [SHELF]},
    "part.set_custom_fields": {"part_id": PART, "custom_fields": [{"key": "height", "value": "1 mm"}]},
    "part.delete_custom_field": {"part_id": PART, "field_key": "height"},
    "lot.update": {
        "lot_id": PART,
        "name": "L1",
        "description": "reel",
        "new_comments": "opened",
        "created_ms": NOW_MS,
        "expiration_ms": NOW_MS,
        "tags": ["smd"],
    },
    "storage.update": {"storage_id": SHELF, "description": "left wall", "tags": ["dry"]},
    "storage.rename": {"storage_id": SHELF, "name": "shelf-9"},
    "storage.change_setting": {"storage_id": SHELF, "setting": "full", "value": True},
    "storage.archive": {"storage_id": SHELF},
    "storage.restore": {"storage_id": SHELF},
    "project.create": {"name": "Controller", "description": "board", "notes": "rev B"},
    "project.update": {"project_id": PART, "name": "Controller", "description": "board", "notes": "rev B"},
    "project.delete": {"project_id": PART},
    "project.archive": {"project_id": PART},
    "project.restore": {"project_id": PART},
    "project.add_entries": {"project_id": PART, "entries": [_ENTRY]},
    "project.update_entries": {"project_id": PART, "entries": [{"entry_id": LINE, "quantity": 2}]},
    "project.delete_entries": {"project_id": PART, "entry_ids": [LINE]},
    "build.update": {"build_id": PART, "new_comments": "done"},
    "catalog.upsert_part": {"part_id": "P-1", "name": _WORDING, "attributes": [_ATTRIBUTE]},
    "catalog.delete_part": {"part_id": "P-1"},
    "catalog.upsert_assembly": {"ass_id": "A-1", "parent_id": "A-0", "name": _WORDING},
    "catalog.delete_assembly": {"ass_id": "A-1"},
    "bom.set_property": {"bom_id": "bom-1", **_CELL},
    "catalog.set_property": {"catalog_id": "catalog-1", **_CELL},
    "cad.import_part": {"item_id": "ABCDE12345"},
    "catalog.route_part": {
        "part_id": "P-1",
        "children": [{"kind": "catalog.upsert_part", "fields": _CATALOG_PART}],
    },
}

GOOD: Final = {kind: {**fields, **_EVENT} for kind, fields in _FIELDS.items()}

_OF_ANY_KIND: Final[dict[str, Any]] = {
    "stock_timestamp": NOW_MS + 1,
    "source": "other",
    **dict.fromkeys(("part_id", "storage_id", "from_storage_id", "to_storage_id", "order_id", "stock_id"), OTHER),
    **dict.fromkeys(("lot_id", "project_id", "build_id"), OTHER),
    **{field: [OTHER] for field in ("member_ids", "substitute_ids", "entry_ids")},
    "quantity": 4,
    "entry_timestamp": NOW_MS + 5,
    "price": "7",
    "currency": "usd",
    "lines": [{"stock_id": LINE, "quantity": 4}],
    **dict.fromkeys(("new_comments", "name", "description", "notes", "footprint", "field_key"), "other"),
    "tags": ["other"],
    "attrition_percentage": "2.6",
    "attrition_quantity": 6,
    "low_stock": 101,
    "part_type": "meta",
    "custom_fields": [{"key": "height", "value": "2 mm"}],
    "created_ms": NOW_MS - 1,
    "expiration_ms": NOW_MS + 1,
    "setting": "single-part",
    "value": "other",
    "attributes": [],
    **dict.fromkeys(("ass_id", "parent_id", "bom_id", "catalog_id", "item_id"), "other"),
    **dict.fromkeys(("part_number", "property", "part_number_property"), "other"),
}
_OF_ONE_KIND: Final[dict[tuple[str, str], Any]] = {
    ("storage.change_setting", "value"): False,
    ("project.add_entries", "entries"): [{**_ENTRY, "quantity": 3}],
    ("project.update_entries", "entries"): [{"entry_id": LINE, "quantity": 3}],
    ("catalog.upsert_part", "name"): {"en": "other"},
    ("catalog.upsert_assembly", "name"): {"en": "other"},
}
#: What a changed field needs beside it to be a command at all.
_BESIDE: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("stock.add", "order_id"): {"vendor_sku": "sku"},
    ("stock.correct", "price"): {"currency": "eur"},
    ("stock.correct", "currency"): {"price": "6"},
}


def another(kind: str, field: str) -> dict[str, Any]:
    """Give the good command of this kind with another value of the field; LookupError where there is no example."""
    value = _OF_ONE_KIND.get((kind, field), _OF_ANY_KIND.get(field))
    if value is None:
        raise LookupError(f"{kind}: no other value of {field}; add one here")
    return {**GOOD[kind], **_BESIDE.get((kind, field), {}), field: value}
