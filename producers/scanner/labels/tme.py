"""TME's labels: the QR code `QTY:… PN:… …` with a link behind, and the Data Matrix `P… 1P… Q… K…` without envelope."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from producers.scanner.labels.label import Label, Refusal, codes_of, first_of_each, shown
from producers.scanner.labels.quantities import labelled_quantity

QR: Final = "tme-qr"
DATA_MATRIX: Final = "tme-dm"

_KEY: Final = re.compile(r"(?:\A|\s)(QTY|PN|PO|CPO|MFR|MPN):", re.ASCII | re.IGNORECASE)
_SWALLOWED: Final = re.compile(r"(?:QTY|PN|PO|MFR|URL):|RoHS\s|https?://", re.ASCII | re.IGNORECASE)
_LINK: Final = re.compile(
    r"(?P<before>.*)\s(?P<url>https?://(?:www\.)?tme\.[a-z]+/\S*?details/(?P<sku>[^\s/?]+)\S*)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ROHS: Final = re.compile(r"\sRoHS\Z", re.ASCII | re.IGNORECASE)
_REQUIRED: Final = ("QTY", "PN", "PO", "MFR", "MPN")
_ORDER: Final = re.compile(r"(?P<order>[0-9]+)/(?P<line>[0-9]+)", re.ASCII)

_FIELDS: Final = re.compile(
    r"P(?P<P>\S.*?) 1P(?P<MPN>\S.*?) Q(?P<Q>\S+)(?: 4L(?P<COUNTRY>[A-Z]{2}))? K(?P<K>[0-9]+/[0-9]+)", re.ASCII
)
#: The same without the blanks: `1P` may be part of a number, so that no split is certain.
_GLUED: Final = re.compile(r"P.+1P.+Q[0-9]+.*K[0-9]+/[0-9]+", re.ASCII)
#: Twice the longest one seen; the patterns above need much time for long texts.
_MOST_CHARACTERS: Final = 300


def read_tme(text: str) -> Label | Refusal | None:
    """Read either of TME's labels; None if it is neither."""
    if len(text) > _MOST_CHARACTERS:
        return None
    if _KEY.match(text) and text[:4].upper() == "QTY:":
        return _read_qr(text)
    match = _FIELDS.fullmatch(text)
    if match is not None:
        return _read_data_matrix(match)
    if _GLUED.fullmatch(text):
        return Refusal(
            "the TME label arrived without its blanks: it can be read in several ways",
            "set the scanner to send blanks as they are",
        )
    return None


def _read_qr(text: str) -> Label:
    link = _LINK.fullmatch(text)
    parts = _KEY.split(_ROHS.sub("", link["before"] if link else text))
    fields, twice = first_of_each(zip(map(str.upper, parts[1::2]), parts[2::2], strict=True))
    doubts = [*twice]
    doubts += [f"{key} is missing: part of the label is lost" for key in _REQUIRED if key not in fields]
    doubts += [f"{key} has run together with its neighbour" for key in fields if _SWALLOWED.search(fields[key])]
    if link is None:
        doubts.append("the link at the end is missing: part of the label is lost")
    elif _plain(unquote(link["sku"])) != _plain(fields.get("PN", "")):
        doubts.append(f"the link is to {shown(unquote(link['sku']))}, not to {shown(fields.get('PN', ''))}")
    if link is not None:
        fields["url"] = link["url"]
    return _label(QR, fields, ("QTY", "PN", "MPN", "PO"), doubts)


def _read_data_matrix(match: re.Match[str]) -> Label:
    named = {"P": match["P"], "1P": match["MPN"], "Q": match["Q"], "4L": match["COUNTRY"], "K": match["K"]}
    fields = {name: value for name, value in named.items() if value is not None}
    # The fields are split at blanks: one inside a value makes the split a guess.
    doubts = [f"{name} reads {shown(fields[name])}: check it" for name in ("P", "1P") if " " in fields[name]]
    return _label(DATA_MATRIX, fields, ("Q", "P", "1P", "K"), doubts)


def _label(format_: str, fields: dict[str, str], names: tuple[str, str, str, str], doubts: list[str]) -> Label:
    written, sku, mpn, order = (fields.get(name, "") for name in names)
    quantity = labelled_quantity(written)
    if quantity is None:
        doubts.append(f"{shown(written)} is no quantity")
    placed = _ORDER.fullmatch(order)
    if placed is None:
        doubts.append(f"{shown(order)} is no order and line")
    return Label(
        format=format_,
        fields=fields,
        vendor="tme",
        supplier_sku=sku or None,
        mpn=mpn or None,
        manufacturer=fields.get("MFR") or None,
        quantity=quantity,
        customer_po=fields.get("CPO") or None,
        sales_order=placed["order"] if placed else None,
        po_line=placed["line"] if placed else None,
        country=fields.get("4L"),
        codes_to_check=codes_of(sku, mpn),
        doubts=tuple(doubts),
    )


def _plain(code: str) -> str:
    """Leave out what a link may not hold or writes differently."""
    return "".join(filter(str.isalnum, code)).casefold()
