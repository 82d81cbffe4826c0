"""The other half of the day: a catalog feed, and what engineering changes at each vendor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, ROUTING, Day, Write, plan_stock
from tests.sandbox import openbom, partbolt, partsbox
from tests.sandbox.partbolt.fixtures import WAREHOUSE as PARTBOLT_WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Mapping

SPARE_PARTS: Final = 300
#: Of these the feed sends a second version behind the first.
CORRECTED: Final = range(1, 21)
#: And these it deletes again.
WITHDRAWN: Final = range(281, 286)
#: In the sandbox's catalog from the start; nothing refers to them.
OLD_PARTS: Final = ("P-3002", "P-3003", "P-3004")
#: Parts of the store room that the catalog did not have: they go to three vendors.
STOCKED_PARTS: Final = ("D-SIGNAL", "LED-RED", "LED-GREEN", "Q-NPN", "IC-TIMER", "X-16MHZ", "J-HDR-10", "SW-TACT")
#: Parts of the CAD system that become catalog parts.
IMPORTED_PARTS: Final = ("R-10R", "R-1K", "R-10K", "C-100N", "C-1U", "LED-RED")
LANGUAGES: Final = ("en", "de", "fr")
CATALOG: Final = "Stock items"
BOM: Final = "Controller board"

#: What the catalog's ontology needs beside the sandbox's own attributes.
ONTOLOGY: Final = {
    "attributes": [{"attribute_id": name, "type": "text"} for name in ("stock-name", "bin", "maker", "category")]
}
ROUTES: Final = f"""
[routes.catalog_part.partsbox]
name = "attributes.stock-name.en"
description = "name.en"

[routes.catalog_part.openbom]
catalog_id = "{openbom.id_for("catalog", CATALOG)}"
part_number = "attributes.stock-name.en"
properties = {{ Bin = "attributes.bin.en" }}

[imports.partbolt]
part_id = "mpn"
name = {{ en = "description", de = "description", fr = "description" }}

[imports.partbolt.attributes]
maker = {{ en = "manufacturer", de = "manufacturer", fr = "manufacturer" }}
category = {{ en = "category.name", de = "category.name", fr = "category.name" }}
"""


def plan_day(start_ms: int) -> Day:
    """Plan everything."""
    day = Day()
    plan_stock(day, start_ms)
    feed = _Sender(day, "catalog feed", start_ms)
    feed.spare_parts()
    feed.assemblies()
    feed.stocked_parts()
    feed.withdrawals()
    engineering = _Sender(day, "engineering", start_ms)
    engineering.imports()
    engineering.properties()
    engineering.store_room()
    return day


def catalog_value(fields: Mapping[str, Any]) -> str:
    """Put what the catalog keeps of a part or an assembly into one text."""
    return json.dumps({name: fields[name] for name in sorted(fields)}, sort_keys=True)


def texts(text: str) -> dict[str, str]:
    """Say the same in every language of the catalog."""
    return dict.fromkeys(LANGUAGES, text)


class _Sender:
    """Posts commands one after the other; each has its own moment."""

    def __init__(self, day: Day, name: str, start_ms: int) -> None:
        self._day = day
        self._name = name
        self._moment_ms = start_ms

    def _post(self, kind: str, *, twice: bool = False, **fields: Any) -> None:
        self._moment_ms += 1
        self._day.call(self._name, kind, fields, self._moment_ms, twice=twice)

    # the catalog

    def spare_parts(self) -> None:
        """Send the whole list, and corrections of its first pages."""
        for number in range(1, SPARE_PARTS + 1):
            weight = _attributes({"weight": f"{number} g"})
            self._part(f"SP-{number:03d}", f"Spare part {number}", weight, twice=number % 50 == 0)
        for number in CORRECTED:
            self._part(f"SP-{number:03d}", f"Spare part {number}, second edition", [])

    def assemblies(self) -> None:
        """Send a machine with its groups and their modules, in one go."""
        self._assembly("mill", "", "Mill")
        for group in range(1, 4):
            self._assembly(f"mill-{group}", "mill", f"Group {group}")
            for module in range(1, 5):
                self._assembly(f"mill-{group}-{module}", f"mill-{group}", f"Module {group}.{module}")

    def stocked_parts(self) -> None:
        """Send parts that the routes take to PartsBox and OpenBOM as well."""
        for number, name in enumerate(STOCKED_PARTS, 1):
            bin_name, text = f"B-{number:02d}", f"Store room part {name}"
            self._part(f"ST-{name}", text, _attributes({"stock-name": name, "bin": bin_name}))
            self._day.expect(ROUTING, "catalog.route_part")
            self._created_part(name, text)
            cell = Write(OPENBOM, "catalog/propertyvalue", f"{CATALOG}: {name}, Bin", bin_name)
            self._day.expect(OPENBOM, "catalog.set_property", cell)

    def withdrawals(self) -> None:
        """Delete parts, old ones and some of the new."""
        for part_id in (*OLD_PARTS, *(f"SP-{number:03d}" for number in WITHDRAWN)):
            self._post("catalog.delete_part", part_id=part_id)
            self._day.expect(PARTIUM, "catalog.delete_part", Write(PARTIUM, "parts/delete", f"part {part_id}", ""))
        self._post("catalog.delete_assembly", ass_id="saw-table")
        gone = Write(PARTIUM, "assemblies/delete", "assembly saw-table", "")
        self._day.expect(PARTIUM, "catalog.delete_assembly", gone)

    def _part(self, part_id: str, name: str, attributes: list[dict[str, Any]], *, twice: bool = False) -> None:
        fields: dict[str, Any] = {"name": texts(name), "attributes": attributes}
        self._post("catalog.upsert_part", twice=twice, part_id=part_id, **fields)
        self._written_part(part_id, fields)

    def _written_part(self, part_id: str, fields: dict[str, Any]) -> None:
        write = Write(PARTIUM, "parts/upsert", f"part {part_id}", catalog_value(fields))
        self._day.expect(PARTIUM, "catalog.upsert_part", write)

    def _assembly(self, ass_id: str, parent_id: str, name: str) -> None:
        fields: dict[str, Any] = {"parent_id": parent_id, "name": texts(name)}
        self._post("catalog.upsert_assembly", ass_id=ass_id, **fields)
        write = Write(PARTIUM, "assemblies/upsert", f"assembly {ass_id}", catalog_value(fields))
        self._day.expect(PARTIUM, "catalog.upsert_assembly", write)

    # engineering

    def imports(self) -> None:
        """Take parts of the CAD system into the catalog."""
        parts = {part["name"]: part for part in PARTBOLT_WAREHOUSE["parts"]}
        for name in IMPORTED_PARTS:
            part = parts[name]
            self._post("cad.import_part", item_id=partbolt.id_for("part", name))
            self._day.expect(PARTBOLT, "cad.import_part")
            attributes = _attributes({"maker": part["manufacturer"], "category": part["category"]["name"]})
            self._written_part(part["mpn"], {"name": texts(part["description"]), "attributes": attributes})

    def properties(self) -> None:
        """Change quantities of a bill of materials, one of them twice."""
        bom_id = openbom.id_for("bom", BOM)
        for part_number, value in (("R-10R", "5"), ("C-10N", "3"), ("R-1K", "9"), ("C-100N", "7"), ("R-1K", "10")):
            self._post("bom.set_property", bom_id=bom_id, part_number=part_number, property="Quantity", value=value)
            cell = Write(OPENBOM, "bom/propertyvalue", f"{BOM}: {part_number}, Quantity", value)
            self._day.expect(OPENBOM, "bom.set_property", cell)

    def store_room(self) -> None:
        """Describe shelves, create parts and projects, add to a project's entries."""
        for number in (1, 2, 3):
            shelf, text = f"shelf-{number}", f"Aisle {number}"
            self._post("storage.update", storage_id=partsbox.id_for("storage", shelf), description=text)
            self._day.expect(PARTSBOX, "storage.update", Write(PARTSBOX, "storage/update", f"storage {shelf}", text))
        for name in ("BOX-SMALL", "BOX-LARGE"):
            self._post("part.upsert", name=name, description="Packaging")
            self._created_part(name, "Packaging")
        for name in ("radio", "heater"):
            self._post("project.create", name=name, description="Ordered by a customer")
            created = Write(PARTSBOX, "project/create", f"project {name}", "Ordered by a customer")
            self._day.expect(PARTSBOX, "project.create", created)
        for part, quantity in (("C-1U", 4), ("C-10U", 2)):
            entry = {"part_id": partsbox.id_for("part", part), "quantity": quantity}
            self._post("project.add_entries", project_id=partsbox.id_for("project", "clock"), entries=[entry])
            added = Write(PARTSBOX, "project/add-entries", f"entry {part} of clock", str(quantity))
            self._day.expect(PARTSBOX, "project.add_entries", added)

    def _created_part(self, name: str, description: str) -> None:
        self._day.expect(PARTSBOX, "part.upsert")
        self._day.expect(PARTSBOX, "part.create", Write(PARTSBOX, "part/create", f"part {name}", description))


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"attribute_id": name, "values": [{"organization": "", "value": texts(text)}]} for name, text in values.items()
    ]
