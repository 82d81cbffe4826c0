"""Admitting: what is admitted in the same moment enters the ledger in one step, each for itself."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import OutOfMemoryError, ResponseError

from tasks.records import Admission, NewCommand, State
from tasks.script_calls import Together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_NEW_FIELDS: Final = tuple(field.name for field in fields(NewCommand))
#: How Redis begins an error that says it is full.
_FULL: Final = "OOM "


class Admissions:
    """Admits to one ledger. `step` makes its step `admit` for a list of calls, each a list of commands.

    To run the script costs the server as much as to admit a command: many calls share one run.
    """

    def __init__(self, step: Callable[[list[list[dict[str, Any]]]], Awaitable[Sequence[dict[str, Any]]]]) -> None:
        self._step = step
        self._together: Together[Sequence[NewCommand], tuple[Admission, ...]] = Together(self._admit)

    async def admit(self, commands: Sequence[NewCommand]) -> tuple[Admission, ...]:
        """Admit these in their order, behind what was asked before; Redis errors come through as they are."""
        return await self._together.call(commands)

    async def _admit(self, calls: Sequence[Sequence[NewCommand]]) -> list[tuple[Admission, ...] | Exception]:
        answers = await self._step([[arguments_of(command) for command in commands] for commands in calls])
        return [_outcome(answer) for answer in answers]


def arguments_of(command: NewCommand) -> dict[str, Any]:
    """Give a command as the script takes it."""
    # the fields are plain: `dataclasses.asdict` would copy each of them deeply
    return {name: getattr(command, name) for name in _NEW_FIELDS}


def _outcome(answer: dict[str, Any]) -> tuple[Admission, ...] | Exception:
    if "error" in answer:
        text = str(answer["error"])
        return OutOfMemoryError(text) if text.startswith(_FULL) else ResponseError(text)
    return tuple(
        Admission(found["key"], State(found["state"]), found["fresh"], found["conflict"])
        for found in answer["admitted"]
    )
