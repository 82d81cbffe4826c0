"""Commands of a newer release, in a worker that does not know what they ask: they wait, nothing else does.

A worker that does not have a command's kind, one of its fields or the format of its record may not guess, and a person
could do no better: a newer worker can. So it gives the command back to wait, longer each time, in its own lanes only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tasks import telemetry
from tasks.errors import StockrelayError
from tasks.records import FORMAT
from tasks.registry import InvalidCommandError, command_type, parse_command

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.ledger import Ledger
    from tasks.records import CommandRecord

logger = logging.getLogger(__name__)

#: Begins the reason of a command that waits for a newer worker.
WAITS: Final = "waits for a newer release"
#: Doubled with each time, so that a newer worker beside this one soon gets it.
FIRST_WAIT_SECONDS: Final = 2.0
#: A newer worker that comes has it after this long at the latest; a thousand of them are three steps a second.
LONGEST_WAIT_SECONDS: Final = 300.0
_DOUBLINGS: Final = 8
#: Reasons that were logged; a process says each once.
_MOST_SAID: Final = 100


class NewerReleaseError(StockrelayError):
    """A newer release has accepted this command; the text says what of it this one does not have."""


def stand_in(queue: str) -> str:
    """Name the Celery task that takes the hints of unknown kinds in a vendor's queue."""
    return f"newer.{queue}"


def read_command(record: CommandRecord) -> Command:
    """Give the command of a record.

    Raises NewerReleaseError when only a newer release can, InvalidCommandError when none can.
    """
    if record.format > FORMAT:
        raise NewerReleaseError(f"format {record.format} of the record, and this one knows {FORMAT}")
    try:
        return parse_command(record.kind, record.command.encode())
    except InvalidCommandError as error:
        if not error.unheard_of:
            raise
        raise NewerReleaseError(_unheard_of(record.kind, error)) from error


def _unheard_of(kind: str, error: InvalidCommandError) -> str:
    try:
        command_type(kind)
    except InvalidCommandError:
        return f"kind {kind} is unknown"
    return f"{kind} with {', '.join(problem.field for problem in error.problems)} is unknown"


@dataclass(frozen=True, slots=True)
class Patience:
    """Gives commands of a newer release back to wait, and says once why."""

    _said: set[str] = field(default_factory=set)

    async def give_back(
        self, ledger: Ledger, record: CommandRecord, owner: str, error: NewerReleaseError, *, in_doubt: bool
    ) -> None:
        """Postpone the claimed command, as the doubt or the work that it was claimed for; nothing is spent."""
        reason = f"{WAITS}: {error}"
        if in_doubt:
            await ledger.doubt(record.key, owner, _wait_seconds(record.looks), reason=reason)
        else:
            await ledger.delay(record.key, owner, _wait_seconds(record.waits), spent=False, reason=reason)
        if reason not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(reason)
            fields = {"key": record.key, "kind": record.kind, "vendor": record.vendor, "reason": reason}
            logger.warning(telemetry.COMMAND_OF_NEWER, extra=fields)


def _wait_seconds(times: int) -> float:
    return min(FIRST_WAIT_SECONDS * (1 << min(times, _DOUBLINGS)), LONGEST_WAIT_SECONDS)
