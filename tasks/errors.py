"""Errors by what to do next.

StockrelayError
├── VendorError
│   ├── RetryableError       certainly not executed: try again, an attempt is spent
│   ├── InDoubtError         perhaps executed: look before sending again
│   ├── RejectedError        refused for good: dead letter
│   └── VendorBlockedError   the vendor is closed to us: pause it, spend nothing
└── LedgerError
    ├── TransitionRefusedError   the ledger does not allow this step from this state
    ├── LeaseLostError           another owner has the command now
    ├── KeyReusedError           an idempotency key came back with another command
    ├── UnknownCommandError      no such key in the ledger
    ├── UnknownRedriveError      no such bulk replay
    └── DamagedRecordError       what the ledger keeps under a key cannot be read as a command
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from tasks.records import DamagedRecord

Result = TypeVar("Result")

#: Characters of an error of Redis that are worth a line of the log.
MOST_TOLD: Final = 200


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a vendor and what came back, free of secrets, kept as evidence.

    `status` is None when no answer was read; `answer` is the parsed body or its text, shortened.
    """

    operation: str
    request: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    answer: Any = None
    elapsed_ms: int = 0


class StockrelayError(Exception):
    """Anything this system raises on purpose."""


class VendorError(StockrelayError):
    """A vendor call that did not end in a clear success."""

    def __init__(self, message: str, *, exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.exchange = exchange


class RetryableError(VendorError):
    """The request was certainly not executed (no connection, no byte sent).

    `unreachable` tells that no connection came about: that is the vendor's trouble and not the command's.
    """

    def __init__(self, message: str, *, unreachable: bool = False, exchange: Exchange | None = None) -> None:
        super().__init__(message, exchange=exchange)
        self.unreachable = unreachable


class InDoubtError(VendorError):
    """The request may have been executed: the answer is missing, unreadable or says nothing.

    `overloaded` tells a 503; `retry_after_seconds` is then the vendor's own word where it gave a usable one.
    """

    def __init__(
        self,
        message: str,
        *,
        overloaded: bool = False,
        retry_after_seconds: float | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange)
        self.overloaded = overloaded
        self.retry_after_seconds = retry_after_seconds


class RejectedError(VendorError):
    """The vendor, or a read before the write, says that this command cannot be applied.

    `code` is a short stable word (`conflict`, `not-found`, `forbidden`, …); decide by it, never by the message.
    """

    def __init__(self, message: str, *, code: str, exchange: Exchange | None = None) -> None:
        super().__init__(message, exchange=exchange)
        self.code = code


class VendorBlockedError(VendorError):
    """The vendor takes no requests now (429, maintenance) or not from us (401, 402, 3xx). Not executed.

    `throttled` is true for a 429 and for a read's 503; `retry_after_seconds` is the vendor's own word where it gave one
    that can be used.
    """

    def __init__(
        self,
        message: str,
        *,
        throttled: bool = False,
        retry_after_seconds: float | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange)
        self.throttled = throttled
        self.retry_after_seconds = retry_after_seconds


class LedgerError(StockrelayError):
    """The ledger refused a step."""


class TransitionRefusedError(LedgerError):
    """The step is impossible from the command's present state."""


class LeaseLostError(LedgerError):
    """The caller's owner token no longer holds the command."""


class KeyReusedError(LedgerError):
    """The same idempotency key was used for a different command."""


class UnknownCommandError(LedgerError):
    """The ledger has no command under this key."""


class UnknownRedriveError(LedgerError):
    """The ledger has no bulk replay of this id."""


class DamagedRecordError(LedgerError):
    """What the ledger keeps under a key cannot be read as a command; `record` says why and what is there."""

    def __init__(self, record: DamagedRecord) -> None:
        super().__init__(f"{record.key}: damaged record: {record.problem}")
        self.record = record


def own_error(error: Exception) -> Exception:
    """Give a caller an error of its own: whoever raises a shared one makes everybody's traceback longer."""
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.__cause__ = error.__cause__
    return own


async def shared(awaited: asyncio.Future[Result]) -> Result:
    """Await what others wait for too: it goes on whoever stops waiting, and its error is each waiter's own."""
    awaited.add_done_callback(retrieve)
    try:
        return await asyncio.shield(awaited)
    except Exception as error:  # noqa: BLE001  whatever it is
        raise own_error(error) from None


def retrieve(awaited: asyncio.Future[Any]) -> None:
    """Take an error that nobody waits for any more, or asyncio would print it."""
    if not awaited.cancelled():
        awaited.exception()


def told(error: Exception) -> str:
    """Say an error of Redis in one line of a log, without the call that redis-py quotes: it may hold a payload."""
    # what follows the call is the arguments of the error, as a tuple
    lines = str(error).rpartition(" of pipeline caused error: ")[2].strip("(',)").splitlines()
    return f"{type(error).__name__}: {lines[0][:MOST_TOLD]}" if lines else type(error).__name__
