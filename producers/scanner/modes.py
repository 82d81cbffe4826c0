"""What each mode wants scanned, in which order, and which command that makes: the flows as a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from producers.scanner.commands import (
    BADGE_WORD,
    DIGIT_PLACES,
    DIGITS,
    HALVES,
    LETTERS,
    MODES,
    PREFIX,
    QUANTITY_WORD,
    WORDS,
    Instruction,
    encode,
)
from producers.scanner.words import LINE_CHARACTERS, PROMPTS, REMARK
from producers.scanner.words import WORDS as LINES
from tasks.directory import ThingType
from tasks.orders import ReceiveOrder
from tasks.stock import AddStock, MoveStock, RemoveStock

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A label that makes an entry again within this time may be the same bag.
REPEAT_SECONDS: Final = 30.0
#: The same raw scan again within this time after the last one is the trigger bouncing.
BOUNCE_MS: Final = 700
#: An unfinished entry is dropped after so long without a scan; the mode stays.
ENTRY_SECONDS: Final = 120.0
#: An operator who scans nothing for so long is logged out.
BADGE_SECONDS: Final = 1_800.0
#: How many stored entries can be taken back, one after the other.
UNDO_DEPTH: Final = 10


class Slot(StrEnum):
    """What an entry is made of."""

    FROM = "from"
    TO = "to"
    PART = "part"
    ORDER = "order"
    QUANTITY = "quantity"


TYPE_OF: Final = {
    Slot.FROM: ThingType.STORAGE,
    Slot.TO: ThingType.STORAGE,
    Slot.PART: ThingType.PART,
    Slot.ORDER: ThingType.ORDER,
}
SLOT_WORDS: Final = {
    Slot.FROM: "source location",
    Slot.TO: "destination",
    Slot.PART: "part",
    Slot.ORDER: "order",
    Slot.QUANTITY: "quantity",
}
TYPE_WORDS: Final = {
    ThingType.STORAGE: "location",
    ThingType.PART: "part",
    ThingType.ORDER: "order",
    ThingType.LOT: "lot",
}


@dataclass(frozen=True, slots=True)
class Path:
    """One order of scans that makes a command.

    A quantity may come with the part's label instead of a scan of its own. The first `keeps` slots stay for the next
    entry (a batch: many bags, one place) until the last of them is scanned again.
    """

    slots: tuple[Slot, ...]
    kind: str
    fields: Mapping[Slot, str]
    #: The word of `words.WORDS` that says it is stored.
    done: str
    keeps: int = 0


def _into(done: str) -> tuple[Path, Path]:
    fields = {Slot.PART: "part_id", Slot.QUANTITY: "quantity", Slot.TO: "storage_id"}
    return (
        Path((Slot.PART, Slot.QUANTITY, Slot.TO), AddStock.kind, fields, done),
        Path((Slot.TO, Slot.PART, Slot.QUANTITY), AddStock.kind, fields, done, keeps=1),
    )


_RECEIVE_ORDER: Final = Path(
    (Slot.ORDER, Slot.TO), ReceiveOrder.kind, {Slot.ORDER: "order_id", Slot.TO: "storage_id"}, "received_order"
)
_MOVED: Final = {
    Slot.FROM: "from_storage_id",
    Slot.PART: "part_id",
    Slot.QUANTITY: "quantity",
    Slot.TO: "to_storage_id",
}
_REMOVED: Final = {Slot.PART: "part_id", Slot.QUANTITY: "quantity", Slot.FROM: "storage_id"}

PATHS: Final[Mapping[Instruction, tuple[Path, ...]]] = {
    Instruction.RECEIVE: (*_into("received"), _RECEIVE_ORDER),
    Instruction.MOVE: (
        Path((Slot.FROM, Slot.PART, Slot.QUANTITY, Slot.TO), MoveStock.kind, _MOVED, "moved"),
        Path((Slot.FROM, Slot.TO, Slot.PART, Slot.QUANTITY), MoveStock.kind, _MOVED, "moved", keeps=2),
    ),
    Instruction.ADD: _into("added"),
    Instruction.REMOVE: (
        Path((Slot.PART, Slot.QUANTITY, Slot.FROM), RemoveStock.kind, _REMOVED, "removed"),
        Path((Slot.FROM, Slot.PART, Slot.QUANTITY), RemoveStock.kind, _REMOVED, "removed", keeps=1),
    ),
}
#: Modes in which a label with an id of its own can be booked once only: the bag comes in once, but moves often.
ARRIVALS: Final = (Instruction.RECEIVE, Instruction.ADD)
#: What two modes share one memory of labels under.
SCOPES: Final = {
    Instruction.RECEIVE: "in",
    Instruction.ADD: "in",
    Instruction.MOVE: "move",
    Instruction.REMOVE: "out",
}


def flow_table(prefix: str = PREFIX) -> dict[str, Any]:
    """Describe the flows, the words and the codes as JSON: the browser station is generated from it."""
    return {
        "modes": {
            mode.value: {
                "paths": [
                    {
                        "slots": [slot.value for slot in path.slots],
                        "kind": path.kind,
                        "fields": {slot.value: name for slot, name in path.fields.items()},
                        "done": path.done,
                        "keeps": path.keeps,
                    }
                    for path in PATHS[mode]
                ],
                "scope": SCOPES[mode],
                "unique_once": mode in ARRIVALS,
            }
            for mode in MODES
        },
        "types": {slot.value: each.value for slot, each in TYPE_OF.items()},
        "slot_words": {slot.value: word for slot, word in SLOT_WORDS.items()},
        "type_words": {each.value: word for each, word in TYPE_WORDS.items()},
        "lines": LINES,
        "line_characters": LINE_CHARACTERS,
        "line_remark": REMARK,
        "prompts": PROMPTS,
        "limits": {
            "bounce_ms": BOUNCE_MS,
            "repeat_seconds": REPEAT_SECONDS,
            "entry_seconds": ENTRY_SECONDS,
            "badge_seconds": BADGE_SECONDS,
            "undo_depth": UNDO_DEPTH,
        },
        "codes": {
            "prefix": prefix,
            "letters": LETTERS,
            "digits": DIGITS,
            "digit_places": DIGIT_PLACES,
            "quantity_word": QUANTITY_WORD,
            "badge_word": BADGE_WORD,
            "halves": HALVES,
            "words": {each.value: word for each, word in WORDS.items()},
            "texts": {each.value: encode(each, prefix) for each in Instruction},
        },
    }
