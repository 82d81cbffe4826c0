"""The file of `--assume`: what the vendors have, in the form of their own answers.

One object by vendor; in it lists of records. A list that is given is complete: what is not in it is not there. Of a
list that is left out nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from tasks.errors import StockrelayError
from tasks.strict_json import read_json
from workers.dry_run.books import Record
from workers.vendors.openbom import wire as openbom
from workers.vendors.partium import wire as partium
from workers.vendors.partsbox.wire import builds, lots, parts, projects, stock, storage

#: Records by their ids, by noun, by vendor.
Assumptions = Mapping[str, Mapping[str, Mapping[str, Record]]]

#: Of the file; a vendor's records nest less.
MAX_DEPTH: Final = 32
NOTHING_KNOWN: Final[Assumptions] = MappingProxyType({})


class AssumptionsError(StockrelayError):
    """The file cannot be used; the text names the place in it."""


#: Reads a record, or what is in one of its fields, as the adapter does; ValueError when it can't be.
_Read = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Noun:
    """One list: the field with the id, what reads a record, and those of its fields that are read by themselves."""

    id_field: str
    read: _Read
    fields: Mapping[str, _Read] = field(default_factory=dict)
    #: What the name of every field begins with.
    prefix: str = ""


def _partsbox(noun: str, *reads: _Read, **entries: _Read) -> _Noun:
    """Describe a list of PartsBox, whose adapter reads answers with an envelope."""

    def read(record: dict[str, Any]) -> None:
        for each in reads:
            each({"data": record})

    fields = {f"{noun}/{name}": _enveloped(each) for name, each in entries.items()}
    return _Noun(f"{noun}/id", read, fields, f"{noun}/")


def _enveloped(read: _Read) -> _Read:
    return lambda value: read({"data": value})


def _document(record: dict[str, Any]) -> None:
    if "cells" not in record:
        raise ValueError("cells: missing; give a list of columns and, for each row, a list of cells")
    document = openbom.document(record, str(record["id"]))
    record["columns"], record["cells"] = list(document.columns), [list(row) for row in document.rows]


_NOUNS: Final[Mapping[str, Mapping[str, _Noun]]] = {
    "partsbox": {
        "parts": _partsbox("part", parts.part, lambda body: stock.stock_entries(body, "")),
        "storages": _partsbox("storage", storage.storage),
        "lots": _partsbox("lot", lots.lot),
        "orders": _partsbox("order", stock.order_status, entries=stock.order_entries),
        "projects": _partsbox("project", projects.project, entries=projects.entries),
        "builds": _partsbox("build", builds.build),
    },
    "partium": {
        "parts": _Noun("part_id", partium.part_record),
        "assemblies": _Noun("ass_id", partium.assembly_record),
    },
    "openbom": {"boms": _Noun("id", _document), "catalogs": _Noun("id", _document)},
    "partbolt": {"parts": _Noun("id", lambda record: record)},
}


def read_assumptions(text: bytes) -> Assumptions:
    """Read the file; raises AssumptionsError naming the place that is wrong."""
    try:
        given = read_json(text, max_depth=MAX_DEPTH, what="the file")
    except ValueError as error:
        raise AssumptionsError(str(error)) from None
    vendors = _object("(file)", given, _NOUNS)
    return {
        vendor: {
            noun: _records(f"{vendor}.{noun}", records, _NOUNS[vendor][noun])
            for noun, records in _object(vendor, nouns, _NOUNS[vendor]).items()
        }
        for vendor, nouns in vendors.items()
    }


def _object(place: str, given: object, known: Mapping[str, object]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise AssumptionsError(f"{place}: not an object; known are {', '.join(known)}")
    for name in given:
        if name not in known:
            raise AssumptionsError(f"{place}: {name!r:.80} is unknown; known are {', '.join(known)}")
    return given


def _records(place: str, given: object, noun: _Noun) -> dict[str, Record]:
    if not isinstance(given, list):
        raise AssumptionsError(f"{place}: not a list of records")
    found: dict[str, Record] = {}
    for number, record in enumerate(given):
        _check(f"{place}.{number}", record, noun)
        record_id = record[noun.id_field]
        if record_id in found:
            raise AssumptionsError(f"{place}.{number}: {noun.id_field} {record_id!r:.80} is there twice")
        found[record_id] = record
    return found


def _check(place: str, record: object, noun: _Noun) -> None:
    if not isinstance(record, dict) or not isinstance(record.get(noun.id_field), str):
        raise AssumptionsError(f"{place}: not an object with a text as {noun.id_field}")
    for name in record:
        if not name.startswith(noun.prefix):
            raise AssumptionsError(f"{place}: {name!r:.80} is no field of it; all begin with {noun.prefix}")
    _understood(place, noun.read, record)
    for name, read in noun.fields.items():
        _understood(f"{place}.{name}", read, record.get(name) or [])


def _understood(place: str, read: _Read, value: object) -> None:
    try:
        read(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, (place, *(step for step in first["loc"] if step != "data"))))
        raise AssumptionsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise AssumptionsError(f"{place}: {error}") from None
