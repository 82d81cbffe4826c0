"""Feeds and files for the tests of file formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from producers.files.feeds import Feed
from producers.files.formats import open_rows
from producers.files.mapping import to_command
from producers.files.rows import BadRow, LeftOut, Row
from tasks.directory import Thing, ThingType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from producers.files.mapping import Lookup
    from tasks.commands import Command

PART: Final = "p" * 26
SHELF: Final = "s" * 26
DIGEST: Final = "0123456789ab" + "c" * 52
SEEN_MS: Final = 1_790_000_000_000

FIELDS: Final[Mapping[str, Any]] = {
    "part_id": {"value": PART},
    "storage_id": {"value": SHELF},
    "quantity": {"column": "quantity"},
    "comments": {"column": "note"},
}


def make_feed(of_format: str = "csv", /, **options: Any) -> Feed:
    """A feed of stock.add with the columns `quantity` and `note`, changed as told."""
    return Feed.model_validate(
        {"name": "goods-in", "path": "in", "format": of_format, "kind": "stock.add", "fields": FIELDS, **options}
    )


def written(folder: Path, content: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(folder: Path, content: str | bytes, feed: Feed) -> list[Row | BadRow | LeftOut]:
    return list(open_rows(written(folder, content), feed))


def good_rows(folder: Path, content: str | bytes, feed: Feed) -> list[dict[str, str]]:
    """The values of all rows; fails where one of them is no good row."""
    rows = rows_of(folder, content, feed)
    assert [row for row in rows if not isinstance(row, Row)] == []
    return [dict(row.values) for row in rows if isinstance(row, Row)]


def bad_row(folder: Path, content: str | bytes, feed: Feed) -> BadRow:
    """The only bad row."""
    (found,) = (row for row in rows_of(folder, content, feed) if isinstance(row, BadRow))
    return found


def asked(row: Row, feed: Feed, lookup: Lookup | None = None) -> Command | BadRow:
    return to_command(row, feed, digest=DIGEST, first_seen_ms=SEEN_MS, lookup=lookup)


def row(values: Mapping[str, str], number: int = 7) -> Row:
    return Row(number, number + 1, values, "as it stands")


def known(parts: Mapping[str, Sequence[str]]) -> Lookup:
    """A directory with these ids for each part number, written in small letters."""

    def lookup(code: str, /) -> tuple[Thing, ...]:
        return tuple(Thing(each, ThingType.PART, f"part {each[:1]}") for each in parts.get(code, ()))

    return lookup
