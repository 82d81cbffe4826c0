"""OpenBOM as it is assumed: documents with named columns, read whole and written cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tasks import boms
from workers.dry_run.books import NOT_KNOWN, Record, Reply, Shelf, StockChange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command

_WRITE: Final = "propertyvalue"


class OpenBomBooks:
    """OpenBOM as far as our requests go; its documents are in the form of `columns` and `cells`."""

    def __init__(self, given: Mapping[str, Mapping[str, Record]]) -> None:
        self.boms = Shelf(given.get("boms"))
        self.catalogs = Shelf(given.get("catalogs"))
        self.moved: list[StockChange] = []
        self.stand_ins: dict[str, str] = {}

    def begin(self) -> None:
        self.boms.forget()
        self.catalogs.forget()

    def suppose(self, command: Command) -> list[str]:
        match command:
            case boms.SetBomProperty():
                return _supposed(self.boms, command.bom_id, "BOM", command)
            case boms.SetCatalogProperty():
                return _supposed(self.catalogs, command.catalog_id, "catalog", command)
        return []

    def answer(self, _method: str, path: str, _query: Mapping[str, str], body: Any) -> Reply:
        noun, document_id, *rest = path.split("/")
        document: dict[str, Any] | None = (self.boms if noun == "bom" else self.catalogs).find(document_id)
        is_write = rest == [_WRITE]
        if document is None:
            return Reply(404, {"error": "not there as assumed"}, is_write)
        if not is_write:
            return Reply(200, document)
        columns = [column.strip() for column in document["columns"]]
        key, place = columns.index(body["partNumberPropertyName"]), columns.index(body["propertyName"])
        row = next(row for row in document["cells"] if boms.same_value(row[key], body["partNumber"]))
        row[place] = body["propertyValue"]
        return Reply(200, {"message": "property value updated."}, changes=True)


def _supposed(shelf: Shelf, document_id: str, noun: str, command: boms.SetProperty) -> list[str]:
    columns = list(dict.fromkeys((command.part_number_property, command.property)))
    row = [command.part_number if name == command.part_number_property else NOT_KNOWN for name in columns]
    if not shelf.suppose(document_id, {"id": document_id, "columns": [*columns], "cells": [[*row]]}):
        return []
    if command.property == command.part_number_property:
        return [f"{noun} {document_id} has one row whose {command.property} is {command.part_number}"]
    return [
        f"{noun} {document_id} has one row whose {command.part_number_property} is {command.part_number}",
        f"its {command.property} is not as asked for yet; if it is, nothing is sent",
    ]
