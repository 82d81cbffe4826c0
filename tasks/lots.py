"""Lot commands: what can be asked about the record of one lot, and how it is proved at the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import model_validator

from tasks.absolute import Setting
from tasks.commands import Command, Line, PlainText, Tags, TimestampMs, VendorId
from tasks.effects import Effect
from tasks.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.task import Target, Task


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot as the vendor shows it; a text or list that is not there is empty. Times are UTC milliseconds."""

    lot_id: str
    name: str = ""
    description: str = ""
    comments: str = ""
    created_ms: int | None = None
    expiration_ms: int | None = None
    tags: tuple[str, ...] = ()
    part_id: str | None = None
    order_id: str | None = None
    #: The lot that this one was split from.
    previous_id: str | None = None

    def values(self) -> dict[str, Any]:
        """Give the fields that a command may set, by its names for them, as JSON; tags sorted."""
        return {
            "name": self.name,
            "description": self.description,
            "new_comments": self.comments,
            "created_ms": self.created_ms,
            "expiration_ms": self.expiration_ms,
            "tags": sorted(set(self.tags)),
        }


class LotPort(Protocol):
    """The lots of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def lots(self) -> tuple[Lot, ...]:
        """Read every lot: one answer, however large."""

    async def lot(self, lot_id: str) -> Lot | None:
        """Read a lot; None when there is none."""

    async def update_lot(self, command: UpdateLot, sending: Sending) -> Exchange:
        """Send one lot/update with the fields given."""


class UpdateLot(Command):
    """Set fields of one lot to absolute values (PartsBox lot/update).

    In a lane of its own: what a lot is called changes no quantity, so the stock commands that name it need not wait.
    """

    kind: ClassVar[str] = "lot.update"
    vendor: ClassVar[str] = "partsbox"
    effect: ClassVar[Effect] = Effect.SET

    lot_id: Annotated[VendorId, IDENTITY]
    name: Annotated[Line | None, IDENTITY] = None
    description: Annotated[PlainText | None, IDENTITY] = None
    #: The lot's comment is replaced only when this is given, with the marker that it may have of its creation.
    new_comments: Annotated[PlainText | None, IDENTITY] = None
    created_ms: Annotated[TimestampMs | None, IDENTITY] = None
    expiration_ms: Annotated[TimestampMs | None, IDENTITY] = None
    #: All of them: those not named are taken away.
    tags: Annotated[Tags | None, IDENTITY] = None

    def lanes(self) -> tuple[str, ...]:
        return (f"lot:{self.lot_id}",)

    def summary(self) -> str:
        return f"set {', '.join(self.wanted())} of lot {self.lot_id[:8]}…"

    def wanted(self) -> dict[str, Any]:
        """Give the fields to set in the form of `Lot.values`."""
        given = {
            "name": self.name,
            "description": self.description,
            "new_comments": self.new_comments,
            "created_ms": self.created_ms,
            "expiration_ms": self.expiration_ms,
            "tags": None if self.tags is None else sorted(set(self.tags)),
        }
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.wanted():
            raise ValueError(
                "name: missing; give at least one of name, description, new_comments, created_ms, expiration_ms, tags"
            )
        return self


class LotUpdate(Setting[UpdateLot]):
    """Applies lot.update: only the fields given, compared with what the lot has."""

    noun = "lot"
    names_it = "lot_id"

    async def values(self, command: UpdateLot, target: Target[LotPort]) -> dict[str, Any] | None:
        lot = await target.port.lot(command.lot_id)
        return None if lot is None else lot.values()

    def wanted(self, command: UpdateLot) -> dict[str, Any]:
        return command.wanted()

    async def send(self, command: UpdateLot, target: Target[LotPort], sending: Sending) -> Exchange:
        return await target.port.update_lot(command, sending)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {UpdateLot: LotUpdate()}
