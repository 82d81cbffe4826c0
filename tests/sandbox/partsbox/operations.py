"""What an operation is, who calls it, and how one is performed, with or without HTTP around it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record

#: how a comment is stored: leg ("entry", "source" or "target") and text in, text or nothing out
CommentRule = Callable[[str, str | None], str | None]


def verbatim(_leg: str, text: str | None) -> str | None:
    """Store the comment as it was sent."""
    return text


#: which items of a batch are carried out: position in, from 1, and whether it is
BatchRule = Callable[[int], bool]

#: the fields of records that people write to each other in, and where a client leaves its marker
COMMENTS = ("/comments", "/notes")

ItemT = TypeVar("ItemT")


def every_one(_position: int) -> bool:
    """Carry out the whole batch."""
    return True


@dataclass(frozen=True)
class Caller:
    """The user an operation is done for, and what happens to the comments and the batches sent."""

    user: str
    store_comment: CommentRule = verbatim
    takes: BatchRule = every_one

    def stored(self, fields: Record) -> Record:
        """Give the fields of a record as they are stored."""
        kept = {
            name: self.store_comment("entry", value) if name.endswith(COMMENTS) else value
            for name, value in fields.items()
        }
        return {name: value for name, value in kept.items() if value is not None}

    def portion(self, items: list[ItemT]) -> list[ItemT]:
        """Give those items of a batch that are carried out."""
        return [item for position, item in enumerate(items, 1) if self.takes(position)]


@dataclass(frozen=True)
class Read:
    """An operation that changes nothing."""

    run: Callable[[State, Record], Answer]
    #: asks for no key
    public: bool = False


@dataclass(frozen=True)
class Write:
    """An operation that checks everything first and then changes the state at once, or raises RefusedError."""

    run: Callable[[State, Record, Caller], tuple[Answer, Booking]]


Operation = Read | Write
