"""Loading parts, lots, locations and tokens; the vendor has no operation that writes."""

from typing import Any

from tests.sandbox.partbolt.database import SCOPES, Database, Record
from tests.sandbox.partbolt.ids import id_for

#: an invented maker
MAKER = "Example Components"


def _part(name: str, kind: str, mpn: str | None, *tags: str) -> Record:
    return {
        "name": name,
        "description": f"Store room part {name}",
        "manufacturer": MAKER if mpn else None,
        "mpn": mpn,
        "category": {"name": kind, "path": ["Components", kind]},
        "tags": list(tags),
    }


#: a small store room; codes come from the names, see id_for
WAREHOUSE: Record = {
    "parts": [
        _part("R-10R", "Resistors", "EX-R-10R-0603", "smd"),
        _part("R-1K", "Resistors", "EX-R-1K-0603", "smd"),
        _part("R-10K", "Resistors", "EX-R-10K-0603", "smd"),
        _part("C-100N", "Capacitors", "EX-C-100N-X7R", "smd", "decoupling"),
        _part("C-1U", "Capacitors", "EX-C-1U-X7R", "smd"),
        _part("LED-RED", "Diodes", "EX-LED-R"),
        _part("IC-TIMER", "Integrated circuits", "EX-555"),
        _part("J-HDR-10", "Connectors", "EX-H10", "through-hole"),
        # has no maker, no lots and is archived
        {**_part("LABEL-OLD", "Consumables", None), "archived": True},
        # has one lot, of which nothing is left
        _part("WIRE-BLÅ", "Consumables", None, "blue"),
    ],
    "locations": [
        {"name": "Shelf 1", "parent": None},
        {"name": "Shelf 2", "parent": None},
        {"name": "Bench", "parent": "Shelf 2"},
    ],
    "lots": [
        {"name": "R-10R/1", "part": "R-10R", "location": "Shelf 1", "quantity": 1000},
        {"name": "R-1K/1", "part": "R-1K", "location": "Shelf 1", "quantity": 800},
        {"name": "R-1K/2", "part": "R-1K", "location": "Bench", "quantity": 35},
        {"name": "R-10K/1", "part": "R-10K", "location": "Shelf 1", "quantity": 1000},
        {"name": "C-100N/1", "part": "C-100N", "location": "Shelf 2", "quantity": 500},
        {"name": "C-1U/1", "part": "C-1U", "location": "Shelf 2", "quantity": 500},
        {"name": "LED-RED/1", "part": "LED-RED", "location": "Shelf 2", "quantity": 120},
        {"name": "IC-TIMER/1", "part": "IC-TIMER", "location": "Bench", "quantity": 25},
        {"name": "J-HDR-10/1", "part": "J-HDR-10", "location": "Shelf 2", "quantity": 75},
        {"name": "WIRE-BLÅ/1", "part": "WIRE-BLÅ", "location": "Bench", "quantity": 0},
    ],
}

SEEDS: dict[str, Record] = {"empty": {}, "warehouse": WAREHOUSE}


class Loader:
    """Puts records straight into the database; codes come from the names unless given as `code`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def token(self, token: str, scopes: tuple[str, ...] = tuple(SCOPES.values())) -> None:
        """Add a token, with every scope unless told otherwise."""
        self._database.tokens[token] = frozenset(scopes)

    def part(self, name: str, code: str | None = None, **fields: Any) -> str:
        """Add a part and give its code; fields are shown as they are."""
        code = code or id_for("part", name)
        self._database.parts[code] = {"id": code, "name": name, "archived": False, **fields}
        return code

    def location(self, name: str, parent: str | None = None, code: str | None = None) -> str:
        """Add a location, within another one when its name is given, and give its code."""
        code = code or id_for("location", name)
        parent_code = parent and id_for("location", parent)
        self._database.locations[code] = {"id": code, "name": name, "parent": parent_code}
        return code

    def lot(self, name: str, part: str, location: str, quantity: int, code: str | None = None) -> str:
        """Add a lot of a part at a location, both by name, and give its code."""
        code = code or id_for("lot", name)
        part_code, location_code = id_for("part", part), id_for("location", location)
        if part_code not in self._database.parts or location_code not in self._database.locations:
            raise ValueError(f"lot {name} needs its part and its location first")
        self._database.lots[code] = {
            "id": code, "part": part_code, "location": location_code, "quantity": quantity
        }  # fmt: skip
        return code

    def load(self, fixture: Record) -> Record:
        """Load a whole fixture, as the control API receives it (shape: WAREHOUSE), and give the codes by noun."""
        for token in fixture.get("tokens", []):
            self.token(token["token"], tuple(token["scopes"]))
        return {
            "parts": [self.part(**part) for part in fixture.get("parts", [])],
            "locations": [self.location(**location) for location in fixture.get("locations", [])],
            "lots": [self.lot(**lot) for lot in fixture.get("lots", [])],
        }
