"""Which options belong to which format of file, and the values that EDI messages give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

_NUMBERS: Final = frozenset({"decimal", "thousands", "leading_zeros"})
_TABLE: Final = frozenset({"header_row", "columns"})
_TEXT: Final = frozenset({"encoding"})
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "csv": _NUMBERS | _TABLE | _TEXT | {"delimiter"},
    "tsv": _NUMBERS | _TABLE | _TEXT,
    "bom": _NUMBERS | _TEXT | {"delimiter", "header_row"},
    "xlsx": _NUMBERS | _TABLE | {"sheet"},
    "json": _NUMBERS | {"record"},
    "ndjson": _NUMBERS,
    "xml": _NUMBERS | {"record"},
    "x12-856": _TEXT,
    "edifact-desadv": _TEXT,
}
_OF_FORMATS: Final = frozenset().union(*_OPTIONS.values())

#: What a despatch advice gives, in X12 and EDIFACT under the same names.
DESPATCH_VALUES: Final = frozenset(
    {
        "message_number",  # the sender's, the same in a repeat: BSN02; BGM 1004
        "po_number",  # PRF01; RFF+ON
        "po_line",  # LIN01; RFF+ON 1156
        "buyer_part",  # LIN/PIA qualifier BP, IN
        "supplier_part",  # VP, VN; SA
        "manufacturer_part",  # MG, MF, MP
        "gtin",  # UP, EN, UK; SRV
        "quantity",  # SN102; QTY+12
        "unit",  # SN103; QTY 6411
        "lot",  # REF*LT, LIN LT; GIN+BX, PIA NB
        "serial",  # REF*SE, LIN SN; GIN+BN
        "package",  # SSCC of what it is in: MAN*GM; GIN+BJ
        "description",  # PID05; IMD 7008
    }
)
#: The values of the formats that have no column names of their own; a second one of a name is called `lot.2`.
FIXED_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "x12-856": DESPATCH_VALUES,
    "edifact-desadv": DESPATCH_VALUES,
}
_REPEATED: Final = re.compile(r"\.[2-9]$")


def is_fixed_value(of_format: str, name: str) -> bool:
    """Tell whether an EDI format gives a value of this name."""
    return _REPEATED.sub("", name) in FIXED_VALUES[of_format]


def unfit_options(of_format: str, given: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Name each option that a format does not have, and which formats have it."""
    for option in sorted((given & _OF_FORMATS) - _OPTIONS[of_format]):
        formats = ", ".join(name for name, options in _OPTIONS.items() if option in options)
        yield option, f"is for {formats}, not for {of_format}"
