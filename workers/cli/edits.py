"""Correcting a dead letter: `FIELD=VALUE` pairs become a checked command of the same kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from tasks.registry import InvalidCommandError, Problem, parse_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command
    from tasks.records import CommandRecord

#: The event itself: a command about another one is a new command.
FIXED_FIELDS: Final = ("stock_timestamp", "source")
#: Takes a field out.
NOTHING: Final = "null"


def parse_edit(text: str) -> tuple[str, str]:
    """Read `FIELD=VALUE`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE")
    if name in FIXED_FIELDS:
        raise click.BadParameter(
            f"{name} says which event it was and never changes; discard this command and submit another"
        )
    return name, value


def corrected(record: CommandRecord, edits: Mapping[str, str]) -> Command:
    """Give the command with its fields changed; raises InvalidCommandError naming every field at fault."""
    asked = _stored(record)
    command = _parsed(record.kind, asked, edits)
    if command.model_dump(mode="json", exclude_none=True) == asked:
        raise click.UsageError("--edit changes nothing; leave it out to replay the command as it is")
    return command


def _stored(record: CommandRecord) -> dict[str, Any]:
    try:
        asked = json.loads(record.command)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise InvalidCommandError((Problem("(stored)", "", "unreadable, so it cannot be corrected; discard it"),))
    return asked


def _parsed(kind: str, asked: dict[str, Any], edits: Mapping[str, str]) -> Command:
    """Try every value as text, then those that cannot be text as JSON."""
    given = {name: text for name, text in edits.items() if text != NOTHING}
    kept = {name: value for name, value in asked.items() if name not in edits}
    try:
        return parse_command(kind, {**kept, **given})
    except InvalidCommandError as error:
        at_fault = {problem.field.split(".", 1)[0] for problem in error.problems}
    read = {name: _from_json(text) if name in at_fault else text for name, text in given.items()}
    return parse_command(kind, {**kept, **read})


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
