"""Reel makers' own codes without envelope: pieces between commas, semicolons, slashes or wide gaps.

Nobody publishes these forms. What is read here is always asked about: it spares typing, not looking.
"""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.identifiers import IDENTIFIERS, normalised, split_fields, unique_id
from producers.scanner.labels.label import Label, codes_of

FORMAT: Final = "reel"
#: Symbology letters of ISO/IEC 15424: Data Matrix, QR, PDF417 and its kin.
_MATRIX_SYMBOLS: Final = "dQL"
_SEPARATORS: Final = (";", ",", "/", r"\s{2,}")
#: Fewer are a date, a fraction or a place.
_LEAST_PIECES: Final = 3
#: A part number has letters and digits; a reel holds at most six digits of pieces.
_PART: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9.+\-_()# ]{4,}", re.ASCII)
_PIECES_ON_REEL: Final = re.compile(r"[1-9][0-9]{1,5}", re.ASCII)
_DOUBT: Final = "a maker's own code, whose form is not published: check part and quantity"


def read_reel(text: str, aim: str) -> Label | None:
    """Read a reel's matrix code; None if it has no such form. The label always has a doubt."""
    if not aim or aim[1] not in _MATRIX_SYMBOLS or "://" in text or not text.isprintable() or "{" in text:
        return None
    for separator in _SEPARATORS:
        pieces = [piece.strip() for piece in re.split(separator, text) if piece.strip()]
        if len(pieces) >= _LEAST_PIECES:
            return _identified(pieces) or _positional(pieces)
    return None


def _identified(pieces: list[str]) -> Label | None:
    """Read pieces that all have a data identifier, part and quantity among them."""
    fields, doubts = split_fields(pieces)
    if doubts or not fields.keys() <= IDENTIFIERS or not {"1P", "Q"} <= fields.keys():
        return None
    values, unreadable = normalised(fields)
    return Label(
        format=FORMAT,
        fields=fields,
        **values,
        codes_to_check=codes_of(values["mpn"]),
        doubts=(_DOUBT, *unreadable),
        unique_id=unique_id(fields, values["mpn"]),
    )


def _positional(pieces: list[str]) -> Label | None:
    """Read pieces without identifiers: what may be a part is looked up, a single small number is the quantity."""
    parts = [piece for piece in pieces if _PART.fullmatch(piece)]
    numbers = [piece for piece in pieces if _PIECES_ON_REEL.fullmatch(piece)]
    if not parts or not numbers:
        return None
    return Label(
        format=FORMAT,
        fields={str(position): piece for position, piece in enumerate(pieces, 1)},
        mpn=parts[0] if len(parts) == 1 else None,
        quantity=int(numbers[0]) if len(numbers) == 1 else None,
        codes_to_check=codes_of(*parts),
        doubts=(_DOUBT,),
    )
