"""What `stockrelay submit` is given: FIELD=VALUE words, or a file of commands in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

import click

from tasks.registry import InvalidCommandError, Problem, parse_command, submittable_kinds
from tasks.strict_json import read_json
from tasks.submit import as_routed, check_submittable, now_ms
from workers.cli.field_values import MAX_DEPTH, read_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.commands import Command
    from tasks.routes import Routes

#: More is a feed: `stockrelay-files` takes those, with progress and a report.
MAX_COMMANDS: Final = 10_000
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
#: A list of problems longer than a screen helps nobody.
_PROBLEMS_SHOWN: Final = 20
_WHEN: Final = "UTC milliseconds of the event; `date +%s%3N` tells the present ones; keep them when you repeat it"


@dataclass(frozen=True, slots=True)
class Given:
    """One command, and where it was given, for messages about it."""

    place: str
    command: Command


def from_words(kind: str, pairs: Sequence[tuple[str, str]]) -> list[Given]:
    """Read one command: each value as text, and as JSON where text is refused; raises click.UsageError."""
    values = read_values(pairs, partial(parse_command, kind))
    try:
        return [Given("the command", parse_command(kind, values))]
    except InvalidCommandError as error:
        raise _refused([("the command", error)]) from None


def from_file(source: IO[bytes]) -> list[Given]:
    """Read JSON: one command, a list of them, or one on each line; raises click.UsageError naming all that is wrong."""
    raw = source.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise click.UsageError(f"the file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB; split it")
    found, wrong = [], []
    for number, (place, value) in enumerate(_objects(raw), start=1):
        if number > MAX_COMMANDS:
            raise click.UsageError(f"the file has more than {MAX_COMMANDS} commands; split it")
        try:
            found.append(Given(place, _command(value)))
        except InvalidCommandError as error:
            wrong.append((place, error))
    if wrong:
        raise _refused(wrong)
    if not found:
        raise click.UsageError("the file has no command")
    return found


def check_all(given: Sequence[Given], routes: Routes) -> None:
    """Refuse what no producer may submit, all of it at once; raises click.UsageError."""
    wrong = []
    for each in given:
        try:
            check_submittable(each.command, now_ms())
            as_routed(each.command, routes)
        except InvalidCommandError as error:
            wrong.append((each.place, error))
    if wrong:
        raise _refused(wrong)


def _objects(raw: bytes) -> Iterator[tuple[str, Any]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError("the file is not UTF-8") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if len(lines) > 1 and _is_object(lines[0][1]):
        for number, line in lines:
            yield f"line {number}", _usable(line, f"line {number}")
        return
    whole = _usable(text, "the file") if lines else []
    if isinstance(whole, list):
        yield from ((f"command {number}", value) for number, value in enumerate(whole, start=1))
    else:
        yield "the command", whole


def _is_object(line: str) -> bool:
    try:
        return isinstance(read_json(line, max_depth=MAX_DEPTH), dict)
    except ValueError:
        return False


def _usable(text: str, place: str) -> Any:
    try:
        return read_json(text, max_depth=MAX_DEPTH, what=place)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _command(value: Any) -> Command:
    if not isinstance(value, dict):
        raise InvalidCommandError((Problem("(body)", "not shown", 'not an object like {"kind": "stock.add", …}'),))
    fields = dict(value)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str):
        message = f"missing or not a text; give one of {', '.join(submittable_kinds())}"
        raise InvalidCommandError((Problem("kind", "nothing", message),))
    return parse_command(kind, fields)


def _refused(wrong: Sequence[tuple[str, InvalidCommandError]]) -> click.UsageError:
    told = [f"  {place}: {_told(problem)}" for place, error in wrong for problem in error.problems]
    more = [f"  and {len(told) - _PROBLEMS_SHOWN} more"] if len(told) > _PROBLEMS_SHOWN else []
    return click.UsageError("\n".join(["nothing was submitted:", *told[:_PROBLEMS_SHOWN], *more]))


def _told(problem: Problem) -> str:
    if problem.field == "stock_timestamp" and problem.value == "nothing":
        return f"stock_timestamp: missing; {_WHEN}"
    return str(problem)
