"""Corrections as they are typed: `FIELD=VALUE` pairs become JSON values of the command's fields."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from tasks.dead_letter_edits import corrected
from tasks.registry import InvalidCommandError
from workers.cli.field_values import read_values
from workers.cli.screen import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.dead_letter_records import Diff
    from tasks.records import CommandRecord
    from workers.cli.screen import Cell

#: Takes a field out.
NOTHING: Final = "null"


def values_of(record: CommandRecord, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Read the new values of a record's fields, None for `null`; raises click.UsageError for a field given twice."""
    return read_values(pairs, partial(corrected, record), nothing=NOTHING)


def diff_lines(diff: Diff) -> Iterator[tuple[str, Cell]]:
    """Write a correction as names and values for people."""
    for change in diff.changes:
        yield change.field, f"{_value(change.old)} -> {_value(change.new)}"
    if diff.old_summary != diff.new_summary:
        yield "what", f"{diff.old_summary} -> {diff.new_summary}"
    if diff.leaves_its_lanes:
        yield "lanes", f"{', '.join(diff.old_lanes)} -> {', '.join(diff.new_lanes)}"


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn what is wrong with an input into wrong usage that names every field."""
    try:
        yield
    except InvalidCommandError as error:
        problems = "\n".join(f"  {visible(str(problem))}" for problem in error.problems)
        raise click.UsageError(f"{what} is refused:\n{problems}") from None


def _value(value: Any) -> str:
    if value is None:
        return "not given"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
