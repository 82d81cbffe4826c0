"""PartsBox ids on labels: bare, or in the address that a QR code holds."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.label import Label

#: A bare id, or the URL in a label's QR code around it; the vendor's labels may change, so it can be configured.
DEFAULT_PATTERN: Final = r"(?:https?://(?:www\.)?partsbox\.com/I)?(?P<id>[0-9a-z]{26})/?"
#: The Crockford alphabet of the vendor's compact ids.
_VENDOR_ID: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Check a pattern: it must compile and have one named group `id`. ValueError says what is wrong."""
    try:
        compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if tuple(compiled.groupindex) != ("id",):
        raise ValueError("needs exactly one named group, (?P<id>...), around the 26-character id")
    return compiled


def read_vendor_id(text: str, pattern: re.Pattern[str]) -> Label | None:
    """Read an id in upper or lower case; None for anything else.

    Digits alone are no id: 26 of them are a GS1 number, and an id without any letter is one in ten trillion.
    """
    match = pattern.fullmatch(text)
    found = (match["id"] or "").lower() if match else ""
    if _VENDOR_ID.fullmatch(found) is None or found.isdigit():
        return None
    bare = len(text) == len(found)
    return Label(format="partsbox-id" if bare else "partsbox-url", fields={"id": found}, vendor_id=found)
