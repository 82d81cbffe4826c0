"""The vendors' own books, put into the words of the plan: what was written, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tests.demo.records import catalog_value
from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, Write, stock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.checker.evidence import Json

#: What is there, by what it is.
Shelf = dict[str, str]


class Book(Protocol):
    """One vendor's books, read through its sandbox's control API."""

    def writes(self, effects: list[Json], state: Json) -> list[Write]:
        """List the journal's effects in the order committed."""

    def shelf(self, state: Json) -> Shelf:
        """Tell what is there."""


class PartsBoxBook:
    """Stock, and the records of parts, storages, projects and their entries."""

    def writes(self, effects: list[Json], state: Json) -> list[Write]:
        names = _names(state)
        found: list[Write] = []
        for effect in effects:
            operation = effect["operation"]
            found += [
                stock(operation, names[leg["part_id"]], names[leg["storage_id"]], leg["quantity"])
                for leg in effect["legs"]
            ]
            about = next((subject for subject in effect["subjects"] if subject.startswith("project:")), "")
            for subject, fields in effect["details"].get("after", {}).items():
                noun, _, record_id = subject.partition(":")
                what = self._entry(fields, names, about) if noun == "entry" else f"{noun} {names[record_id]}"
                found.append(Write(PARTSBOX, operation, what, _said_of(noun, fields)))
        return found

    def shelf(self, state: Json) -> Shelf:
        names = _names(state)
        found: Shelf = {}
        for balance in state["on_hand"]:
            place = f"{names[balance['part_id']]} in {names[balance['storage_id']]}"
            found[place] = str(int(found.get(place, 0)) + balance["quantity"])
        for noun in ("part", "storage", "project"):
            for record in state[f"{noun}s"]:
                _put(found, f"{noun} {record[f'{noun}/name']}", _said_of(noun, record))
        for project_id, entries in state["project_entries"].items():
            for entry in entries:
                _put(found, self._entry(entry, names, f"project:{project_id}"), _said_of("entry", entry))
        return found

    def _entry(self, fields: Json, names: Mapping[str, str], project: str) -> str:
        what = names.get(fields.get("entry/part-id", ""), fields.get("entry/name", ""))
        return f"entry {what} of {names[project.partition(':')[2]]}"


class PartiumBook:
    """Part types and assemblies."""

    def writes(self, effects: list[Json], _state: Json) -> list[Write]:
        return [
            Write(
                PARTIUM,
                effect["operation"],
                f"{_NOUNS[effect['operation'].partition('/')[0]]} {effect['subjects'][0]}",
                _catalog_value(effect["details"]["after"]),
            )
            for effect in effects
        ]

    def shelf(self, state: Json) -> Shelf:
        return {f"part {part['part_id']}": _catalog_value(part) for part in state["parts"]} | {
            f"assembly {assembly['ass_id']}": _catalog_value(assembly) for assembly in state["assemblies"]
        }


class OpenBomBook:
    """Cells of BOMs and catalogs."""

    def writes(self, effects: list[Json], state: Json) -> list[Write]:
        documents = {document["id"]: document["name"] for document in state["documents"]}
        found = []
        for effect in effects:
            _, document_id, part_number = effect["subjects"][0].split(":", 2)
            cell = f"{documents[document_id]}: {part_number}, {effect['property_name']}"
            found.append(Write(OPENBOM, effect["operation"], cell, str(effect["after"])))
        return found

    def shelf(self, state: Json) -> Shelf:
        found: Shelf = {}
        for document in state["documents"]:
            for row in document["rows"]:
                number = row.get("Part Number", row.get("Item Number"))
                for name, value in row.items():
                    _put(found, f"{document['name']}: {number}, {name}", str(value))
        return found


class PartBoltBook:
    """Parts, which nobody can write."""

    def writes(self, _effects: list[Json], _state: Json) -> list[Write]:
        return []

    def shelf(self, state: Json) -> Shelf:
        return {f"part {part['name']}": str(sorted(part.items())) for part in state["parts"]}


BOOKS: Mapping[str, Book] = {
    PARTSBOX: PartsBoxBook(),
    PARTIUM: PartiumBook(),
    OPENBOM: OpenBomBook(),
    PARTBOLT: PartBoltBook(),
}

_NOUNS = {"parts": "part", "assemblies": "assembly"}
_CATALOG_FIELDS = ("name", "attributes", "parent_id")


def _names(state: Json) -> dict[str, str]:
    """Give the names behind the ids; one that is not among them shows as itself."""
    return _Named(
        (record[f"{noun}/id"], record[f"{noun}/name"])
        for noun in ("part", "storage", "project")
        for record in state[f"{noun}s"]
    )


class _Named(dict[str, str]):
    def __missing__(self, record_id: str) -> str:
        return record_id


def _said_of(noun: str, fields: Json) -> str:
    """Give what the plan says of a record: of an entry its quantity, else its description."""
    return str(fields.get("entry/quantity" if noun == "entry" else f"{noun}/description", ""))


def _catalog_value(record: Json | None) -> str:
    return "" if record is None else catalog_value({name: record[name] for name in _CATALOG_FIELDS if name in record})


def _put(shelf: Shelf, what: str, value: str) -> None:
    """Add to the shelf; a second one of the same name stands beside the first."""
    shelf[next(name for name in _numbered(what) if name not in shelf)] = value


def _numbered(what: str) -> Iterator[str]:
    yield what
    number = 2
    while True:
        yield f"{what} ({number})"
        number += 1
