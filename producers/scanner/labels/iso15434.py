"""ISO/IEC 15434 messages of format 06: data identifiers between GS characters (ECIA EIGP 114)."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.identifiers import MEANINGS, normalised, split_fields, unique_id
from producers.scanner.labels.label import Label, Refusal, codes_of, shown
from producers.scanner.labels.separators import ADVICE, ADVICE_ALT, EOT, GS, RS, restore_message
from producers.scanner.labels.suppliers import Supplier, supplier_of

FORMAT: Final = "iso15434-06"
#: Mouser once printed a `>` in front.
_MESSAGE: Final = re.compile(r">?\[\)>")
#: The trailer RS EOT, either of which may be lost.
_TRAILER: Final = re.compile(r"[\x1e\x04]+\Z")
_NO_SUPPLIER: Final = "not a label of a supplier whose fields are known: check part and quantity"


def is_message(text: str) -> bool:
    """Tell whether a scan begins as an ISO/IEC 15434 message does."""
    return _MESSAGE.match(text) is not None


def read_message(text: str) -> Label | Refusal:
    """Read a message of format 06, whichever way its separators arrived."""
    text, repairs = restore_message(text)
    body = _body(text)
    if isinstance(body, Refusal):
        return body
    fields, doubts = split_fields(piece for piece in body.split(GS) if piece)
    if not fields:
        return Refusal("the label holds no field", "")
    supplier = supplier_of(fields)
    meanings = MEANINGS if supplier is None else supplier.meanings_of(fields)
    values, unreadable = normalised(fields, meanings)
    return Label(
        format=FORMAT,
        fields=fields,
        vendor=None if supplier is None else supplier.name,
        **values,
        codes_to_check=codes_of(values["supplier_sku"], values["mpn"]),
        repairs=repairs,
        doubts=(*doubts, *unreadable, *_supplier_doubts(supplier, fields, values["supplier_sku"])),
        unique_id=unique_id(fields, values["mpn"] or values["supplier_sku"]),
    )


def _supplier_doubts(supplier: Supplier | None, fields: dict[str, str], sku: str | None) -> tuple[str, ...]:
    if supplier is None:
        return (_NO_SUPPLIER,)
    doubts = supplier.doubts(fields)
    if supplier.name == "digikey" and sku and not sku.endswith("-ND"):
        # Damaged, or P of a label that lost its 30P: the buyer's own reference, which may be another part's number.
        doubts = (*doubts, f"{shown(sku)} is no DigiKey number")
    return doubts


def _body(text: str) -> str | Refusal:
    """Take the envelope off."""
    rest = _MESSAGE.sub("", text, count=1)
    if GS not in rest:
        advice = ADVICE_ALT if rest.startswith("030") else ADVICE
        return Refusal("the label arrived without its separators: it can be read in several ways", advice)
    rest = rest.removeprefix(RS)
    if not rest.startswith("06"):
        return Refusal(f"a message of format {shown(rest[:2])}, where parts' labels have 06")
    if rest[2] != GS:
        return Refusal("the label's first separator is lost", ADVICE)
    body = _TRAILER.sub("", rest[3:])
    if RS in body or EOT in body:
        return Refusal("the label holds more than one message", "scan one symbol at a time")
    return body
