"""The quantity on a label: whole pieces, or not readable."""

from __future__ import annotations

import re
from typing import Final

from tasks.commands import MAX_QUANTITY

#: `Q` of reel labels: digits, padded with zeros to six or more, or with `NAR000` behind (number of articles, no
#: decimals). A short number with a leading zero is two swapped digits: `Q01` was `Q10`.
_LABELLED: Final = re.compile(r"(?:(?P<number>[1-9][0-9]{0,7})(?:NAR000)?|(?P<padded>0[0-9]{5,17}))", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,8}", re.ASCII)


def labelled_quantity(text: str) -> int | None:
    """Read the value of `Q` or `qty`; None for anything but 1 to `MAX_QUANTITY` pieces."""
    match = _LABELLED.fullmatch(text)
    return None if match is None else _within(int(match["number"] or match["padded"]))


def counted_quantity(text: str) -> int | None:
    """Read a GS1 count, (30) or (37), which may have zeros in front; None for anything but 1 to `MAX_QUANTITY`."""
    return _within(int(text)) if _COUNT.fullmatch(text) else None


def _within(number: int) -> int | None:
    return number if 1 <= number <= MAX_QUANTITY else None
