"""A small day of the demo at every vendor, on which nothing went wrong; tests plant one error in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.checker.evidence import Entry, Step, Told, VendorBooks
from tests.demo.books import BOOKS
from tests.demo.play import Record
from tests.demo.records import catalog_value, texts
from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, VENDORS, Day, Write, stock
from tests.demo.verdict import Verdict, judge
from tests.sandbox import openbom, partbolt, partsbox

if TYPE_CHECKING:
    from tests.checker.evidence import Json

PART, SHELF = partsbox.id_for("part", "R-1K"), partsbox.id_for("storage", "shelf-3")
CATALOG = openbom.id_for("catalog", "Stock items")
ITEM = partbolt.id_for("part", "R-1K")
FIRST, SECOND = {"name": texts("Screw"), "attributes": []}, {"name": texts("Screw M3"), "attributes": []}

ADDED = stock("stock/add", "R-1K", "shelf-3", 5)
DESCRIBED = Write(PARTSBOX, "storage/update", "storage shelf-3", "Aisle 3")
WRITTEN = Write(PARTIUM, "parts/upsert", "part SP-1", catalog_value(FIRST))
CORRECTED = Write(PARTIUM, "parts/upsert", "part SP-1", catalog_value(SECOND))
DELETED = Write(PARTIUM, "parts/delete", "part SP-2", "")
SET = Write(OPENBOM, "catalog/propertyvalue", "Stock items: R-1K, Bin", "B-1")

KEYS = {"a": PARTSBOX, "b": PARTSBOX, "c": PARTIUM, "d": PARTIUM, "e": PARTIUM, "f": OPENBOM, "g": PARTBOLT}
KINDS = {
    "a": "stock.add",
    "b": "storage.update",
    "c": "catalog.upsert_part",
    "d": "catalog.upsert_part",
    "e": "catalog.delete_part",
    "f": "catalog.set_property",
    "g": "cad.import_part",
}


def booked(write: Write = ADDED, marker: str | None = "[cmd:a]") -> Json:
    part, _, storage = write.subject.partition(" in ")
    ids = partsbox.id_for("part", part), partsbox.id_for("storage", storage)
    leg = {"part_id": ids[0], "storage_id": ids[1], "quantity": int(write.value)}
    effect = {"operation": write.operation, "marker": marker, "legs": [leg], "part_ids": [ids[0]]}
    return {**effect, "subjects": [f"part:{ids[0]}"], "details": {}}


def described(text: str = "Aisle 3") -> Json:
    subject = f"storage:{SHELF}"
    details = {"before": {subject: {}}, "after": {subject: {"storage/description": text}}}
    return {
        "operation": "storage/update", "marker": None, "legs": [], "part_ids": [], "subjects": [subject],
        "details": details,
    }  # fmt: skip


def catalogued(operation: str, part_id: str, after: Json | None) -> Json:
    return {"operation": operation, "marker": None, "subjects": [part_id], "details": {"after": after}}


def set_cell(value: str = "B-1") -> Json:
    subject = f"catalog:{CATALOG}:R-1K"
    return {
        "operation": "catalog/propertyvalue", "marker": None, "subjects": [subject], "property_name": "Bin",
        "after": value,
    }  # fmt: skip


def partsbox_state(pieces: int, description: str) -> Json:
    return {
        "parts": [{"part/id": PART, "part/name": "R-1K"}],
        "storages": [{"storage/id": SHELF, "storage/name": "shelf-3", "storage/description": description}],
        "projects": [],
        "project_entries": {},
        "on_hand": [{"part_id": PART, "storage_id": SHELF, "lot_id": None, "quantity": pieces}],
    }


def openbom_state(bin_name: str) -> Json:
    rows = [{"Part Number": "R-1K", "Bin": bin_name}]
    return {"documents": [{"id": CATALOG, "name": "Stock items", "rows": rows}], "logins": 2}


def request(operation: str, *subjects: str) -> Json:
    return {"operation": operation, "outcome": "ok", "subjects": list(subjects)}


class RightDay:
    """What was planned, promised, kept and written; every part may be changed before it is judged."""

    def __init__(self) -> None:
        self.day = Day(writes=[ADDED, DESCRIBED, WRITTEN, CORRECTED, DELETED, SET])
        self.day.commands = Counter((vendor, KINDS[key]) for key, vendor in KEYS.items())
        self.day.calls = {"engineering": [{"kind": "cad.import_part", "item_id": ITEM}]}
        self.record = Record(promised=dict(KEYS))
        self.entries = {
            vendor: [Entry(vendor, key, KINDS[key], "applied") for key in KEYS if KEYS[key] == vendor]
            for vendor in VENDORS
        }
        self.steps: dict[str, list[Step]] = {
            vendor: [Step(entry.key, "accepted") for entry in self.entries[vendor]] for vendor in VENDORS
        }
        catalog = [("parts/upsert", FIRST), ("parts/upsert", SECOND)]
        self.effects: dict[str, list[Json]] = {
            PARTSBOX: [booked(), described()],
            PARTIUM: [catalogued(operation, "SP-1", after) for operation, after in catalog]
            + [catalogued("parts/delete", "SP-2", None)],
            OPENBOM: [set_cell()],
            PARTBOLT: [],
        }
        self.requests: dict[str, list[Json]] = {
            PARTSBOX: [request("stock/add")],
            PARTIUM: [request("parts/upsert", "SP-1", "SP-9"), request("parts/select", "SP-1")],
            OPENBOM: [request("login")],
            PARTBOLT: [request("parts/get", f"parts:{ITEM}")],
        }
        self.mornings: dict[str, Json] = {
            PARTSBOX: partsbox_state(10, ""),
            PARTIUM: {"parts": [{"part_id": "SP-2", **FIRST}], "assemblies": []},
            OPENBOM: openbom_state("A-1"),
            PARTBOLT: {"parts": [{"name": "R-1K", "tags": []}]},
        }
        self.states: dict[str, Json] = {
            PARTSBOX: partsbox_state(15, "Aisle 3"),
            PARTIUM: {"parts": [{"part_id": "SP-1", **SECOND}], "assemblies": []},
            OPENBOM: openbom_state("B-1"),
            PARTBOLT: {"parts": [{"name": "R-1K", "tags": []}]},
        }
        self.violations: dict[str, list[Json]] = {vendor: [] for vendor in BOOKS}
        self.faults: dict[str, list[Json]] = {vendor: [] for vendor in BOOKS}

    def judged(self) -> Verdict:
        evenings = {
            vendor: VendorBooks(
                vendor,
                {"effects": self.effects[vendor], "requests": self.requests[vendor]},
                {"violations": self.violations[vendor]},
                self.states[vendor],
                self.faults[vendor],
            )
            for vendor in BOOKS
        }
        told = {vendor: Told(self.entries[vendor], self.steps[vendor]) for vendor in VENDORS}
        return judge(self.day, self.record, self.mornings, evenings, told)
