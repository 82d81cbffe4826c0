"""What a task is: how one kind of command is prepared, sent once, and looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from tasks.lookup import Absent, Image

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.lookup import Finding
    from tasks.ports import Sending, VendorPort

C_contra = TypeVar("C_contra", bound="Command", contravariant=True)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command is applied: the vendor, and how our own entries are known there."""

    port: VendorPort
    #: The command's idempotency key, carried by the marker.
    key: str
    #: The vendor's name of our API user, where it is known.
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """The before-image, and whether the command's own marker is already there."""

    image: Image
    finding: Finding = field(default_factory=Absent)


class Task(Protocol[C_contra]):
    """One kind of write. Every method may raise the vendor errors; none retries, waits or writes to the ledger."""

    async def before(self, command: C_contra, target: Target) -> Before:
        """Read what is there; raise RejectedError where the read already shows that the write cannot be applied."""

    async def send(self, command: C_contra, target: Target, sending: Sending) -> Exchange:
        """Send the write once; returning means that the vendor confirmed it."""

    async def proof(self, command: C_contra, target: Target, image: Image) -> Finding:
        """Read back a confirmed write for its receipt."""

    async def look(self, command: C_contra, target: Target, image: Image) -> Finding:
        """Read whether a write of unknown outcome is there.

        Absent allows sending again, provided that no earlier request can arrive any more.
        """


class Expansion(Protocol[C_contra]):
    """A kind that writes nothing itself and becomes other commands."""

    async def children(self, command: C_contra, target: Target) -> tuple[Command, ...]:
        """Read what there is to do and name it; raises RejectedError when there is nothing."""
