"""What every kind of command must do with good and bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.registry import InvalidCommandError, parse_command
from tasks.submit import to_new_command

if TYPE_CHECKING:
    from collections.abc import Mapping


def assert_refused(kind: str, fields: Mapping[str, Any], field: str, reason: str) -> None:
    """The command is refused with one problem, which names the field and the reason."""
    with pytest.raises(InvalidCommandError) as caught:
        parse_command(kind, dict(fields))

    (problem,) = caught.value.problems
    assert problem.field == field
    assert reason in problem.message


def assert_survives_the_ledger(kind: str, fields: Mapping[str, Any]) -> None:
    """What comes back from the ledger is the same command, with the same key, lanes and summary."""
    command = parse_command(kind, dict(fields))
    stored = to_new_command(command, command.key(), "test")

    again = parse_command(stored.kind, stored.command.encode())

    assert again == command
    assert (again.key(), again.lanes(), again.summary()) == (stored.key, stored.lanes, stored.summary)
