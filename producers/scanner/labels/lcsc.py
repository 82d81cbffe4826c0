"""LCSC's QR code: `{pbn:…,on:…,pc:…,pm:…,qty:…,…}`."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.label import Label, Refusal, codes_of, first_of_each, shown
from producers.scanner.labels.quantities import labelled_quantity

FORMAT: Final = "lcsc"
#: In the order of print; later labels have `hp` and `wc` too.
_REQUIRED: Final = ("pbn", "on", "pc", "pm", "qty", "mc", "cc", "pdi")
_KEYS: Final = (*_REQUIRED, "hp", "wc")
_KEY: Final = re.compile(rf"(?:\A\{{|,)({'|'.join(_KEYS)}):", re.ASCII | re.IGNORECASE)
#: A key inside a value: the comma in front of it was lost.
_SWALLOWED: Final = re.compile(rf"(?:{'|'.join(_KEYS)}):", re.ASCII | re.IGNORECASE)
_SKU: Final = re.compile(r"C[0-9]+", re.ASCII)
_START: Final = re.compile(r"\{(?:pbn|on|pc|pm|qty):", re.ASCII | re.IGNORECASE)


def is_lcsc(text: str) -> bool:
    """Tell whether a scan begins as LCSC's code does."""
    return _START.match(text) is not None


def read_lcsc(text: str) -> Label | Refusal:
    """Read the code; what is damaged in it becomes a doubt."""
    complete = text.endswith("}")
    parts = _KEY.split(text.removesuffix("}"))
    fields, twice = first_of_each(zip(map(str.lower, parts[1::2]), parts[2::2], strict=True))
    doubts = [*twice] if complete else [*twice, "the end of the label is missing"]
    doubts += [f"{key} is missing: part of the label is lost" for key in _REQUIRED if key not in fields]
    doubts += [f"{key} has run together with its neighbour" for key in fields if _SWALLOWED.search(fields[key])]
    quantity = labelled_quantity(fields.get("qty", ""))
    if quantity is None:
        doubts.append(f"{shown(fields.get('qty', ''))} is no quantity")
    if not _SKU.fullmatch(fields.get("pc", "")):
        doubts.append(f"{shown(fields.get('pc', ''))} is no LCSC number")
    sku, mpn = fields.get("pc") or None, fields.get("pm") or None
    package, position = fields.get("pbn"), fields.get("pdi")
    return Label(
        format=FORMAT,
        fields=fields,
        vendor="lcsc",
        supplier_sku=sku,
        mpn=mpn,
        quantity=quantity,
        sales_order=fields.get("on") or None,
        codes_to_check=codes_of(sku, mpn),
        doubts=tuple(doubts),
        unique_id=f"lcsc:{package}:{position}" if package and position else None,
    )
