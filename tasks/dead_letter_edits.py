"""Correcting a dead letter: changed fields become a checked command of the same kind, and a diff a person can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tasks.dead_letter_records import Change, Diff
from tasks.registry import InvalidCommandError, Problem, command_type, parse_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command
    from tasks.records import CommandRecord

#: The event itself: a command about another one is a new command.
FIXED_FIELDS: Final = ("stock_timestamp", "source")
_FIXED: Final = "says which event it was and never changes; discard this command and submit another"


def schema_of(kind: str) -> dict[str, Any]:
    """Give the JSON schema of a kind's command; raises InvalidCommandError for an unknown kind."""
    schema = command_type(kind).model_json_schema()
    for name in FIXED_FIELDS:
        schema["properties"][name]["readOnly"] = True
    return schema


def stored(text: str) -> dict[str, Any] | None:
    """Read the fields of a command as the ledger keeps them; None where they cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def asked_of(record: CommandRecord) -> dict[str, Any]:
    """Give what a replay would send, as corrected so far; raises InvalidCommandError where that cannot be read."""
    asked = stored(record.corrected or record.command)
    if asked is None:
        raise InvalidCommandError((Problem("(stored)", "", "unreadable, so it cannot be corrected; discard it"),))
    return asked


def corrected(record: CommandRecord, edits: Mapping[str, Any]) -> Command:
    """Give the command with its fields changed; None takes one out. Raises InvalidCommandError naming each at fault."""
    fixed = [Problem(name, json.dumps(edits[name], default=str)[:80], _FIXED) for name in FIXED_FIELDS if name in edits]
    if fixed:
        raise InvalidCommandError(tuple(fixed))
    fields = {**asked_of(record), **edits}
    return parse_command(record.kind, {name: value for name, value in fields.items() if value is not None})


def diff_of(record: CommandRecord, command: Command, revision: str) -> Diff:
    """Tell what a corrected command changes."""
    old, new = asked_of(record), command.model_dump(mode="json", exclude_none=True)
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    return Diff(
        changes=tuple(Change(name, old.get(name), new.get(name)) for name in names),
        old_summary=record.corrected_summary or record.summary,
        new_summary=command.summary(),
        old_lanes=record.lanes,
        new_lanes=command.lanes(),
        revision=revision,
    )
