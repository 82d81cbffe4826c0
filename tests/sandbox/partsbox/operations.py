"""What an operation is, who calls it, and how one is performed, with or without HTTP around it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record

#: how a comment is stored: leg ("entry", "source" or "target") and text in, text or nothing out
CommentRule = Callable[[str, str | None], str | None]


def verbatim(_leg: str, text: str | None) -> str | None:
    """Store the comment as it was sent."""
    return text


@dataclass(frozen=True)
class Caller:
    """The user an operation is done for, and what happens to the comments sent."""

    user: str
    store_comment: CommentRule = verbatim


@dataclass(frozen=True)
class Read:
    """An operation that changes nothing."""

    run: Callable[[State, Record], Answer]


@dataclass(frozen=True)
class Write:
    """An operation that checks everything first and then changes the state at once, or raises RefusedError."""

    run: Callable[[State, Record, Caller], tuple[Answer, Booking]]


Operation = Read | Write
