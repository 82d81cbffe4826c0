"""The flows at a station as a pure state machine: a scan and a state give a reply, the next state, maybe a draft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from producers.scanner.commands import MODES, Instruction, QuantityCode, Unreadable
from producers.scanner.modes import PATHS, SLOT_WORDS, TYPE_OF, TYPE_WORDS, Slot
from producers.scanner.words import PROMPTS, line

if TYPE_CHECKING:
    from producers.scanner.modes import Path
    from tasks.directory import ThingType

#: What a screen shows of an id without a name: enough to tell two labels apart.
SHOWN_ID_CHARACTERS: Final = 8
#: More are never shown as a choice: nobody reads them; the part's own code is quicker.
MAX_CHOICES: Final = 9


class Tone(StrEnum):
    """How the operator should take a message."""

    #: Understood; the entry goes on.
    OK = "ok"
    #: For information.
    NOTE = "note"
    #: Not taken until it is confirmed.
    ASK = "ask"
    #: Not taken: scan something else.
    ERROR = "error"
    #: An entry is complete and safe on this station's disk.
    STORED = "stored"
    #: A stored entry is taken back, or will be.
    UNDONE = "undone"
    #: An unfinished entry was dropped for its age.
    EXPIRED = "expired"
    #: The trigger bounced: nothing to show.
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Pick:
    """One thing that a scan may mean.

    `type` None: nobody vouches for what the id is. `quantity` is the label's own, `remark` what the label says besides
    (lot, date code), `label` what this label is remembered under.
    """

    id: str
    type: ThingType | None
    name: str = ""
    quantity: int | None = None
    remark: str = ""
    label: str = ""

    def shown(self) -> str:
        """Name it for the operator."""
        return self.name or f"{self.id[:SHOWN_ID_CHARACTERS]}…"


@dataclass(frozen=True, slots=True)
class Picks:
    """A scan that stands for one of these; `doubts` say why even a single one must be confirmed."""

    choices: tuple[Pick, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What the operator must answer before anything else is taken."""

    choices: tuple[Pick | QuantityCode, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A complete entry: a command but for its source, its moment and its comment."""

    kind: str
    fields: dict[str, Any]
    #: Its things and its quantity by name, for messages.
    words: dict[str, str]
    done: str
    #: What the label says besides, for the comment.
    remark: str = ""
    #: What the label is remembered under; empty when there was none.
    label: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the operator is: the mode, which stays until another is scanned, and what this entry holds so far."""

    mode: Instruction | None = None
    things: tuple[tuple[Slot, Pick], ...] = ()
    quantity: int | None = None
    #: The quantity was scanned by itself, so a label's does not replace it.
    is_counted: bool = False
    question: Question | None = None
    #: Entries stored since the batch was opened.
    done: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether there is something to drop."""
        return bool(self.things) or self.quantity is not None or self.question is not None

    @property
    def is_between(self) -> bool:
        """Tell whether no entry is half done: nothing is open, or a batch that waits for its next bag."""
        return not self.is_open or (self.question is None and self.quantity is None and batch_place(self) is not None)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a scan led to: the next state, a message for the operator, and the draft when the entry is complete."""

    entry: Entry
    tone: Tone
    message: str
    draft: Draft | None = None
    #: The reason in full, where the message has no room for it.
    detail: str = ""


Seen = Instruction | QuantityCode | Picks | Unreadable


def take(entry: Entry, seen: Seen) -> Reply:
    """Give the reply to one scan. It keeps no state and never raises; UNDO is the station's."""
    match seen:
        case Unreadable(reason=reason, advice=advice):
            return Reply(entry, Tone.ERROR, line("not_taken", reason=reason), detail=_sentence(reason, advice))
        case Instruction.CANCEL:
            return _cancel(entry)
        case Instruction() if seen in MODES:
            word = "mode_dropped" if entry.is_open else "mode"
            return Reply(Entry(seen), Tone.OK, line(word, mode=seen))
    if entry.mode is None:
        return Reply(entry, Tone.ERROR, line("no_mode"))
    if entry.question is not None:
        return _answer(entry, entry.question, seen)
    return _take_unasked(entry, seen)


def prompt(entry: Entry) -> str:
    """Say what to scan next."""
    if entry.mode is None:
        return PROMPTS["no_mode"].format(modes=", ".join(MODES))
    if entry.question is not None:
        choices = entry.question.choices
        if len(choices) == 1:
            return PROMPTS["confirm"]
        return PROMPTS["choose"].format(choices=", ".join(_choices(choices)))
    *first, last = (f"{SLOT_WORDS[slot]}" for slot in wanted(entry))
    text = PROMPTS["next"].format(slots=f"{', '.join(first)} or {last}" if first else last)
    place = batch_place(entry)
    return text if place is None else text + PROMPTS["close"].format(place=place.shown())


def _take_unasked(entry: Entry, seen: Seen) -> Reply:
    match seen:
        case QuantityCode():
            return _take_quantity(entry, seen)
        case Picks():
            return _take_picks(entry, seen)
        case _:
            return Reply(entry, Tone.ERROR, line("nothing_asked"))


def wanted(entry: Entry) -> tuple[Slot, ...]:
    """List what may come next, the usual one first."""
    nexts = (_next(path, entry) for path in _paths(entry))
    return tuple(dict.fromkeys(slot for slot in nexts if slot is not None))


def batch_place(entry: Entry) -> Pick | None:
    """Give the place whose scan closes the open batch; None when none is open or a bag is half done."""
    filled = len(entry.things)
    opened = [path for path in _paths(entry) if path.keeps == filled]
    return entry.things[-1][1] if filled and opened else None


def _paths(entry: Entry) -> tuple[Path, ...]:
    filled = tuple(slot for slot, _ in entry.things)
    paths = () if entry.mode is None else PATHS[entry.mode]
    return tuple(path for path in paths if _places(path)[: len(filled)] == filled)


def _places(path: Path) -> tuple[Slot, ...]:
    return tuple(slot for slot in path.slots if slot is not Slot.QUANTITY)


def _next(path: Path, entry: Entry) -> Slot | None:
    filled = [slot for slot, _ in entry.things]
    for slot in path.slots:
        if slot is Slot.QUANTITY:
            # wanted once its part is there; before that it may come, but nothing waits for it
            if entry.quantity is None and Slot.PART in filled:
                return slot
        elif slot not in filled:
            return slot
    return None


def _take_quantity(entry: Entry, code: QuantityCode) -> Reply:
    has_quantity = any(Slot.QUANTITY in path.slots for path in _paths(entry))
    if not entry.things or not has_quantity:
        return Reply(entry, Tone.ERROR, line("quantity_unwanted"))
    if code.doubt:
        return _ask(entry, Question((code,), code.doubt))
    counted = replace(entry, quantity=code.quantity, is_counted=True)
    if entry.quantity in (None, code.quantity):
        message = line("quantity", quantity=code.quantity)
    else:
        message = line("quantity_changed", quantity=code.quantity, before=entry.quantity)
    return _completed(counted, message)


def _take_picks(entry: Entry, picks: Picks) -> Reply:
    known = {pick.id: (slot, pick) for slot, pick in entry.things}
    if len(picks.choices) == 1 and picks.choices[0].id in known:
        return _again(entry, *known[picks.choices[0].id])
    fitting = tuple(choice for pick in picks.choices for choice in _fitting(entry, pick))
    if not fitting:
        return _unfitting(entry, picks.choices[0])
    if len(fitting) == 1 and not picks.doubts:
        return _put(entry, fitting[0])
    reason = "; ".join(picks.doubts) or "several parts have this number"
    return _ask(entry, Question(fitting[:MAX_CHOICES], reason))


def _fitting(entry: Entry, pick: Pick) -> tuple[Pick, ...]:
    types = tuple(dict.fromkeys(TYPE_OF[slot] for slot in wanted(entry) if slot in TYPE_OF))
    if pick.type is None:
        return tuple(replace(pick, type=each) for each in types)
    return (pick,) if pick.type in types else ()


def _unfitting(entry: Entry, pick: Pick) -> Reply:
    if wanted(entry) == (Slot.QUANTITY,):
        return Reply(entry, Tone.ERROR, line("quantity_missing", name=pick.shown()))
    place = batch_place(entry)
    if place is not None and TYPE_OF[entry.things[-1][0]] is pick.type:
        return Reply(entry, Tone.ERROR, line("other_place", place=place.shown()))
    word = "code" if pick.type is None else TYPE_WORDS[pick.type]
    return Reply(entry, Tone.ERROR, line("wrong_type", name=pick.shown(), type=word.upper()))


def _again(entry: Entry, slot: Slot, pick: Pick) -> Reply:
    place = batch_place(entry)
    if place is not None and place.id == pick.id:
        return Reply(Entry(entry.mode), Tone.NOTE, line("batch_closed", done=entry.done, place=place.shown()))
    return Reply(entry, Tone.ERROR, line("already", name=pick.shown(), slot=SLOT_WORDS[slot].upper()))


def _put(entry: Entry, pick: Pick) -> Reply:
    slot = next(slot for slot in wanted(entry) if TYPE_OF.get(slot) is pick.type)
    filled = replace(entry, things=(*entry.things, (slot, pick)), question=None)
    if slot is Slot.PART and not entry.is_counted:
        filled = replace(filled, quantity=pick.quantity)
    if slot is Slot.PART and filled.quantity is not None:
        message = line("taken_counted", quantity=filled.quantity, name=pick.shown())
    else:
        message = line("taken", slot=SLOT_WORDS[slot].upper(), name=pick.shown())
    return _completed(filled, message)


def _completed(entry: Entry, message: str) -> Reply:
    for path in _paths(entry):
        if _next(path, entry) is None and (Slot.QUANTITY not in path.slots or entry.quantity is not None):
            kept = entry.things[: path.keeps]
            following = Entry(entry.mode, kept, done=entry.done + 1 if kept else 0)
            return Reply(following, Tone.STORED, "", _draft(path, entry))
    return Reply(entry, Tone.OK, message)


def _draft(path: Path, entry: Entry) -> Draft:
    values: dict[Slot, Any] = {slot: pick.id for slot, pick in entry.things}
    words = {"place" if slot is Slot.TO else slot.value: pick.shown() for slot, pick in entry.things}
    words.setdefault("place", words.get(Slot.FROM.value, ""))
    words.setdefault("part", words.get(Slot.ORDER.value, ""))
    if Slot.QUANTITY in path.slots:
        values[Slot.QUANTITY] = entry.quantity
        words["quantity"] = str(entry.quantity)
    fields = {name: values[slot] for slot, name in path.fields.items()}
    part = next((pick for slot, pick in entry.things if slot is Slot.PART), None)
    return Draft(path.kind, fields, words, path.done, part.remark if part else "", part.label if part else "")


def _ask(entry: Entry, question: Question) -> Reply:
    first = question.choices[0]
    asked = replace(entry, question=question)
    if isinstance(first, QuantityCode):
        message = line("ask_quantity", quantity=first.quantity)
    elif len(question.choices) > 1:
        message = line("ask_which", name=first.shown())
    elif first.quantity is None:
        message = line("ask_uncounted", name=first.shown())
    else:
        counted = entry.quantity if entry.is_counted else first.quantity
        message = line("ask", quantity=counted, name=first.shown())
    return Reply(asked, Tone.ASK, message, detail=question.reason)


def _answer(entry: Entry, question: Question, seen: Seen) -> Reply:
    choices = question.choices
    chosen: Pick | QuantityCode | None = None
    if seen is Instruction.CONFIRM and len(choices) == 1:
        chosen = choices[0]
    elif isinstance(seen, QuantityCode) and len(choices) > 1:
        if seen.quantity > len(choices):
            return Reply(entry, Tone.ERROR, line("no_such_choice", number=seen.quantity), detail=question.reason)
        chosen = choices[seen.quantity - 1]
    elif isinstance(seen, Picks) and len(seen.choices) == 1 and not seen.doubts:
        chosen = _named(choices, seen.choices[0])
    if chosen is None:
        return Reply(entry, Tone.ERROR, line("answer_first"), detail=question.reason)
    open_entry = replace(entry, question=None)
    if isinstance(chosen, QuantityCode):
        return _take_quantity(open_entry, replace(chosen, doubt=""))
    return _put(open_entry, chosen)


def _named(choices: tuple[Pick | QuantityCode, ...], said: Pick) -> Pick | None:
    """Give the choice that the thing's own code names; only where there was a choice to make."""
    named = [each for each in choices if isinstance(each, Pick) and (each.id, each.type) == (said.id, said.type)]
    return named[0] if len(named) == 1 < len(choices) else None


def _choices(choices: tuple[Pick | QuantityCode, ...]) -> list[str]:
    """Write the choices with their numbers: parts by their names, an unknown id by what it may be."""
    picks = [choice for choice in choices if isinstance(choice, Pick)]
    by_type = len({pick.id for pick in picks}) == 1
    return [
        f"{number} {TYPE_WORDS[pick.type] if by_type and pick.type else pick.shown()}"
        for number, pick in enumerate(picks, start=1)
    ]


def _cancel(entry: Entry) -> Reply:
    if entry.question is not None:
        return Reply(replace(entry, question=None), Tone.NOTE, line("question_dropped"))
    if not entry.is_open:
        return Reply(entry, Tone.NOTE, line("nothing_to_cancel"))
    if entry.is_between:
        place = batch_place(entry)
        shown = "" if place is None else place.shown()
        return Reply(Entry(entry.mode), Tone.NOTE, line("batch_closed", done=entry.done, place=shown))
    return Reply(Entry(entry.mode), Tone.NOTE, line("cancelled"))


def _sentence(reason: str, advice: str) -> str:
    return f"{reason}: {advice}" if advice else reason
