"""Command codes: what an operator tells the station by scanning a printed sheet, in letters no keyboard layout moves.

A code is a prefix, a word and a check letter. The letters are those that US, British, German and French keyboards have
in the same place, so that a scanner set to the wrong country still types them; digits and signs are not among them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tasks.commands import MAX_QUANTITY

#: Every letter but A, Q, W, Z, Y and M, which move between QWERTY, QWERTZ and AZERTY.
LETTERS: Final = "BCDEFGHIJKLNOPRSTUVX"
#: Holds an O, which no vendor id does, and begins no data identifier.
PREFIX: Final = "STOCK"
#: The digits 0 to 9 of a quantity.
DIGITS: Final = LETTERS[:3] + "FGHJKLN"
#: Every quantity is written with so many digits: a letter that the scanner loses is noticed by the length.
DIGIT_PLACES: Final = len(str(MAX_QUANTITY))
#: The sixteen values of half a byte of a badge's name.
HALVES: Final = LETTERS[:16]
#: A name has to fit on the status line and on a badge.
MAX_NAME_CHARACTERS: Final = 32
#: What the sheet offers: hand counts and the pieces of common reels.
SHEET_QUANTITIES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 3000, 5000)
QUANTITY_WORD: Final = "PCS"
BADGE_WORD: Final = "PERSON"
_PREFIX_FORM: Final = re.compile(rf"[{LETTERS}]{{3,12}}")


class Instruction(StrEnum):
    """What an operator can tell the station; the first four are modes."""

    RECEIVE = "RECEIVE"
    MOVE = "MOVE"
    ADD = "ADD"
    REMOVE = "REMOVE"
    CONFIRM = "CONFIRM"
    CANCEL = "CANCEL"
    UNDO = "UNDO"


MODES: Final = (Instruction.RECEIVE, Instruction.MOVE, Instruction.ADD, Instruction.REMOVE)
#: Only the machine reads these; the sheet prints the instruction itself.
WORDS: Final = {
    Instruction.RECEIVE: "RECEIVE",
    Instruction.MOVE: "SHIFT",
    Instruction.ADD: "INTO",
    Instruction.REMOVE: "OUTOF",
    Instruction.CONFIRM: "SURE",
    Instruction.CANCEL: "DROP",
    Instruction.UNDO: "UNDO",
}
_BY_WORD: Final = {word: instruction for instruction, word in WORDS.items()}


@dataclass(frozen=True, slots=True)
class QuantityCode:
    """A number of pieces, 1 to `MAX_QUANTITY`; `doubt` says why it must be confirmed, empty when it need not be."""

    quantity: int
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Badge:
    """An operator's badge."""

    name: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A scan that is not taken; `reason` and `advice` are for the operator and hold printable text only."""

    reason: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class SheetCode:
    """One code on the sheet: what stands under it, and what it holds."""

    group: str
    title: str
    text: str


def check_letter(text: str) -> str:
    """Give the check letter of a text over `LETTERS` (ISO/IEC 7064 hybrid system, here MOD 21,20).

    It finds every single wrong letter and nearly every swap of neighbours.
    """
    size = len(LETTERS)
    carry = size
    for letter in text:
        carry = ((carry + LETTERS.index(letter)) % size or size) * 2 % (size + 1)
    return LETTERS[(size + 1 - carry) % size]


def checked_prefix(prefix: str) -> str:
    """Check a configured prefix; ValueError says what is wrong."""
    if _PREFIX_FORM.fullmatch(prefix) is None:
        raise ValueError(f"needs 3 to 12 letters out of {LETTERS}, which no keyboard layout moves")
    return prefix


def checked_name(name: str) -> str:
    """Check an operator's name before it is printed on a badge; ValueError says what is wrong."""
    if not name or name != name.strip() or not name.isprintable() or "[cmd:" in name:
        raise ValueError("needs printable characters, none of them a blank at its ends")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(f"longer than {MAX_NAME_CHARACTERS} characters")
    return name


def encode(meaning: Instruction | QuantityCode | Badge, prefix: str = PREFIX) -> str:
    """Write a command code. ValueError for a quantity or a name that no station would take."""
    match meaning:
        case Instruction():
            word = WORDS[meaning]
        case QuantityCode(quantity=quantity):
            if not 1 <= quantity <= MAX_QUANTITY:
                raise ValueError(f"{quantity} is no quantity: 1 to {MAX_QUANTITY:,} pieces")
            word = QUANTITY_WORD + "".join(DIGITS[int(digit)] for digit in f"{quantity:0{DIGIT_PLACES}d}")
        case Badge(name=name):
            halves = checked_name(name).encode().hex()
            word = BADGE_WORD + "".join(HALVES[int(half, 16)] for half in halves)
    text = prefix + word
    return text + check_letter(text)


def decode(text: str, prefix: str = PREFIX) -> Instruction | QuantityCode | Badge | Unreadable | None:
    """Read a command code in any case; None when the text does not begin like one."""
    text = text.upper() if text.isascii() else text
    if not text.startswith(prefix):
        return None
    body, check = text[len(prefix) : -1], text[-1]
    if not body or set(text) - set(LETTERS) or check != check_letter(text[:-1]):
        return Unreadable("damaged command code", "scan it again, or print the sheet anew")
    if body in _BY_WORD:
        return _BY_WORD[body]
    if body.startswith(QUANTITY_WORD):
        return _quantity(body.removeprefix(QUANTITY_WORD))
    if body.startswith(BADGE_WORD):
        return _badge(body.removeprefix(BADGE_WORD))
    return _unknown()


def sheet_codes(prefix: str = PREFIX) -> tuple[SheetCode, ...]:
    """List what a sheet shows: every instruction, then quantities."""
    modes = [SheetCode("mode", mode.value, encode(mode, prefix)) for mode in MODES]
    others = [SheetCode("instruction", each.value, encode(each, prefix)) for each in Instruction if each not in MODES]
    counts = [SheetCode("quantity", f"{n} pcs", encode(QuantityCode(n), prefix)) for n in SHEET_QUANTITIES]
    return (*modes, *others, *counts)


def _quantity(letters: str) -> QuantityCode | Unreadable:
    digits = "".join(str(DIGITS.find(letter)) for letter in letters)
    # A foreign letter is -1 here.
    if len(letters) != DIGIT_PLACES or not digits.isdigit() or not 1 <= int(digits) <= MAX_QUANTITY:
        return _unknown()
    return QuantityCode(int(digits))


def _badge(letters: str) -> Badge | Unreadable:
    try:
        halves = "".join(f"{HALVES.index(letter):x}" for letter in letters)
        return Badge(checked_name(bytes.fromhex(halves).decode()))
    except ValueError:
        return _unknown()


def _unknown() -> Unreadable:
    return Unreadable("unknown command code", "print the sheet of this version: stockrelay-station sheet")
