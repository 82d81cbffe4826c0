"""Nested data as flat values: a value's name is its keys, joined by dots."""

from __future__ import annotations

from typing import Final

from producers.files.rows import MAX_CELL_CHARACTERS, MAX_COLUMNS

#: Deeper than every export; a bomb is a million levels deep.
MAX_DEPTH: Final = 20


class Values:
    """The values of one record while it is read; remembers the first thing that is wrong with them."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        #: Name, value and reason of the first fault.
        self.fault: tuple[str, str, str] | None = None

    def put(self, name: str, value: str) -> None:
        """Take one value; a second of one name is a fault."""
        if name in self.found:
            self.wrong(name, value, "stands there twice; send it once")
        elif len(self.found) >= MAX_COLUMNS:
            self.wrong(name, value, f"more than {MAX_COLUMNS} values in one record; send less")
        elif len(value) > MAX_CELL_CHARACTERS:
            self.wrong(name, value, f"{len(value)} characters, {MAX_CELL_CHARACTERS} at most; shorten it")
        else:
            self.found[name] = value

    def put_next(self, name: str, value: str) -> None:
        """Take one value of those that may come several times: `lot`, `lot.2`, `lot.3`."""
        place, free = 1, name
        while free in self.found and self.found[free] != value:
            place += 1
            free = f"{name}.{place}"
        if free not in self.found:
            self.put(free, value)

    def wrong(self, name: str, value: str, reason: str) -> None:
        """Say why the record cannot be used; the first reason counts."""
        if self.fault is None:
            self.fault = name[:200], value[:100], reason


def as_text(values: dict[str, str]) -> str:
    """Write a record's values in one line, for the report."""
    return "; ".join(f"{name}={value}" for name, value in values.items())
