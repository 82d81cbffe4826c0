"""One request that several commands share, where the vendor's operation takes a list: who is in it, and who is left."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tasks import tracing
from workers.packing import Arrange, Item, Room, as_they_came
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.errors import VendorError
    from tasks.ports import Grant, Sending
    from workers.vendors.request import Answer

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WrittenCall(Call):
    """A call whose body is JSON that is written already: that of items as they were measured."""

    def payload(self) -> bytes:
        return str(self.body).encode()


@dataclass(frozen=True, slots=True)
class ListOperation(Generic[R]):
    """An operation of a vendor that takes a list, and how its request and answer are about single items."""

    room: Room
    #: Makes the request for these items.
    call: Callable[[Sequence[Item]], Call]
    #: Gives each item its own part of an answer, in the same order. VendorErrors raised concern all of them.
    share: Callable[[Sequence[Item], Answer], Sequence[R | VendorError]]
    #: Shows one item of so many as what was asked, for the evidence: without secrets.
    shown: Callable[[Item, int], dict[str, Any]]
    arrange: Arrange = as_they_came


@dataclass(slots=True, eq=False)
class Member(Generic[R]):
    """One command in it. Its outcome is cancelled with its delivery, and by that it has gone."""

    item: Item
    outcome: asyncio.Future[R]
    #: How many items its request may have; None for as many as there is room for.
    company: int | None = None
    #: The sender's side of a write; None for a read, and for a write whose intent is durable already.
    intent: Sending | None = None
    #: The same, asked in the moment of writing.
    sending: Sending | None = None
    #: Whose trace it belongs to.
    causes: tuple[Any, ...] = field(default_factory=tracing.causes)

    @property
    def gone(self) -> bool:
        """Tell whether nobody waits for its outcome any more, or it is known already."""
        return self.outcome.done()

    def may_leave(self) -> bool:
        """Say in the moment of writing whether its item may still leave."""
        return not self.gone and (self.sending is None or self.sending.may_leave())

    def end(self, outcome: R | BaseException) -> None:
        """Tell it what became of it, an error by raising it; does nothing to one that has gone."""
        if self.gone:
            return
        if isinstance(outcome, asyncio.CancelledError):
            self.outcome.cancel()
        elif isinstance(outcome, BaseException):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class NobodyLeftError(Exception):
    """Everyone dropped out of a request: it is not made."""


@dataclass(slots=True, eq=False)
class SharedRequest(Generic[R]):
    """The request, and the sender's side of it: it asks every member, and goes without those who drop out."""

    operation: ListOperation[R]
    #: Says who is in it when its permit has come.
    close: Callable[[], list[Member[R]]]
    #: Known from then on.
    members: list[Member[R]] | None = None
    #: Who may not leave, in the moment of writing.
    staying: list[Member[R]] = field(default_factory=list)
    key: str = field(default_factory=lambda: f"batch:{secrets.token_hex(8)}")
    task: asyncio.Task[None] | None = None

    def ahead(self, grant: Grant) -> None:
        """Do nothing: who is in it is not known before the permit has come."""

    async def permitted(self) -> None:
        """Close the batch and let every member make its intent durable, all at once; who can't drops out."""
        asked = [(member, member.intent) for member in self._joined() if member.intent is not None]
        answers = await asyncio.gather(*(intent.permitted() for _, intent in asked), return_exceptions=True)
        for (member, _), refusal in zip(asked, answers, strict=True):
            member.intent = None
            if refusal is not None:
                member.end(refusal)

    def may_leave(self) -> bool:
        self.staying = [member for member in self._joined() if not member.may_leave()]
        return not self.staying

    def call(self) -> Call:
        """Make the request for those who are left."""
        self.members = [member for member in self._joined() if not member.gone]
        if not self.members:
            raise NobodyLeftError
        tracing.go_on_for(member.causes for member in self.members)
        items = {member.item.record_id: member.item for member in self.members}
        return self.operation.call(self.operation.arrange(list(items.values())))

    def distribute(self, answer: Answer) -> None:
        """Give each member its own part of the answer."""
        members = self._joined()
        shares = self.operation.share([member.item for member in members], answer)
        for member, share in zip(members, shares, strict=True):
            member.end(share)

    def _joined(self) -> list[Member[R]]:
        if self.members is None:
            self.members = self.close()
        return self.members
