"""GS1 element strings and Digital Links, read by biip behind a gate.

biip takes most bare numbers for GS1 (every one of six digits is a UPC-E to it), reports a wrong check digit in a field
instead of an error, and raises IndexError or ValueError on some texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_messages import GS1Message

from producers.scanner.labels.label import Label, Refusal, codes_of, first_of_each, shown
from producers.scanner.labels.quantities import counted_quantity
from producers.scanner.labels.separators import ADVICE, GS, restore_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from biip.gs1_element_strings import GS1ElementString

FORMAT: Final = "gs1"
LINK: Final = "gs1-dl"
#: GS1-128, GS1 DataMatrix, GS1 QR, DataBar, GS1 DotCode.
_ELEMENT_SYMBOLS: Final = frozenset({"]C1", "]d2", "]Q3", "]e0", "]J1"})
#: EAN-13 and UPC, EAN-8, EAN-13 with an add-on, ITF-14, with the lengths of their numbers.
_NUMBER_SYMBOLS: Final = {"]E0": (13, 12), "]E3": (13,), "]E4": (8,), "]I1": (14,)}
#: An add-on (EAN-2 or EAN-5) says nothing about the article.
_ADD_ONS: Final = (2, 5)
#: Between an EAN and the DataBar part of a composite symbol.
_COMPOSITE: Final = "|]e0"
#: Without one of those identifiers only these, with a right check digit: SSCC, GTIN, GTIN of the content.
_BARE: Final = re.compile(r"(?:00[0-9]{18}|0[12][0-9]{14})", re.ASCII)
#: RFC 3986 allows any case; GS1 Digital Link all small or all capitals.
_SCHEME: Final = re.compile(r"(?:https?|HTTPS?)://")
_UNSURE: Final = "a number that looks like GS1, but the scanner does not say that its symbol is one of GS1"


def read_gs1(text: str, aim: str) -> Label | Refusal | None:
    """Read what passes the gate; None if it does not."""
    if aim in _NUMBER_SYMBOLS:
        return _read_number(text, aim)
    if _SCHEME.match(text):
        return _read_link(text)
    if aim not in _ELEMENT_SYMBOLS and not _BARE.match(text):
        return None
    text, repairs = restore_tags(text)
    return _read_elements(text, repairs, () if aim in _ELEMENT_SYMBOLS else (_UNSURE,))


def _read_number(text: str, aim: str) -> Label | Refusal:
    number, _, composite = text.partition(_COMPOSITE)
    if aim == "]E3":
        number = next((number[:-length] for length in _ADD_ONS if len(number) - length in _NUMBER_SYMBOLS[aim]), "")
    if len(number) not in _NUMBER_SYMBOLS[aim] or not (number.isascii() and number.isdigit()):
        return Refusal(f"{shown(text)} is no article number")
    text, repairs = restore_tags(f"01{number.zfill(14)}{composite}")
    return _read_elements(text, repairs, ())


def _read_elements(text: str, repairs: tuple[str, ...], doubts: tuple[str, ...]) -> Label | Refusal:
    elements = _elements(text)
    if not elements:
        return Refusal(f"{shown(text)} is no valid GS1 code", ADVICE if GS not in text else "")
    return _label(FORMAT, elements, repairs, (*doubts, *_swallowed(elements)))


def _read_link(text: str) -> Label | Refusal:
    """Read a Digital Link; the scheme in capitals is as good."""
    scheme, _, rest = text.partition(":")
    try:
        elements = GS1DigitalLinkURI.parse(f"{scheme.lower()}:{rest}").element_strings if text.isascii() else []
        asked = [name for name, _ in parse_qsl(urlsplit(text).query, keep_blank_values=True)]
    except Exception:  # noqa: BLE001 - ValueError and IndexError too, on addresses that urllib or biip dislike
        elements, asked = [], []
    if not elements:
        return Refusal(f"{shown(text)} is an address, but no GS1 Digital Link")
    # biip takes the last of two values in a query, and leaves out what it does not know, without a word.
    read = {element.ai.ai for element in elements}
    odd = sorted({name for name in asked if name.isdigit() and (name not in read or asked.count(name) > 1)})
    return _label(LINK, elements, (), [f"({name}) stands there twice or is damaged" for name in odd])


def _elements(text: str) -> Sequence[GS1ElementString]:
    """Split element strings; none if any of it is not GS1."""
    if not text.isascii():
        return ()
    try:
        return GS1Message.parse(text).element_strings
    except Exception:  # noqa: BLE001 - ParseError, and what biip lets through
        return ()


def _swallowed(elements: Iterable[GS1ElementString]) -> list[str]:
    """Find values of variable length that end in what parses as further elements: a lost FNC1 looks like that."""
    return [
        f"({element.ai.ai}) may have swallowed its neighbour: {shown(element.value)}"
        for element in elements
        if element.ai.separator_required
        and any(
            element.value[start : start + 2].isdigit() and _elements(element.value[start:])
            for start in range(1, len(element.value) - 2)
        )
    ]


def _label(
    format_: str, elements: Sequence[GS1ElementString], repairs: tuple[str, ...], doubts: Sequence[str]
) -> Label | Refusal:
    """Make the label; a wrong check digit refuses it."""
    for element in elements:
        if element.gtin_error or element.sscc_error or element.gln_error:
            return Refusal(f"({element.ai.ai}) {element.value}: the check digit is wrong", "scan again")
    fields, twice = first_of_each((element.ai.ai, element.value) for element in elements)
    found = [*doubts, *twice]
    if ("02" in fields) != ("37" in fields):
        found.append("(02) and (37) belong together: one of them is missing")
    dates = {element.ai.ai: element.date.isoformat() for element in elements if element.date is not None}
    counts = {counted_quantity(fields[each]) for each in ("30", "37") if each in fields}
    if len(counts) > 1 or None in counts:
        found.append("the counts of the label are no quantity")
    gtin, serial, sscc = fields.get("01") or fields.get("02"), fields.get("21"), fields.get("00")
    return Label(
        format=format_,
        fields=fields,
        gtin=gtin,
        sscc=sscc,
        serial=serial,
        quantity=next(iter(counts)) if len(counts) == 1 else None,
        customer_part=fields.get("241"),
        customer_po=fields.get("400"),
        lot=fields.get("10"),
        production_date=dates.get("11"),
        best_before=dates.get("15"),
        expiry=dates.get("17"),
        codes_to_check=codes_of(gtin),
        repairs=repairs,
        doubts=tuple(found),
        unique_id=_unique_id(gtin, serial, sscc),
    )


def _unique_id(gtin: str | None, serial: str | None, sscc: str | None) -> str | None:
    if sscc:
        return f"sscc:{sscc}"
    return f"gtin:{gtin}:{serial}" if gtin and serial else None
