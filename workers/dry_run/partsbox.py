"""PartsBox as it is assumed: its records in the form of its own answers, and which operation reads what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from workers.dry_run.books import RefusedError, Reply, Shelf, stand_in
from workers.dry_run.partsbox_supposed import supposed_for
from workers.dry_run.partsbox_writes import write
from workers.vendors.partsbox.client import CATEGORY, MESSAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command
    from workers.dry_run.books import Record, StockChange

#: Reads of one record: the noun's plural, and the field that names it.
_GETS: Final = {
    "part/get": ("parts", "part/id"),
    "lot/get": ("lots", "lot/id"),
    "storage/get": ("storages", "storage/id"),
    "order/get": ("orders", "order/id"),
    "project/get": ("projects", "project/id"),
    "build/get": ("builds", "build/id"),
}
_LISTS: Final = {"part/all": "parts", "project/all": "projects"}
#: Reads of a list that is kept inside a record.
_ENTRIES: Final = {
    "order/get-entries": ("orders", "order/id", "order/entries"),
    "project/get-entries": ("projects", "project/id", "project/entries"),
}
_NOT_FOUND: Final = "not-found"


class PartsBoxBooks:
    """PartsBox as far as our requests go; of its own rules it knows only that stock is never below zero."""

    def __init__(self, given: Mapping[str, Mapping[str, Record]]) -> None:
        self.parts = Shelf(given.get("parts"))
        self.storages = Shelf(given.get("storages"))
        self.lots = Shelf(given.get("lots"))
        self.orders = Shelf(given.get("orders"))
        self.projects = Shelf(given.get("projects"))
        self.builds = Shelf(given.get("builds"))
        self.moved: list[StockChange] = []
        self.stand_ins: dict[str, str] = {}

    def begin(self) -> None:
        self.moved = []
        for shelf in (self.parts, self.storages, self.lots, self.orders, self.projects, self.builds):
            shelf.forget()

    def suppose(self, command: Command) -> list[str]:
        return supposed_for(command, self)

    def answer(self, _method: str, path: str, _query: Mapping[str, str], body: Any) -> Reply:
        reads = path in _GETS or path in _LISTS or path in _ENTRIES
        try:
            data = self._read(path, body) if reads else write(self, path, body)
        except RefusedError as error:
            status = 404 if error.word == _NOT_FOUND else 409
            return Reply(status, {CATEGORY: error.word, MESSAGE: str(error)}, changes=not reads)
        return Reply(200, {CATEGORY: "ok", "data": data}, changes=not reads)

    def shelf(self, noun: str) -> Shelf:
        """Give the records of a noun by its plural."""
        return cast("Shelf", getattr(self, noun))

    def find(self, noun: str, record_id: object) -> dict[str, Any]:
        """Find a record; raises RefusedError."""
        record = self.shelf(noun).find(str(record_id))
        if record is None:
            raise RefusedError(_NOT_FOUND, "not there as assumed")
        return record

    def new_id(self, meaning: str) -> str:
        """Make up an id that only the vendor can give."""
        made = stand_in(len(self.stand_ins) + 1)
        self.stand_ins[made] = meaning
        return made

    def _read(self, path: str, body: Record) -> Any:
        if path in _LISTS:
            return list(self.shelf(_LISTS[path]))
        if path in _GETS:
            noun, name = _GETS[path]
            return self.find(noun, body[name])
        noun, name, entries = _ENTRIES[path]
        return self.find(noun, body[name]).get(entries) or []
