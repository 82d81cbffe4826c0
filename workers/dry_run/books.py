"""What a vendor is assumed to have: the records given, those supposed for one command, and how stock changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import JsonValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.commands import Command

#: One record in the vendor's own form.
Record = dict[str, JsonValue]

#: Stands where nobody knows a text. No command can ask for it: its texts have no control characters.
NOT_KNOWN: Final = "\x00not known"


class NotKnownError(Exception):
    """What a request depends on is neither given nor can it be supposed; the text names it."""


class RefusedError(Exception):
    """The assumed vendor refuses a request: its word for why, and its words for people."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


@dataclass(frozen=True, slots=True)
class Reply:
    """What the assumed vendor answers; `changes` tells a write from a read."""

    status: int
    body: Any
    changes: bool = False


@dataclass(frozen=True, slots=True)
class StockChange:
    """How a write changes the pieces of a part at one place; None is not known.

    Of a command that names no lot, all lots of the place are counted together.
    """

    part_id: str
    storage_id: str | None
    lot_id: str | None
    before: int | None
    delta: int | None

    @property
    def after(self) -> int | None:
        """Count what is there then."""
        return None if self.before is None or self.delta is None else self.before + self.delta


class Shelf:
    """The records of one noun by their ids. None as `given`: nobody has said which there are."""

    def __init__(self, given: Mapping[str, Record] | None) -> None:
        self._given = None if given is None else dict(given)
        self._supposed: dict[str, Record] = {}

    def find(self, record_id: str) -> Record | None:
        """Give a record, to be read and changed; None when it is not there."""
        return self._supposed.get(record_id) or (self._given or {}).get(record_id)

    def is_given(self, record_id: str) -> bool:
        """Tell whether the record was given, and not only supposed."""
        return record_id in (self._given or {})

    def __iter__(self) -> Iterator[Record]:
        return iter([*(self._given or {}).values(), *self._supposed.values()])

    def suppose(self, record_id: str, record: Record) -> bool:
        """Let a record be there for one command; False where it was said which there are."""
        if self._given is not None:
            return False
        self._supposed.setdefault(record_id, record)
        return True

    @property
    def is_known(self) -> bool:
        """Tell whether it was said which records there are."""
        return self._given is not None

    def put(self, record_id: str, record: Record) -> None:
        """Add or replace a record."""
        (self._supposed if self._given is None else self._given)[record_id] = record

    def remove(self, record_id: str) -> None:
        """Take a record out."""
        self._supposed.pop(record_id, None)
        (self._given or {}).pop(record_id, None)

    def forget(self) -> None:
        """Suppose nothing any more."""
        self._supposed.clear()


class Books(Protocol):
    """One vendor as it is assumed: it answers every request of ours, and remembers what was written."""

    #: How the writes of this command have changed the stock.
    moved: list[StockChange]
    #: Ids that the vendor would give, made up, with what each stands for.
    stand_ins: dict[str, str]

    def begin(self) -> None:
        """Begin with the next command: what was supposed for the last one is forgotten."""

    def suppose(self, command: Command) -> list[str]:
        """Let there be what the command needs, where nothing is known of it; tell in sentences what that is.

        Raises NotKnownError where a request of the command would depend on what is not known.
        """

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Answer one request; a write is carried out."""


def stand_in(number: int) -> str:
    """Make up an id in the form of PartsBox's, for one that only the vendor can give."""
    return f"zz{number:06d}".ljust(26, "z")
