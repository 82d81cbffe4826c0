"""ANSI MH10.8.2 data identifiers: which there are on parts' labels, and how a message is split at them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from producers.scanner.labels.label import first_of_each, shown
from producers.scanner.labels.quantities import labelled_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: EIGP 114.2018 and the vendors' own: the letter that says what is identified, with the numbers in front of it.
_NUMBERS: Final = {
    "P": ("", 1, 2, 3, 6, 30, 31, 33),  # parts
    "Q": ("", 7, 13),  # quantities
    "K": ("", 1, 4, 10, 11, 14, 16),  # orders
    "D": ("", 6, 9, 10, 11, 14, 16),  # dates
    "T": ("", 1, 2, 20, 31),  # lots
    "L": (4, 20, 21, 22, 23),  # origin
    "V": ("", 1, 10, 12),  # supplier
    "S": ("", 3, 4, 5),  # serial numbers and packages
    "J": ("",),  # licence plates
    "Z": (3, 10, 11, 12, 13, 14, 15, 20),  # vendors' own, as the next two
    "E": ("",),
    "N": ("",),
}
IDENTIFIERS: Final = frozenset(f"{number}{letter}" for letter, numbers in _NUMBERS.items() for number in numbers)
_FIELD: Final = re.compile(r"(?P<identifier>[0-9]{0,3}[A-Z])(?P<value>.*)", re.ASCII | re.DOTALL)
_DATE: Final = re.compile(r"(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", re.ASCII)

#: Which of our fields each identifier fills, where the vendor has no other use for it; the first that is there.
MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "supplier_sku": (),
    "mpn": ("1P", "30P"),
    "customer_part": ("P",),
    "manufacturer": ("1V",),
    "customer_po": ("K",),
    "po_line": ("14K", "4K"),
    "sales_order": ("1K",),
    "invoice": ("10K",),
    "packing_list": ("11K",),
    "lot": ("1T", "T"),
    "date_code": ("9D", "10D", "11D", "D"),
    "production_date": ("16D",),
    "expiry": ("14D",),
    "country": ("4L",),
    "serial": ("S",),
}


def split_fields(pieces: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Split each piece into identifier and value; the doubts name pieces that have none or repeat one."""
    matches = [(piece, _FIELD.fullmatch(piece)) for piece in pieces]
    fields, twice = first_of_each((match["identifier"], match["value"]) for _, match in matches if match)
    return fields, (*(f"{shown(piece)} stands behind no identifier" for piece, match in matches if not match), *twice)


def normalised(
    fields: Mapping[str, str], meanings: Mapping[str, tuple[str, ...]] = MEANINGS
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Translate fields into a `Label`'s, the quantity included; the doubt is a quantity that cannot be read."""
    values: dict[str, Any] = {
        name: next((fields[each].strip() for each in identifiers if fields.get(each, "").strip()), None)
        for name, identifiers in meanings.items()
    }
    date = _DATE.fullmatch(fields.get("16D", ""))
    if date is not None:
        values["production_date"] = "-".join(date.groups())
    values["quantity"] = labelled_quantity(fields.get("Q", ""))
    unreadable = "Q" in fields and values["quantity"] is None
    return values, ((f"{shown(fields['Q'])} is no quantity",) if unreadable else ())


def unique_id(fields: Mapping[str, str], part: str | None) -> str | None:
    """Tell what makes a label the only one of its kind: licence plate, package number, the part's serial number."""
    for identifier in ("J", "3S", "4S", "5S"):
        if fields.get(identifier):
            return f"{identifier}:{fields[identifier]}"
    return f"S:{part or ''}:{fields['S']}" if fields.get("S") else None
