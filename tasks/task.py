"""What a task is: how one kind of command is prepared, sent once, and looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tasks.lookup import Absent, Image
from tasks.routes import Routes

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.lookup import Finding
    from tasks.ports import Sending

C_contra = TypeVar("C_contra", bound="Command", contravariant=True)
P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Target(Generic[P_co]):
    """Where a command is applied: the vendor, how our own entries are known there, and what was there before."""

    port: P_co
    #: The command's idempotency key, carried by the marker.
    key: str
    #: The vendor's name of our API user, where it is known.
    user: str | None = None
    #: An earlier send of this command may have been carried out.
    doubted: bool = False
    #: What `before` read; empty until then.
    image: Image = field(default_factory=Image)
    #: Where catalog parts go; read by commands that become others.
    routes: Routes = field(default_factory=Routes)


@dataclass(frozen=True, slots=True)
class Before:
    """The before-image, and whether the command's own marker is already there."""

    image: Image
    finding: Finding = field(default_factory=Absent)


class Task(Protocol[C_contra]):
    """One kind of write. Every method may raise the vendor errors; none retries, waits or writes to the ledger."""

    async def before(self, command: C_contra, target: Target[Any]) -> Before:
        """Read what is there; raise RejectedError where the read already shows that the write cannot be applied."""

    async def send(self, command: C_contra, target: Target[Any], sending: Sending) -> Exchange:
        """Send the write once; returning means that the vendor confirmed it."""

    async def proof(self, command: C_contra, target: Target[Any]) -> Finding:
        """Read back a confirmed write for its receipt."""

    async def look(self, command: C_contra, target: Target[Any]) -> Finding:
        """Read whether a write of unknown outcome is there.

        Absent allows sending again, provided that no earlier request can arrive any more.
        """


class Expansion(Protocol[C_contra]):
    """A kind that writes nothing itself and becomes other commands."""

    async def children(self, command: C_contra, target: Target[Any]) -> tuple[Command, ...]:
        """Read what there is to do and name it; raises RejectedError when there is nothing."""
