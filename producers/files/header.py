"""Column names: which of a file's columns the feed means."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from producers.files.rows import MAX_COLUMNS, FileProblem, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from producers.files.feeds import Feed

#: How many of a file's columns an error lists.
_LISTED: Final = 40


def folded(name: str) -> str:
    """Write a column name as it is compared: capitals, blanks and line ends make no difference."""
    return " ".join(name.split()).casefold()


def spelling(feed: Feed) -> dict[str, str]:
    """Give the folded names of the columns that the feed reads, with its own spelling."""
    return {folded(column): column for columns in feed.used_columns() for column in columns}


def name_columns(cells: Sequence[str], feed: Feed, line: int, *, known: Collection[str] = ()) -> tuple[str, ...]:
    """Name the columns of a header: as the feed spells those it reads, as the file does the others.

    `known` are folded names that the format gives besides. Raises FileProblem where a column that the feed reads is
    missing, or stands there twice.
    """
    if len(cells) > MAX_COLUMNS:
        raise FileProblem(f"{len(cells)} columns, {MAX_COLUMNS} at most; check the delimiter", line=line)
    found = [folded(cell) for cell in cells]
    spelled = spelling(feed)
    for name, count in Counter(found).items():
        if name in spelled and count > 1:
            places = ", ".join(str(place) for place, each in enumerate(found, 1) if each == name)
            raise FileProblem(f"column {shown(spelled[name])} stands there twice ({places}); rename one", line=line)
    _must_exist({*found, *known}, feed, [*cells, *known], line)
    return tuple(
        spelled.get(name) or " ".join(cell.split()) or f"(column {place})"
        for place, (name, cell) in enumerate(zip(found, cells, strict=True), 1)
    )


def _must_exist(found: Collection[str], feed: Feed, there: Sequence[str], line: int) -> None:
    for columns in feed.used_columns():
        if not any(folded(column) in found for column in columns):
            listed = ", ".join(shown(" ".join(cell.split())) for cell in there[:_LISTED] if cell.strip())
            named = " or ".join(map(shown, columns))
            raise FileProblem(
                f"no column {named}; there are {listed or 'none'}; correct the file or the feed", line=line
            )
