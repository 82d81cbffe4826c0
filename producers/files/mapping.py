"""A row becomes a command: each field filled from its column, read by its kind, judged by the command's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from producers.files.moments import MomentError, parse_moment
from producers.files.numbers import parse_decimal, parse_whole
from producers.files.rows import BadRow, Row, shown
from producers.files.targets import Shape, Step
from tasks.directory import ThingType, code_of
from tasks.registry import InvalidCommandError, parse_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from producers.files.feeds import Feed, Filling
    from producers.files.numbers import NumberStyle
    from tasks.commands import Command
    from tasks.directory import Thing
    from tasks.registry import Problem

#: Of the file's sha256 in the source of its rows: 48 bits; the whole digest is in the idempotency key.
DIGEST_CHARACTERS: Final = 12
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


class Lookup(Protocol):
    """Gives the parts of a part number, written by `tasks.directory.code_of`; none, one, or too many."""

    def __call__(self, code: str, /) -> Sequence[Thing]: ...


class _CellError(ValueError):
    """A cell that cannot fill its field."""

    def __init__(self, reason: str, column: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.column = column
        self.value = value


def to_command(
    row: Row, feed: Feed, *, digest: str, first_seen_ms: int, lookup: Lookup | None = None
) -> Command | BadRow:
    """Make the command of a row, or say why there is none.

    `digest` is the file's sha256 in hex, `first_seen_ms` when it was first seen (UTC milliseconds): together with the
    row's number they are its identity, unless the feed has a timestamp column. `lookup` is needed by feeds that look
    part numbers up; collect the numbers with `codes_of` before.
    """
    try:
        payload = _payload(row, feed, lookup)
        payload |= _identity(row, feed, digest, first_seen_ms)
        return parse_command(feed.kind, payload)
    except _CellError as error:
        return BadRow(row.number, row.line, error.column, error.value, str(error), row.text)
    except InvalidCommandError as error:
        return _refused(row, feed, error.problems)


def codes_of(row: Row, feed: Feed) -> tuple[str, ...]:
    """List the part numbers of a row that have to be looked up, as the directory writes them."""
    found = []
    for filling in feed.fields.values():
        if filling.lookup is not None:
            _, text = _cell(row, filling)
            found.append(code_of(text or filling.default or ""))
    return tuple(filter(None, found))


def _identity(row: Row, feed: Feed, digest: str, first_seen_ms: int) -> dict[str, Any]:
    if feed.timestamp is None:
        source = f"{feed.name}:{digest[:DIGEST_CHARACTERS]}:{row.number}"
        return {"source": source, "stock_timestamp": first_seen_ms}
    column, text = _found(row, feed.timestamp.column)
    if not text:
        raise _CellError("the timestamp is missing; every row needs it", column)
    try:
        moment = parse_moment(text, feed.timestamp.format, feed.timestamp.zone)
    except MomentError as error:
        raise _CellError(f"timestamp: {error}", column, text) from None
    return {"source": feed.name, "stock_timestamp": moment}


def _found(row: Row, columns: tuple[str, ...]) -> tuple[str, str]:
    """Give the first of the columns that the row has, and what stands there."""
    for column in columns:
        value = row.values.get(column)
        if value is not None:
            return column, value.strip()
    return columns[0], ""


def _cell(row: Row, filling: Filling) -> tuple[str, str]:
    return _found(row, filling.column) if filling.column is not None else ("", "")


def _payload(row: Row, feed: Feed, lookup: Lookup | None) -> dict[str, Any]:
    filled: dict[tuple[Step, ...], Any] = {}
    #: List elements that a column has given something.
    said: set[tuple[Step, ...]] = set()
    dull: set[tuple[Step, ...]] = set()
    for name, filling in feed.fields.items():
        target = feed.targets[name]
        element = target.element
        if filling.column is None:
            filled[target.path] = filling.value
            continue
        column, text = _cell(row, filling)
        text = text or filling.default or ""
        if not text:
            dull.add(element)
            continue
        try:
            filled[target.path] = _read(text, filling, target.shape, feed.number_style, lookup)
        except ValueError as error:
            raise _CellError(f"{name}: {error}", column, text) from None
        said.add(element)
    # an element whose columns are all empty is none: the second lot of a row that has one
    empty = dull - said - {()}
    if empty:
        filled = {path: value for path, value in filled.items() if not _is_inside(path, empty)}
    return _nested(filled)


def _is_inside(path: tuple[Step, ...], elements: set[tuple[Step, ...]]) -> bool:
    return any(path[: len(element)] == element for element in elements)


def _read(text: str, filling: Filling, shape: Shape, style: NumberStyle, lookup: Lookup | None) -> Any:
    if filling.values is not None:
        if text not in filling.values:
            raise ValueError("is not in the feed's values for this field; add it there or correct the row")
        text = filling.values[text]
    if filling.lookup is not None:
        return _part_id(text, lookup)
    if shape is Shape.TEXTS:
        return _split(text, filling.split)
    return _READERS[shape](text, style)


def _yes_or_no(text: str) -> bool:
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    raise ValueError("neither yes nor no; write one of them, or give the feed's values for this field")


_READERS: Final[Mapping[Shape, Callable[[str, NumberStyle], Any]]] = {
    Shape.WHOLE: parse_whole,
    # JSON keeps every digit of a text
    Shape.DECIMAL: lambda text, style: str(parse_decimal(text, style)),
    Shape.CHOICE: lambda text, _: text.lower(),
    Shape.YES_NO: lambda text, _: _yes_or_no(text),
    Shape.TEXT: lambda text, _: text,
}


def _split(text: str, at: str | None) -> list[str]:
    if at is None:
        return [text]
    pieces = text.split(None if at.isspace() else at)
    return [piece.strip() for piece in pieces if piece.strip()]


def _part_id(text: str, lookup: Lookup | None) -> str:
    found = [thing for thing in (lookup(code_of(text)) if lookup else ()) if thing.type is ThingType.PART]
    if not found:
        raise ValueError("no part of this number is known; correct it, or add the number to the part")
    if len(found) > 1:
        names = ", ".join(shown(thing.name) for thing in found[:3])
        raise ValueError(f"{len(found)} parts have this number ({names}); give the part's id")
    return found[0].id


def _nested(filled: Mapping[tuple[Step, ...], Any]) -> dict[str, Any]:
    tree: dict[Step, Any] = {}
    for path, value in filled.items():
        place = tree
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return {str(name): _with_lists(value) for name, value in tree.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(step, int) for step in value):
        return [_with_lists(value[place]) for place in sorted(value)]
    return {step: _with_lists(each) for step, each in value.items()}


def _refused(row: Row, feed: Feed, problems: tuple[Problem, ...]) -> BadRow:
    """Say what the command's own rules have against it, with the column that the first field came from."""
    column = value = ""
    for name, filling in feed.fields.items():
        way = ".".join(map(str, feed.targets[name].path))
        if filling.column is not None and (problems[0].field == way or problems[0].field.startswith(f"{way}.")):
            column, value = _cell(row, filling)
    if not column and feed.timestamp is not None and problems[0].field == "stock_timestamp":
        column, value = _found(row, feed.timestamp.column)
    reason = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return BadRow(row.number, row.line, column, value, reason, row.text)
