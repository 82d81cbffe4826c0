"""`FIELD=VALUE` as it is typed: each value is text where its field takes text, and JSON where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from tasks.registry import InvalidCommandError
from tasks.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: No command nests as deep; what does is a mistake, or worse.
MAX_DEPTH: Final = 16


def field_pair(text: str) -> tuple[str, str]:
    """Read `FIELD=VALUE`; raises click.BadParameter."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE")
    try:
        text.encode()
    except UnicodeEncodeError:
        # the shell hands over bytes that are none as halves of characters
        raise click.BadParameter(f"{name!r:.80}: the value is not UTF-8") from None
    return name, value


def read_values(
    pairs: Sequence[tuple[str, str]], check: Callable[[Mapping[str, Any]], object], *, nothing: str | None = None
) -> dict[str, Any]:
    """Give every value the type of its field: tried as text, those that `check` refuses as text as JSON.

    `check` raises InvalidCommandError for fields that are wrong. The word `nothing`, where one is given, stands for
    None. Raises click.UsageError for a field that is given twice.
    """
    given = {name: None if text == nothing else text for name, text in pairs}
    if len(given) < len(pairs):
        raise click.UsageError("a field is given twice; give each one value")
    try:
        check(given)
    except InvalidCommandError as error:
        at_fault = {problem.field.split(".", 1)[0] for problem in error.problems}
        return {name: text if text is None or name not in at_fault else _guessed(text) for name, text in given.items()}
    return dict(given)


def _guessed(text: str) -> Any:
    try:
        return read_json(text, max_depth=MAX_DEPTH)
    except ValueError:
        return text
