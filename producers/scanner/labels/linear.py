"""Linear symbols with one data identifier each, as on reels: `1PRC0402`, `Q5000`, `K4711`."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.identifiers import IDENTIFIERS, normalised, split_fields, unique_id
from producers.scanner.labels.label import Label, codes_of

FORMAT: Final = "linear"
#: Symbology letters of ISO/IEC 15424: Code 39, 93 and 128.
_LINEAR_SYMBOLS: Final = "AGC"
#: Without a symbology a single letter may just begin a word; these three are worth asking about.
_LETTERS_WITHOUT_SYMBOLOGY: Final = frozenset({"P", "Q", "K"})
#: What no part number, order or lot has inside.
_OTHER_CODE: Final = re.compile(r"://|[{}\x00-\x1f]")
_QUANTITY: Final = re.compile(r"[0-9]+(?:NAR000)?", re.ASCII | re.IGNORECASE)


def read_linear(text: str, aim: str) -> Label | None:
    """Read a single field; None if it is none. Small letters in the identifier are read as capitals."""
    if (aim and aim[1] not in _LINEAR_SYMBOLS) or _OTHER_CODE.search(text):
        return None
    fields, doubts = split_fields((_raised(text),))
    if doubts or not _is_known(fields, aim):
        return None
    values, unreadable = normalised(fields)
    unsure = () if aim else ("one field, from a scanner that does not say which kind of symbol it read",)
    return Label(
        format=FORMAT,
        fields=fields,
        **values,
        codes_to_check=codes_of(values["mpn"], values["customer_part"]),
        doubts=(*unreadable, *unsure),
        unique_id=unique_id(fields, None) if "S" not in fields else None,
    )


def _is_known(fields: dict[str, str], aim: str) -> bool:
    ((identifier, value),) = fields.items()
    if identifier not in IDENTIFIERS or not value.strip():
        return False
    if identifier == "Q" and not _QUANTITY.fullmatch(value):
        return False
    return bool(aim) or len(identifier) > 1 or identifier in _LETTERS_WITHOUT_SYMBOLOGY


def _raised(text: str) -> str:
    """Write the identifier in capitals; the value stays as it is."""
    digits = len(text) - len(text.lstrip("0123456789"))
    return text[: digits + 1].upper() + text[digits + 1 :]
