"""Writes that say how a record shall be, or that it shall be gone: proved by reading it, whoever made it so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tasks.errors import RejectedError
from tasks.lookup import Absent, Finding, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record
from tasks.task import Before

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.task import Target

C = TypeVar("C", bound="Command")


class _OnRecord(ABC, Generic[C]):
    """A write on one record that the command names."""

    #: The command's field that names the record, for the refusal where there is none.
    names_it: str

    @abstractmethod
    async def read(self, command: C, target: Target[Any]) -> Record | None:
        """Read the fields that the command is about; None when there is no such record.

        A vendor's `not-found` is None here. Raises RejectedError where the read shows that the write can't be applied.
        """

    @abstractmethod
    async def send(self, command: C, target: Target[Any], sending: Sending) -> Exchange:
        """Send the write once."""

    def not_there(self, command: C) -> RejectedError:
        """Refuse a command about a record that is not there."""
        return RejectedError(f"{self.names_it}: there is no {getattr(command, self.names_it)}", code="not-found")


class Absolute(_OnRecord[C]):
    """Sets fields to absolute values; never overwrites what someone else changed since the before-image."""

    @abstractmethod
    def holds(self, record: Record, command: C) -> bool:
        """Tell whether the record is as the command wants it."""

    async def before(self, command: C, target: Target[Any]) -> Before:
        record = await self.read(command, target)
        if record is None:
            raise self.not_there(command)
        finding: Finding = Landed((record,), Proof.STATE) if self.holds(record, command) else Absent()
        return Before(Image(fields=record.fields), finding)

    async def proof(self, command: C, target: Target[Any]) -> Finding:
        match await self.look(command, target):
            case Absent():
                return Undecidable(Why.IGNORED)
            case Undecidable(Why.INCOMPLETE) as in_part:
                return in_part
            case Undecidable(_, entries):
                # confirmed, and something else is there now: a later writer, or the vendor's own form of our value
                return Landed(entries, Proof.ANSWER)
            case landed:
                return landed

    async def look(self, command: C, target: Target[Any]) -> Finding:
        return self.find(await self.read(command, target), command, target)

    def find(self, record: Record | None, command: C, target: Target[Any]) -> Finding:
        """Tell from what was read whether the write is there."""
        if record is None:
            return Undecidable(Why.CHANGED)
        if self.holds(record, command):
            return Landed((record,), Proof.STATE)
        return Absent() if record.fields == target.image.fields else Undecidable(Why.CHANGED, (record,))


def ignored_if_unmoved(finding: Finding, image: Image) -> Finding:
    """Take a confirmed write for ignored where just that part of it is there which an earlier send had brought."""
    match finding:
        case Undecidable(Why.INCOMPLETE, (Record() as found,)) if found.fields == image.fields:
            return Undecidable(Why.IGNORED)
    return finding


class ListSetting(Absolute[C]):
    """Sets several items of a record by one request: the vendor may carry it out in part, and confirm it all the same.

    What is missing then may be sent, as long as nobody else changed any of the items.
    """

    @abstractmethod
    def items(self, fields: Mapping[str, Any], command: C) -> dict[str, tuple[Any, bool]]:
        """Give each item that the command names: what there is of it, and whether that is as wanted."""

    def holds(self, record: Record, command: C) -> bool:
        return all(as_wanted for _, as_wanted in self.items(record.fields, command).values())

    async def proof(self, command: C, target: Target[Any]) -> Finding:
        return ignored_if_unmoved(await super().proof(command, target), target.image)

    def find(self, record: Record | None, command: C, target: Target[Any]) -> Finding:
        match super().find(record, command, target):
            case Undecidable(Why.CHANGED, (Record() as found,)) if self._is_in_part(found, command, target.image):
                return Undecidable(Why.INCOMPLETE, (found,))
            case Absent() if record is not None and target.doubted and self._has_some(record, command):
                # an earlier send may have brought them: whoever refuses the rest leaves them there
                return Undecidable(Why.INCOMPLETE, (record,))
            case finding:
                return finding

    def _has_some(self, record: Record, command: C) -> bool:
        return any(as_wanted for _, as_wanted in self.items(record.fields, command).values())

    def _is_in_part(self, record: Record, command: C, image: Image) -> bool:
        now, was = self.items(record.fields, command), self.items(image.fields or {}, command)
        as_before = {name for name, (found, _) in now.items() if found == was[name][0]}
        missing = {name for name, (_, as_wanted) in now.items() if not as_wanted}
        return bool(missing) and missing <= as_before


class Setting(Absolute[C]):
    """Sets the fields that the command gives, and compares no other."""

    #: What the record is, for the receipt and the evidence.
    noun: str

    @abstractmethod
    async def values(self, command: C, target: Target[Any]) -> dict[str, Any] | None:
        """Read every field that could be set, as JSON in one form; None when there is no such record."""

    @abstractmethod
    def wanted(self, command: C) -> dict[str, Any]:
        """Give the fields to set, in the form of `values`."""

    async def read(self, command: C, target: Target[Any]) -> Record | None:
        values = await self.values(command, target)
        if values is None:
            return None
        return Record(self.noun, getattr(command, self.names_it), {name: values[name] for name in self.wanted(command)})

    def holds(self, record: Record, command: C) -> bool:
        return record.fields == self.wanted(command)


class Removal(_OnRecord[C]):
    """Deletes a record. One that was not there from the start is refused: the id may be a typing mistake."""

    async def before(self, command: C, target: Target[Any]) -> Before:
        record = await self.read(command, target)
        if record is not None:
            return Before(Image(fields=record.fields))
        if target.doubted:
            return Before(Image(), Landed((), Proof.STATE))
        raise self.not_there(command)

    async def proof(self, command: C, target: Target[Any]) -> Finding:
        finding = await self.look(command, target)
        return Undecidable(Why.IGNORED) if isinstance(finding, Absent) else finding

    async def look(self, command: C, target: Target[Any]) -> Finding:
        return Absent() if await self.read(command, target) is not None else Landed((), Proof.STATE)
