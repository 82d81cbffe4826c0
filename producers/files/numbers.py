"""Numbers as people and programs write them into files: read exactly as the feed declares, or refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

#: More than every quantity and price; a longer run of digits is a serial number.
_MAX_CHARACTERS: Final = 40
_PLAIN: Final = re.compile(r"-?[0-9]+")
#: One or a thousand: who did not declare the decimal mark cannot tell.
_AMBIGUOUS: Final = re.compile(r"-?[1-9][0-9]{0,2}[.,][0-9]{3}")
_PADDED: Final = re.compile(r"-?0[0-9]")
_EXPONENT: Final = re.compile(r"[-+]?[0-9][0-9.,]*[eE][-+]?[0-9]+")
_MONTH: Final = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*\.?"
#: What spreadsheets make of 3-5, and how they write dates.
_DATE: Final = re.compile(
    rf"[0-9]{{1,2}}[-. /]*{_MONTH}|{_MONTH}[- /][0-9]{{1,4}}"
    r"|[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(T.*)?|[0-9]{1,2}[-/][0-9]{1,2}",
    re.IGNORECASE,
)
#: Blanks that French and Swiss spreadsheets put between thousands.
_BLANKS: Final = "\u00a0\u202f\u2009"


class NumberError(ValueError):
    """A text is no number in the feed's style; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are written. `decimal` None: not declared, so what could mean two numbers is refused."""

    decimal: str | None = None
    thousands: str = ""
    leading_zeros: bool = False

    def write(self, number: str) -> str:
        """Write a number that came with a decimal point as this style would."""
        return number.replace(".", self.decimal) if self.decimal else number


def parse_decimal(text: str, style: NumberStyle) -> Decimal:
    """Read a decimal number; raises NumberError."""
    plain = _without_thousands(text.strip(), style)
    mark = style.decimal or "."
    whole, found_mark, fraction = plain.partition(mark)
    if _PLAIN.fullmatch(whole) is None or (found_mark and (_PLAIN.fullmatch(fraction) is None or fraction[0] == "-")):
        raise NumberError(_why_not(text.strip(), style))
    if style.decimal is None and _AMBIGUOUS.fullmatch(plain):
        raise NumberError('may mean a thousand or one; declare decimal = "." or "," in the feed')
    if not style.leading_zeros and _PADDED.match(whole):
        raise NumberError("begins with a zero; set leading_zeros = true in the feed if its numbers are padded")
    return Decimal(f"{whole}.{fraction or '0'}")


def parse_whole(text: str, style: NumberStyle) -> int:
    """Read a whole number, which may be written as `10.0`; raises NumberError."""
    number = parse_decimal(text, style)
    if number != number.to_integral_value():
        raise NumberError("not a whole number; give whole pieces")
    return int(number)


def _without_thousands(text: str, style: NumberStyle) -> str:
    if len(text) > _MAX_CHARACTERS:
        raise NumberError(f"longer than {_MAX_CHARACTERS} characters; check the column")
    mark = style.thousands
    if not mark:
        return text
    if mark == " ":
        text = text.translate(dict.fromkeys(map(ord, _BLANKS), " "))
    if mark not in text:
        return text
    whole, decimal, fraction = text.partition(style.decimal or "\0")
    if re.fullmatch(rf"-?[1-9][0-9]{{0,2}}({re.escape(mark)}[0-9]{{3}})+", whole) is None:
        raise NumberError(f'thousands are not in groups of three; the feed declares thousands = "{mark}"')
    return whole.replace(mark, "") + decimal + fraction


#: What a text that is no number looks like = what is said about it.
_REASONS: Final = (
    (_EXPONENT, "written with an exponent, so digits may be lost; format the column as a number without exponent"),
    (_DATE, "looks like a date that a spreadsheet made of a number; format the column as text"),
    (re.compile(r".*_.*"), "has an underscore; send digits only"),
    (re.compile(r"\+.*|.*[-+]"), "has its sign where none belongs; write -5 or 5"),
)
_SEPARATED: Final = re.compile(r"-?[0-9][0-9., '\u2019\u00a0\u202f\u2009]*")


def _why_not(text: str, style: NumberStyle) -> str:
    if not text:
        return "empty; give a number"
    if any(letter.isdigit() and not letter.isascii() for letter in text):
        return "has digits other than 0 to 9; send plain digits"
    for pattern, reason in _REASONS:
        if pattern.fullmatch(text):
            return reason
    if _SEPARATED.fullmatch(text):
        declared = f'decimal = "{style.decimal}"' if style.decimal else "no decimal mark"
        thousands = f'thousands = "{style.thousands}"' if style.thousands else "no thousands separator"
        return f"not a number as the feed declares them ({declared}, {thousands}); declare decimal and thousands"
    return "not a number; give digits only, without a unit"
