"""One example of every command that may be submitted, for the document and its page; all names and ids are invented."""

from __future__ import annotations

from typing import Any, Final

_PART: Final = "4kd1m0q7x3c9v5b2n8hj6gtrwz"
_OTHER_PART: Final = "7pz2w9r4y6t1n3m8k5c0v7x2qd"
_SHELF: Final = "0sh3fa7e1xq9zr5t2w8y4mnbcg"
_BIN: Final = "2bnk8v4c6x1z3q5w7r9t0ymhjg"
_ORDER: Final = "5rdx7q2m9n4b1v8c3z6k0wtyhg"
_LINE: Final = "1n3m5b7v9c2x4z6q8w0rtykhjg"
_PROJECT: Final = "3prj9k2x4v6b8n1m7c5z0qwrth"
_AT_MS: Final = 1_790_000_000_000

_BOARD: Final = {"name": "Controller board", "description": "two layers", "notes": "rev. B"}
_CELL: Final = {
    "part_number": "RC0603-10R",
    "part_number_property": "Part Number",
    "property": "Description",
    "value": "Resistor 10 ohm",
}
_RESISTOR: Final = {
    "name": "RC0603-10R",
    "description": "Resistor 10 ohm 1 %",
    "footprint": "0603",
    "tags": ["smd", "resistor"],
    "low_stock": 500,
}
_WORDING: Final = {"en": "Hexagon bolt", "de": "Sechskantschraube"}

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "stock.move": {"part_id": _PART, "from_storage_id": _SHELF, "to_storage_id": _BIN, "quantity": 10},
    "stock.add": {"part_id": _PART, "storage_id": _SHELF, "quantity": 1000, "price": "0.0128", "currency": "eur"},
    "stock.remove": {"part_id": _PART, "storage_id": _SHELF, "quantity": 25, "comments": "for the pilot run"},
    "stock.correct": {"part_id": _PART, "entry_timestamp": _AT_MS - 60_000, "quantity": 990},
    "order.receive": {
        "order_id": _ORDER,
        "storage_id": _SHELF,
        "lines": [{"stock_id": _LINE, "quantity": 1000}],
    },
    "part.upsert": {"part_type": "local", **_RESISTOR},
    "part.update": {"part_id": _PART, **_RESISTOR},
    "part.delete": {"part_id": _PART},
    "part.add_members": {"part_id": _PART, "member_ids": [_OTHER_PART]},
    "part.remove_members": {"part_id": _PART, "member_ids": [_OTHER_PART]},
    "part.add_substitutes": {"part_id": _PART, "substitute_ids": [_OTHER_PART]},
    "part.remove_substitutes": {"part_id": _PART, "substitute_ids": [_OTHER_PART]},
    "part.set_custom_fields": {"part_id": _PART, "custom_fields": [{"key": "height", "value": "0.45 mm"}]},
    "part.delete_custom_field": {"part_id": _PART, "field_key": "height"},
    "lot.update": {"lot_id": _LINE, "name": "reel 7", "description": "opened", "tags": ["dry"]},
    "storage.update": {"storage_id": _SHELF, "description": "left wall, second from above", "tags": ["dry"]},
    "storage.rename": {"storage_id": _SHELF, "name": "A-03-2"},
    "storage.change_setting": {"storage_id": _SHELF, "setting": "full", "value": True},
    "storage.archive": {"storage_id": _SHELF},
    "storage.restore": {"storage_id": _SHELF},
    "project.create": _BOARD,
    "project.update": {"project_id": _PROJECT, **_BOARD},
    "project.delete": {"project_id": _PROJECT},
    "project.archive": {"project_id": _PROJECT},
    "project.restore": {"project_id": _PROJECT},
    "project.add_entries": {
        "project_id": _PROJECT,
        "entries": [{"part_id": _PART, "quantity": 2, "designators": ["R1", "R2"]}],
    },
    "project.update_entries": {"project_id": _PROJECT, "entries": [{"entry_id": _LINE, "quantity": 4}]},
    "project.delete_entries": {"project_id": _PROJECT, "entry_ids": [_LINE]},
    "build.update": {"build_id": _LINE, "new_comments": "ten boards, two reworked"},
    "catalog.upsert_part": {
        "part_id": "HB-M6-20",
        "name": _WORDING,
        "attributes": [{"attribute_id": "weight", "values": [{"value": {"en": "5 g"}}]}],
    },
    "catalog.delete_part": {"part_id": "HB-M6-20"},
    "catalog.upsert_assembly": {"ass_id": "FRAME-2", "parent_id": "MACHINE-1", "name": {"en": "Frame"}},
    "catalog.delete_assembly": {"ass_id": "FRAME-2"},
    "catalog.set_property": {"catalog_id": "resistors", **_CELL},
    "bom.set_property": {"bom_id": "controller-b", **_CELL},
    "cad.import_part": {"item_id": "ABCDE12345"},
}

#: By kind, as it is sent.
COMMANDS: Final = {kind: {"kind": kind, **fields, "stock_timestamp": _AT_MS} for kind, fields in _FIELDS.items()}
#: What was accepted for the first of them.
ACCEPTED: Final = {"key": "abcdefghijklmnopqrst", "kind": "stock.move", "state": "ready", "duplicate": False}
#: What became of it.
APPLIED: Final = {
    "key": ACCEPTED["key"],
    "kind": "stock.move",
    "vendor": "partsbox",
    "state": "applied",
    "summary": "move 10 of part 4kd1m0q7… from 0sh3fa7e… to 2bnk8v4c…",
    "attempts": 1,
    "accepted_ms": _AT_MS + 40,
    "updated_ms": _AT_MS + 900,
    "reason": "",
    "receipt": None,
}
#: What the stream says when it is.
EVENT: Final = {
    "key": ACCEPTED["key"],
    "kind": "stock.move",
    "vendor": "partsbox",
    "state": "applied",
    "reason": "",
    "at_ms": _AT_MS + 900,
    "client": "ST-01",
}
