"""Everything the vendor remembers: parts, their lots, and where those lie (vendors.md 5.4)."""

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.partbolt.ids import CODE
from tests.sandbox.wire import RefusedError

Record = dict[str, Any]

#: an invented token with every scope
TOKEN = "partbolt_token_sandbox0000"

#: operation -> the table it reads
TABLES = {"parts/get": "parts", "lots/get": "lots", "locations/get": "locations"}

#: operation -> the scope it needs
SCOPES = {operation: f"{table}:read" for operation, table in TABLES.items()}


@dataclass
class Database:
    """The tables by item code, and the tokens with their scopes."""

    parts: dict[str, Record] = field(default_factory=dict)
    lots: dict[str, Record] = field(default_factory=dict)
    locations: dict[str, Record] = field(default_factory=dict)
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {TOKEN: frozenset(SCOPES.values())})

    def get(self, operation: str, given: list[str]) -> Record:
        """Answer one operation from the values given for `id`; raises RefusedError, whose text is the hint."""
        if not given:
            raise RefusedError("missing_params", "The following parameter was missing: id")
        if len(given) > 1 or not CODE.fullmatch(given[0]):
            raise RefusedError("invalid_params", "The following parameter was invalid: id")
        table: dict[str, Record] = getattr(self, TABLES[operation])
        if given[0] not in table:
            raise RefusedError("not_found", "")
        describe = {"parts": self._part, "lots": self._lot, "locations": self._location}[TABLES[operation]]
        return describe(table[given[0]])

    def describe(self) -> Record:
        """Give the tables as JSON, without the tokens."""
        return {name: list(getattr(self, name).values()) for name in TABLES.values()}

    def _part(self, part: Record) -> Record:
        lots = [lot for lot in self.lots.values() if lot["part"] == part["id"]]
        return {
            **part,
            "lots": [
                {"id": lot["id"], "quantity": lot["quantity"], "location": self._named(self.locations, lot["location"])}
                for lot in lots
            ],
            "totalQuantity": sum(lot["quantity"] for lot in lots),
        }

    def _lot(self, lot: Record) -> Record:
        part, location = self._named(self.parts, lot["part"]), self._named(self.locations, lot["location"])
        return {**lot, "part": part, "location": location}

    def _location(self, location: Record) -> Record:
        lots = [lot for lot in self.lots.values() if lot["location"] == location["id"]]
        return {**location, "lots": [{"id": lot["id"], "quantity": lot["quantity"]} for lot in lots]}

    def _named(self, table: dict[str, Record], code: str) -> Record:
        return {"id": code, "name": table[code]["name"]}
