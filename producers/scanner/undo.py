"""Taking a stored entry back: out of the outbox while it is there, by the opposite command once it is booked."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from producers.outbox import OutboxState
from tasks.stock import AddStock, MoveStock, RemoveStock

if TYPE_CHECKING:
    from producers.outbox import Stored

#: Not booked and never will be, as far as this station and the relay are concerned.
_NEVER_BOOKED: Final = frozenset(
    {OutboxState.WITHDRAWN, OutboxState.REFUSED, OutboxState.REJECTED, OutboxState.CANCELLED}
)


class Way(StrEnum):
    """How an entry can be taken back."""

    #: It was never booked: nothing has to be done.
    DROP = "drop"
    #: It is booked: the opposite command undoes it.
    COMPENSATE = "compensate"
    #: It is on its way. The opposite of a command that the vendor then refuses would book something that never
    #: happened, so it waits for the answer.
    WAIT = "wait"
    #: Nothing undoes it from here.
    REFUSE = "refuse"


def opposite(kind: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Give the command that undoes another; None where there is none, as for an order that was received."""
    match kind:
        case MoveStock.kind:
            swapped = {"from_storage_id": fields["to_storage_id"], "to_storage_id": fields["from_storage_id"]}
            return MoveStock.kind, {**fields, **swapped}
        case AddStock.kind:
            return RemoveStock.kind, dict(fields)
        case RemoveStock.kind:
            return AddStock.kind, dict(fields)
        case _:
            return None


def way(kind: str, fields: dict[str, Any], stored: Stored | None) -> tuple[Way, str]:
    """Say how an entry that can no longer be withdrawn is taken back, and why so."""
    if stored is None:
        return Way.REFUSE, "it is too old: correct it at the vendor"
    if stored.state in _NEVER_BOOKED:
        return Way.DROP, f"it was never booked ({stored.state.value})"
    if opposite(kind, fields) is None:
        return Way.REFUSE, "a received order cannot be taken back from here: correct it at the vendor"
    if stored.state is OutboxState.HELD:
        return Way.REFUSE, "nobody knows yet whether it was booked: a person decides first"
    if stored.state is OutboxState.APPLIED:
        return Way.COMPENSATE, "it was booked: the opposite is on its way"
    return Way.WAIT, "it is on its way: the opposite follows as soon as it is booked"
