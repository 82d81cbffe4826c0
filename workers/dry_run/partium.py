"""Partium as it is assumed: part types and assemblies, written, deleted, selected and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tasks import catalog
from workers.dry_run.books import NOT_KNOWN, Record, Reply, Shelf, StockChange
from workers.vendors.partium import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command

_REFUSED: Final = "refused as assumed"


class PartiumBooks:
    """Partium as far as our requests go; the hierarchy of assemblies it keeps."""

    def __init__(self, given: Mapping[str, Mapping[str, Record]]) -> None:
        self.parts = Shelf(given.get("parts"))
        self.assemblies = Shelf(given.get("assemblies"))
        self.moved: list[StockChange] = []
        self.stand_ins: dict[str, str] = {}

    def begin(self) -> None:
        self.parts.forget()
        self.assemblies.forget()

    def suppose(self, command: Command) -> list[str]:
        match command:
            case catalog.DeletePart():
                if self.parts.suppose(command.part_id, {"part_id": command.part_id}):
                    return [f"part {command.part_id} is there, and nothing refers to it"]
            case catalog.DeleteAssembly():
                if self.assemblies.suppose(command.ass_id, {"ass_id": command.ass_id, "parent_id": NOT_KNOWN}):
                    return [f"assembly {command.ass_id} is there, and nothing hangs below it"]
            case catalog.UpsertAssembly() if command.parent_id:
                if self.assemblies.suppose(command.parent_id, {"ass_id": command.parent_id}):
                    return [f"assembly {command.parent_id} is there"]
        return []

    def answer(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Reply:
        noun = wire.PARTS if path.startswith(wire.PARTS.path) else wire.ASSEMBLIES
        shelf = self.parts if noun is wire.PARTS else self.assemblies
        if path.endswith("/select"):
            found = (shelf.find(record_id) for record_id in body[noun.ids_field])
            return Reply(200, [record for record in found if record is not None])
        if path.endswith("/list"):
            above = body["query"]["parent_ids"]
            below = [record for record in shelf if record.get("parent_id") in above]
            return Reply(200, {"result": below, "more_data": False})
        if method == "DELETE":
            return Reply(200, self._deleted(shelf, body), changes=True)
        return Reply(200, self._upserted(shelf, noun.id_field, body), changes=True)

    def _upserted(self, shelf: Shelf, id_field: str, items: list[Record]) -> dict[str, Any]:
        answer: dict[str, Any] = {"created": [], "updated": [], "errors": {}}
        for item in items:
            record_id, parent_id = str(item[id_field]), item.get("parent_id")
            if parent_id and shelf.find(str(parent_id)) is None:
                answer["errors"][record_id] = _REFUSED
                continue
            answer["created" if shelf.find(record_id) is None else "updated"].append(record_id)
            shelf.put(record_id, item)
        return answer

    def _deleted(self, shelf: Shelf, ids: list[str]) -> dict[str, Any]:
        answer: dict[str, Any] = {"deleted": [], "errors": {}}
        for record_id in ids:
            if any(record.get("parent_id") == record_id for record in shelf):
                answer["errors"][record_id] = _REFUSED
                continue
            answer["deleted"].append(record_id)
            shelf.remove(record_id)
        return answer
