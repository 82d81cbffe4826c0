"""What one scan says: a vendor id, a quantity, an instruction to the station, or nothing readable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tasks.commands import MAX_QUANTITY

#: A bare id, or the URL in a label's QR code around it; the vendor's labels may change, so it can be configured.
DEFAULT_PATTERN: Final = r"(?:https?://(?:www\.)?partsbox\.com/I)?(?P<id>[0-9a-z]{26})/?"
#: Longer than every label; what is longer is a stuck key or a file piped in by mistake.
MAX_SCAN_BYTES: Final = 4_096
#: What a message shows of an unreadable scan.
SHOWN_CHARACTERS: Final = 40

#: What scanners put round a code: blanks, line ends, NUL, byte order mark, end-of-message characters.
_WRAPPING: Final = "".join(map(chr, range(0x21))) + "\ufeff\ufffe"
#: ISO/IEC 15424: the symbology identifier `]cm` that scanners can be set to send in front.
_AIM: Final = re.compile(r"\](?P<symbology>[A-Za-z])[0-9A-Za-z]")
#: The Crockford alphabet of the vendor's compact ids.
_VENDOR_ID: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
_DIGITS: Final = re.compile(r"[0-9]+")
#: The ANSI data identifier of a quantity, or our own quantity label; both may be padded with zeros.
_QUANTITY_LABEL: Final = re.compile(r"(?:Q|CMD:QTY:)0*(?P<number>[0-9]+)", re.ASCII | re.IGNORECASE)
_INSTRUCTION: Final = re.compile(r"CMD:(?P<word>[A-Z]+)", re.ASCII | re.IGNORECASE)


class Instruction(StrEnum):
    """What an operator can tell the station by scanning `CMD:<word>`."""

    MOVE = "MOVE"
    RECEIVE = "RECEIVE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class VendorIdCode:
    """A vendor's compact id in lower case; it does not tell whether it names a part, a place or an order."""

    id: str


@dataclass(frozen=True, slots=True)
class QuantityCode:
    """A number of pieces, 1 to `MAX_QUANTITY`."""

    quantity: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A scan that means nothing here; `reason` is for the operator and holds printable text only."""

    reason: str


Code = VendorIdCode | QuantityCode | Instruction | Unreadable


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Check a code pattern: it must compile and have one named group `id`. ValueError says what is wrong."""
    try:
        compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if tuple(compiled.groupindex) != ("id",):
        raise ValueError("needs exactly one named group, (?P<id>...), around the 26-character id")
    return compiled


def clean(raw: bytes) -> str | Unreadable:
    """Decode a scan and take off what the scanner wrapped round it, the AIM prefix excepted."""
    if len(raw) > MAX_SCAN_BYTES:
        return Unreadable(f"longer than {MAX_SCAN_BYTES} characters: no label is")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Unreadable(f"unreadable characters in {shown(raw.decode('utf-8', 'replace'))}")
    return text.strip(_WRAPPING)


def shown(text: str) -> str:
    """Shorten a scan for a message and replace what could steer a terminal."""
    plain = "".join(character if character.isprintable() else "?" for character in text[: SHOWN_CHARACTERS + 1])
    return f'"{plain}"' if len(plain) <= SHOWN_CHARACTERS else f'"{plain[:SHOWN_CHARACTERS]}…"'


class CodeReader:
    """Reads cleaned scans with one configured pattern. It never raises."""

    def __init__(self, pattern: str = DEFAULT_PATTERN) -> None:
        self._pattern = compile_pattern(pattern)

    def read(self, text: str) -> Code:
        """Say what the scan means; upper and lower case are the same."""
        aim = _AIM.match(text)
        if aim is not None:
            text = text[aim.end() :].strip(_WRAPPING)
        # Before the ids: 26 digits are a GS1 number; an id without any letter is one in ten trillion.
        if _DIGITS.fullmatch(text):
            return _bare_number(text, is_article=aim is not None and aim["symbology"] in "Ee")
        labelled = _QUANTITY_LABEL.fullmatch(text)
        if labelled is not None:
            return _quantity(labelled["number"])
        instruction = _INSTRUCTION.fullmatch(text)
        if instruction is not None:
            return _instruction(instruction["word"].upper())
        return self._vendor_id(text)

    def _vendor_id(self, text: str) -> VendorIdCode | Unreadable:
        match = self._pattern.fullmatch(text)
        if match is None:
            return Unreadable(f"not a code of this station: {shown(text)}")
        found = (match["id"] or "").lower()
        if _VENDOR_ID.fullmatch(found) is None:
            return Unreadable(f"not a valid id: {shown(found)} (26 characters, never i, l, o or u)")
        return VendorIdCode(found)


def _bare_number(digits: str, *, is_article: bool) -> QuantityCode | Unreadable:
    # A leading zero means an article number: read as a number it would book the wrong quantity.
    if is_article or digits.startswith("0"):
        return Unreadable(f"{shown(digits)} is an article number, not a quantity; type a quantity without zeros")
    return _quantity(digits)


def _quantity(digits: str) -> QuantityCode | Unreadable:
    # Compared by length first: int() refuses very long numbers with an error of its own.
    if len(digits) > len(str(MAX_QUANTITY)) or not 1 <= int(digits) <= MAX_QUANTITY:
        return Unreadable(f"{shown(digits)} is no quantity: 1 to {MAX_QUANTITY:,} pieces")
    return QuantityCode(int(digits))


def _instruction(word: str) -> Instruction | Unreadable:
    if word in Instruction.__members__:
        return Instruction[word]
    return Unreadable(f"unknown instruction CMD:{shown(word)}; this station knows CMD:{', CMD:'.join(Instruction)}")
