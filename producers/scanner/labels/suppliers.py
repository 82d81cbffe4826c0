"""What each supplier's ISO/IEC 15434 label always carries, by which it is recognised and a damaged one found out.

The format has no check digit. A label whose required fields are all there, each in its form, with nothing beside them
that the supplier does not print, has lost no separator next to any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from producers.scanner.labels.identifiers import MEANINGS
from producers.scanner.labels.label import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_DIGITS_OR_NONE: Final = re.compile(r"[0-9]*", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass(frozen=True)
class Supplier:
    """One supplier's label."""

    name: str
    #: Recognised by so many of these.
    marks: frozenset[str]
    enough_marks: int
    #: Always there, even if empty. Empty: nobody knows the whole set, so that each such label is asked about.
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    #: What a value must look like; a value that has swallowed its neighbour does not.
    forms: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    #: Optional fields that may stand right behind another: found inside its value, they have run together.
    behind: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Where it differs from `MEANINGS`.
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def prints(self, fields: Mapping[str, str]) -> bool:
        """Tell whether this supplier's label has these fields."""
        return len(self.marks & fields.keys()) >= self.enough_marks

    def meanings_of(self, fields: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
        """Tell which identifier means what on this label."""
        meanings = {**MEANINGS, **self.meanings}
        if self.name == "digikey" and not fields.get("30P"):
            # Until about 2023 P was the DigiKey number; since then it is the customer's reference.
            meanings |= {"supplier_sku": ("P",), "customer_part": ()}
        return meanings

    def doubts(self, fields: Mapping[str, str]) -> tuple[str, ...]:
        """Tell what is missing, too much, malformed or run together."""
        if not self.required:
            return (f"nobody knows which fields every {self.name} label has: check part and quantity",)
        return (
            *(f"{each} is missing: part of the label is lost" for each in sorted(self.required - fields.keys())),
            *(f"{each} is on no {self.name} label" for each in sorted(fields.keys() - self.required - self.optional)),
            *(
                f"{each} reads {shown(fields[each])}: damaged"
                for each, form in self.forms.items()
                if each in fields and not form.fullmatch(fields[each])
            ),
            *self._run_together(fields),
        )

    def _run_together(self, fields: Mapping[str, str]) -> list[str]:
        return [
            f"{first} and {second} may have run together: {shown(fields[first])}"
            for first, followers in self.behind.items()
            for second in followers
            if first in fields and second not in fields and second in fields[first]
        ]


#: Samples and the field sets: EIGP 114.2018, DigiKey's article on product labels, labels of public test suites.
SUPPLIERS: Final = (
    Supplier(
        "digikey",
        marks=frozenset({"11Z", "12Z", "13Z", "20Z"}),
        enough_marks=2,
        required=frozenset({"K", "1K", "10K", "11K", "4L", "Q", "11Z", "12Z", "13Z", "20Z"}),
        optional=frozenset({"P", "1P", "30P", "9D", "1T"}),
        forms={
            "1K": _DIGITS,
            "10K": _DIGITS_OR_NONE,
            "11K": _DIGITS_OR_NONE,
            "4L": _COUNTRY,
            "11Z": re.compile(r"[A-Z]+", re.ASCII),
            "12Z": _DIGITS,
            "13Z": _DIGITS,
            "20Z": re.compile(r"0*"),
        },
        behind={"P": ("1P", "30P"), "9D": ("1T",)},
        meanings={"supplier_sku": ("30P",), "mpn": ("1P",)},
    ),
    Supplier(
        "mouser",
        marks=frozenset({"14K", "11K", "1V"}),
        enough_marks=3,
        required=frozenset({"K", "14K", "1P", "Q", "11K", "4L", "1V"}),
        forms={"14K": _DIGITS, "11K": _DIGITS, "4L": _COUNTRY},
        meanings={"invoice": ("11K",), "packing_list": ()},
    ),
    Supplier(
        "farnell",
        marks=frozenset({"3P", "4K"}),
        enough_marks=2,
        required=frozenset({"K", "P", "1P", "3P", "Q", "9D", "1T", "4L", "4K"}),
        forms={"3P": _DIGITS, "4L": _COUNTRY, "4K": _DIGITS},
        meanings={"supplier_sku": ("3P",)},
    ),
    Supplier("ti", marks=frozenset({"20L", "21L", "22L", "23L"}), enough_marks=2),
)

#: Recognised by what stands in their fields, which no other maker's label shares.
_WURTH: Final = Supplier(
    "wurth",
    marks=frozenset(),
    enough_marks=0,
    required=frozenset({"1P", "Q", "1T", "16D"}),
    forms={
        "1P": re.compile(r"[678][0-9]{5,13}[A-Z]{0,3}", re.ASCII),
        "1T": re.compile(r"[0-9]{15}", re.ASCII),
        "16D": re.compile(r"20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", re.ASCII),
    },
)
#: NXP prints its ordering number of twelve digits as 1P and the type number as 30P.
_NXP: Final = Supplier("nxp", marks=frozenset(), enough_marks=0, meanings={"supplier_sku": ("1P",), "mpn": ("30P",)})
_TWELVE_DIGITS: Final = re.compile(r"[0-9]{12}", re.ASCII)


def supplier_of(fields: Mapping[str, str]) -> Supplier | None:
    """Tell whose label this is; None where no sign is sure."""
    for supplier in SUPPLIERS:
        if supplier.prints(fields):
            return supplier
    if fields.keys() == _WURTH.required and not _WURTH.doubts(fields):
        return _WURTH
    if fields.get("30P") and _TWELVE_DIGITS.fullmatch(fields.get("1P", "")):
        return _NXP
    return None
