"""Commands of a newer release, in a worker that does not know what they ask: they wait, nothing else does.

A worker that does not have a command's kind, one of its fields or the format of its record may not guess, and a person
could do no better: a newer worker can. So it gives the command back to wait, longer each time, in its own lanes only.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tasks import telemetry
from tasks.errors import LeaseLostError
from tasks.ledger import Ledger
from tasks.records import FORMAT, Claim, Verdict
from tasks.registry import InvalidCommandError, command_type, parse_command

if TYPE_CHECKING:
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


def stand_in(queue: str) -> str:
    """Name the Celery task that takes the hints of unknown kinds in a vendor's queue."""
    return f"newer.{queue}"


def beyond(record: CommandRecord) -> str:
    """Say what of a command this release does not have; empty when it has all of it, readable or not."""
    if record.format > FORMAT:
        return f"format {record.format} of the record, and this one knows {FORMAT}"
    try:
        parse_command(record.kind, record.command.encode())
    except InvalidCommandError as error:
        if not error.unheard_of:
            return ""
        try:
            command_type(record.kind)
        except InvalidCommandError:
            return f"kind {record.kind} is unknown"
        return f"{record.kind} with {', '.join(problem.field for problem in error.problems)} is unknown"
    return ""


class PatientLedger(Ledger):
    """A worker's ledger: what a newer release has accepted is never handed out, and never held."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._said: set[str] = set()

    async def claim(self, key: str, owner: str, lease_seconds: float) -> Claim:
        """Take the lease as the ledger does, of what this release can run; the other is postponed, NOT_READY."""
        claim = await super().claim(key, owner, lease_seconds)
        record = claim.record
        if record is None or not (what := beyond(record)):
            return claim
        reason = f"{WAITS}: {what}"
        with suppress(LeaseLostError):  # then it is another worker's already
            if claim.verdict is Verdict.IN_DOUBT:
                await self.doubt(key, owner, _wait_seconds(record.looks), reason=reason)
            else:
                await self.delay(key, owner, _wait_seconds(record.waits), spent=False, reason=reason)
        self._say(record, reason)
        return Claim(Verdict.NOT_READY)

    def _say(self, record: CommandRecord, reason: str) -> None:
        if reason in self._said or len(self._said) >= _MOST_SAID:
            return
        self._said.add(reason)
        fields = {"key": record.key, "kind": record.kind, "vendor": self.vendor, "reason": reason}
        logger.warning(telemetry.COMMAND_OF_NEWER, extra=fields)


def _wait_seconds(times: int) -> float:
    return min(FIRST_WAIT_SECONDS * (1 << min(times, _DOUBLINGS)), LONGEST_WAIT_SECONDS)
