"""Documents as tables of cells, and the two shapes in which the vendor shows them (vendors.md 4.5, contradiction 5)."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.openbom.ids import column_id, row_id
from tests.sandbox.openbom.wire import Record
from tests.sandbox.wire import RefusedError

#: text that a number column can give back as a number
NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Column:
    """A property of a document."""

    name: str
    #: the vendor's datatype N
    numeric: bool = False

    @property
    def id(self) -> str:
        """Give the id under which rows keep their values."""
        return column_id(self.name)

    @property
    def datatype(self) -> str:
        """Give the vendor's letter for it; T is invented."""
        return "N" if self.numeric else "T"


@dataclass
class Row:
    """One line of a document, its values by column id; what was never set is absent."""

    id: str
    cells: Record


@dataclass
class Document:
    """A BOM, an order BOM or a catalog."""

    #: "bom" or "catalog"; an order BOM is a bom with `production_batch`
    kind: str
    id: str
    name: str
    node_id: int
    owner: str
    columns: list[Column]
    created_ms: int
    modified_ms: int
    modified_by: str
    production_batch: bool = False
    released: bool = False
    rows: list[Row] = field(default_factory=list)

    def column(self, name: str) -> Column:
        """Find a property by name; raises RefusedError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise RefusedError("unknown-property", f"Property [{name}] not found")

    def rows_with(self, key: Column, part_number: str) -> list[Row]:
        """List the rows with this part number."""
        return [row for row in self.rows if key.id in row.cells and str(row.cells[key.id]) == part_number]

    def first_row(self, key: Column, part_number: str) -> Row:
        """Find the row that a write changes, however many fit; raises RefusedError."""
        for row in self.rows_with(key, part_number):
            return row
        raise RefusedError("unknown-row", f"Part number [{part_number}] not found")

    def values(self, part_number: str, property_name: str, part_number_property: str = "Part Number") -> list[Any]:
        """List one property of every row with this part number, as stored; None where it was never set."""
        key, column = self.column(part_number_property), self.column(property_name)
        return [row.cells.get(column.id) for row in self.rows_with(key, part_number)]

    def add_row(self, values: Record) -> None:
        """Append a row of values by property name; raises RefusedError."""
        cells = {self.column(name).id: value for name, value in values.items()}
        self.rows.append(Row(row_id(self.id, len(self.rows)), cells))

    def listed(self) -> Record:
        """Give the document as an item of its listing (vendors.md 4.2, 2 to 4)."""
        item: Record = {
            "nodeId": self.node_id,
            "itemsId" if self.kind == "catalog" else "bomId": self.id,
            "id": self.id,
            "name": self.name,
            "user": self.owner,
            "status": "active",
            "permissionString": "w",
            "permission": 7,
            "modifiedBy": self.modified_by,
            "modified": self.modified_ms,
        }
        if self.kind == "bom":
            item |= {"nameuri": None, "productionBatch": self.production_batch, "released": self.released}
            if not self.production_batch:
                item["bomPartNumber"] = self.name
        return item

    def described(self) -> Record:
        """Give the document for a test, with values by property name."""
        rows = [{c.name: row.cells[c.id] for c in self.columns if c.id in row.cells} for row in self.rows]
        return {"kind": self.kind, **self.listed(), "columns": [c.name for c in self.columns], "rows": rows}

    def shown(self, assumptions: Assumptions) -> Record:
        """Give the whole document in the shape that is assumed."""
        return self._as_data(assumptions) if assumptions.document_shape == "data" else self._as_cells(assumptions)

    def _as_cells(self, assumptions: Assumptions) -> Record:
        """Names of the columns, and per row a list in their order; what was never set is null."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "partNumber": self.name if self.kind == "bom" and not self.production_batch else None,
            "createdDate": self.created_ms,
            "createdBy": self.owner,
            "modifiedDate": self.modified_ms,
            "modifiedBy": self.modified_by,
            "columns": [column.name for column in self.columns],
            "cells": [[_value(row, column, assumptions) for column in self.columns] for row in self.rows],
        }

    def _as_data(self, assumptions: Assumptions) -> Record:
        """Values by row id and column id; what was never set is absent."""
        document: Record = {
            "_id": self.id,
            "id": self.id,
            "sourceId": "openbom",
            "name": self.name,
            "nameuri": name_uri(self.owner, self.name),
            "status": "A",
            "copyId": None,
            "data": {
                row.id: {c.id: _value(row, c, assumptions) for c in self.columns if c.id in row.cells}
                for row in self.rows
            },
        }
        if assumptions.column_definitions == "list":
            document["columns"] = [_definition(column) for column in self.columns]
        elif assumptions.column_definitions == "map":
            document["columns"] = {column.id: _definition(column) for column in self.columns}
        return document


def name_uri(owner: str, name: str) -> str:
    """Write the name as the vendor's examples do."""
    return f"urn:openbom:name:{quote(owner)}:{quote(name.lower())}"


def _definition(column: Column) -> Record:
    return {"id": column.id, "name": column.name, "datatype": column.datatype}


def _value(row: Row, column: Column, assumptions: Assumptions) -> Any:
    value = row.cells.get(column.id)
    if not (assumptions.canonical_numbers and column.numeric and isinstance(value, str) and NUMBER.fullmatch(value)):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number
