"""What one scan says: an instruction, a quantity, a badge, a vendor id, a distributor's label, or nothing readable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from producers.scanner.commands import PREFIX, Badge, Instruction, QuantityCode, Unreadable, decode
from producers.scanner.labels import DEFAULT_PATTERN, MAX_LABEL_CHARACTERS, Label, Refusal, compile_pattern, read_label
from producers.scanner.labels.label import shown
from producers.scanner.labels.reading import AIM
from tasks.commands import MAX_QUANTITY

#: What scanners put round a code: blanks, line ends, NUL, byte order mark, end-of-message characters.
_WRAPPING: Final = "".join(map(chr, range(0x21))) + "\ufeff\ufffe"
#: The sheet is printed as Code 128 and QR; the same letters in another symbol are somebody else's.
_SHEET_AIM: Final = re.compile(r"\](?:C0|Q[0-9])")
#: EAN/UPC: an article number, whatever its length.
_ARTICLE_AIM: Final = re.compile(r"\][Ee]")
_DIGITS: Final = re.compile(r"[0-9]+")
#: Digits that might be a quantity; longer ones are a GS1 number or nothing.
_QUANTITY_DIGITS: Final = len(str(MAX_QUANTITY))
_BARE_NUMBER: Final = "a bare number may be an order, a lot or a date"


@dataclass(frozen=True, slots=True)
class VendorIdCode:
    """A vendor's compact id in lower case; it does not tell whether it names a part, a place or an order."""

    id: str


@dataclass(frozen=True, slots=True)
class LabelCode:
    """A label that names a part by its maker's or distributor's number."""

    label: Label


Code = VendorIdCode | LabelCode | QuantityCode | Instruction | Badge | Unreadable


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scan says, and how it came: its AIM identifier and the transport damage that was undone."""

    code: Code
    aim: str = ""
    repairs: tuple[str, ...] = ()


class CodeReader:
    """Reads scans with one configured id pattern and one prefix of command codes. It never raises."""

    def __init__(self, pattern: str = DEFAULT_PATTERN, prefix: str = PREFIX) -> None:
        self._pattern = compile_pattern(pattern)
        self._prefix = prefix

    def read(self, raw: bytes) -> Reading:
        """Say what a scan means; upper and lower case of ids and instructions are the same."""
        if len(raw) > MAX_LABEL_CHARACTERS:
            return Reading(Unreadable(f"longer than {MAX_LABEL_CHARACTERS} characters: no label is"))
        text = raw.decode("utf-8", "replace").strip(_WRAPPING)
        found = AIM.match(text)
        aim = "" if found is None else found[0]
        code = self._own(text[len(aim) :].strip(_WRAPPING), aim)
        if code is not None:
            return Reading(code, aim)
        label = read_label(raw, self._pattern)
        return Reading(_of_label(label), aim, label.repairs if isinstance(label, Label) else ())

    def _own(self, text: str, aim: str) -> Code | None:
        """Read a command code or a typed number; None for what may be a label."""
        command = decode(text, self._prefix)
        if command is None:
            return _bare_number(text, is_article=_ARTICLE_AIM.match(aim) is not None)
        if aim and _SHEET_AIM.fullmatch(aim) is None:
            return Unreadable("command code in a symbol that the sheet has not", "scan it from the printed sheet")
        return command


def _bare_number(digits: str, *, is_article: bool) -> QuantityCode | Unreadable | None:
    if len(digits) > _QUANTITY_DIGITS or _DIGITS.fullmatch(digits) is None:
        return None
    # A leading zero means an article number: read as a number it would book the wrong quantity.
    if is_article or digits.startswith("0"):
        return Unreadable(f"{shown(digits)} is an article number, not a quantity", "type a quantity without zeros")
    if int(digits) > MAX_QUANTITY:
        return Unreadable(f"{shown(digits)} is no quantity: 1 to {MAX_QUANTITY:,} pieces")
    return QuantityCode(int(digits), _BARE_NUMBER)


def _of_label(label: Label | Refusal) -> Code:
    match label:
        case Refusal(reason=reason, advice=advice):
            return Unreadable(reason, advice)
        case Label(vendor_id=str() as vendor_id):
            return VendorIdCode(vendor_id)
        case Label() if label.codes_to_check:
            return LabelCode(label)
        case Label(quantity=int() as quantity):
            return QuantityCode(quantity, next(iter(label.doubts), ""))
        case Label():
            return Unreadable("this label names no part", "scan the label with the part number")
