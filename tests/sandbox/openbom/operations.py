"""Every operation the vendor has: its name here, its method and path, and whether it writes."""

import re
from dataclasses import dataclass
from re import Pattern

#: the document that a path names
DOCUMENT = r"(?P<id>[^/]+)"


@dataclass(frozen=True)
class Operation:
    """One line of the vendor's list of methods."""

    method: str
    path: Pattern[str]
    writes: bool = False


def _read(path: str) -> Operation:
    return Operation("GET", re.compile(path))


def _write(path: str) -> Operation:
    return Operation("POST", re.compile(path), writes=True)


OPERATIONS: dict[str, Operation] = {
    "login": Operation("POST", re.compile("login")),
    "boms": _read("boms"),
    "orderboms": _read("orderboms"),
    "catalogs": _read("catalogs"),
    "propertytables": _read("propertytables"),
    "bom": _read(f"bom/{DOCUMENT}"),
    "catalog": _read(f"catalog/{DOCUMENT}"),
    "propertytable": _read(f"propertytable/{DOCUMENT}"),
    "bom/propertyvalue": _write(f"bom/{DOCUMENT}/propertyvalue"),
    "catalog/propertyvalue": _write(f"catalog/{DOCUMENT}/propertyvalue"),
}

#: operation -> the kind of document it is about
DOCUMENT_KINDS = {"bom": "bom", "catalog": "catalog", "bom/propertyvalue": "bom", "catalog/propertyvalue": "catalog"}


def find(path: str) -> tuple[str, str | None]:
    """Name the operation at a path and the id in it; the path itself when there is no such operation."""
    for name, operation in OPERATIONS.items():
        if found := operation.path.fullmatch(path):
            return name, found.groupdict().get("id")
    return path, None
