"""The flows at a station as a pure state machine: a scan and a state give feedback, the next state, maybe a draft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from producers.scanner.codes import Instruction, QuantityCode, Unreadable, VendorIdCode
from tasks.orders import ReceiveOrder
from tasks.stock import MoveStock

if TYPE_CHECKING:
    from producers.scanner.codes import Code

#: What a screen shows of a 26-character id: enough to tell two labels apart.
SHOWN_ID_CHARACTERS: Final = 8


class Tone(StrEnum):
    """How the operator should take a message."""

    #: Understood; the entry goes on.
    OK = "ok"
    #: For information; the entry is as it was.
    NOTE = "note"
    #: Not taken: scan something else.
    ERROR = "error"
    #: An entry is complete and safe on this station's disk.
    STORED = "stored"


class Step(StrEnum):
    """What a flow waits for."""

    SOURCE = "source location"
    PART = "part"
    QUANTITY = "quantity"
    DESTINATION = "destination location"
    ORDER = "order"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class Draft:
    """A complete entry: a command but for its source and its moment."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the operator is: the mode, which stays until another is scanned, and what this entry holds so far."""

    mode: Instruction | None = None
    ids: tuple[str, ...] = ()
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a scan led to: the next state, a message for the operator, and the draft when the entry is complete."""

    entry: Entry
    tone: Tone
    message: str
    draft: Draft | None = None


_STEPS: Final = {
    Instruction.MOVE: (Step.SOURCE, Step.PART, Step.DESTINATION),
    Instruction.RECEIVE: (Step.ORDER, Step.LOCATION),
}


def short(vendor_id: str) -> str:
    """Shorten an id for the screen."""
    return f"{vendor_id[:SHOWN_ID_CHARACTERS]}…"


@dataclass(frozen=True, slots=True)
class Flows:
    """The rules of MOVE and RECEIVE; it keeps no state and never raises.

    `default_quantity` None asks for the quantity of every move.
    """

    default_quantity: int | None = None

    def take(self, entry: Entry, code: Code) -> Reply:
        """Give the reply to one scan."""
        match code:
            case Unreadable():
                return Reply(entry, Tone.ERROR, code.reason)
            case Instruction.CANCEL:
                return _cancel(entry)
            case Instruction():
                return _change_mode(entry, code)
            case _ if entry.mode is None:
                return Reply(entry, Tone.ERROR, "no mode chosen yet, nothing taken")
            case QuantityCode():
                return self._take_quantity(entry, code.quantity)
            case VendorIdCode():
                return self._take_id(entry, entry.mode, code.id)

    def prompt(self, entry: Entry) -> str:
        """Say what to scan next."""
        wanted = self._wanted(entry)
        if wanted is None:
            return "scan CMD:MOVE or CMD:RECEIVE"
        if wanted is Step.QUANTITY:
            return "scan or type the quantity"
        if wanted is Step.DESTINATION and entry.quantity is None:
            return f"scan the {wanted} (or a quantity, else {self.default_quantity})"
        return f"scan the {wanted}"

    def _wanted(self, entry: Entry) -> Step | None:
        if entry.mode is None:
            return None
        step = _STEPS[entry.mode][len(entry.ids)]
        if step is Step.DESTINATION and entry.quantity is None and self.default_quantity is None:
            return Step.QUANTITY
        return step

    def _take_quantity(self, entry: Entry, quantity: int) -> Reply:
        wanted = self._wanted(entry)
        if wanted not in (Step.QUANTITY, Step.DESTINATION):
            return Reply(entry, Tone.ERROR, f"no quantity wanted here, {quantity} not taken")
        changed = "" if entry.quantity is None else f" instead of {entry.quantity}"
        return Reply(replace(entry, quantity=quantity), Tone.OK, f"quantity {quantity}{changed}")

    def _take_id(self, entry: Entry, mode: Instruction, found: str) -> Reply:
        wanted = self._wanted(entry)
        if found in entry.ids:
            already = _STEPS[mode][entry.ids.index(found)]
            return Reply(entry, Tone.ERROR, f"{short(found)} is the {already} already")
        if wanted is Step.QUANTITY:
            return Reply(entry, Tone.ERROR, f"quantity missing, {short(found)} not taken")
        filled = replace(entry, ids=(*entry.ids, found))
        if len(filled.ids) < len(_STEPS[mode]):
            return Reply(filled, Tone.OK, f"{wanted} {short(found)}")
        draft = self._draft(filled)
        return Reply(Entry(mode), Tone.STORED, "", draft)

    def _draft(self, entry: Entry) -> Draft:
        if entry.mode is Instruction.RECEIVE:
            order, location = entry.ids
            return Draft(ReceiveOrder.kind, {"order_id": order, "storage_id": location})
        source, part, destination = entry.ids
        fields = {
            "part_id": part,
            "from_storage_id": source,
            "to_storage_id": destination,
            "quantity": self.default_quantity if entry.quantity is None else entry.quantity,
        }
        return Draft(MoveStock.kind, fields)


def _is_open(entry: Entry) -> bool:
    return bool(entry.ids) or entry.quantity is not None


def _cancel(entry: Entry) -> Reply:
    if not _is_open(entry):
        return Reply(entry, Tone.NOTE, "nothing to cancel")
    return Reply(Entry(entry.mode), Tone.NOTE, "entry cancelled, nothing stored")


def _change_mode(entry: Entry, mode: Instruction) -> Reply:
    dropped = ", the unfinished entry is dropped" if _is_open(entry) else ""
    return Reply(Entry(mode), Tone.OK, f"mode {mode}{dropped}")
