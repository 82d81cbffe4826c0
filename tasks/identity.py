"""Idempotency keys and the marker that carries them inside a vendor's data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: 20 base32 characters are 100 bits; the marker needs at least 80 to be ours beyond doubt.
KEY_LENGTH: Final = 20
KEY_PATTERN: Final = rf"^[a-z2-7]{{{KEY_LENGTH}}}$"
#: Of the digest: 24 characters of base32 without padding, of which a key has the first.
_DIGEST_BYTES: Final = 15
#: Equal fields give equal text, in whatever order they stand. Kept, since making an encoder costs more than its work.
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
_MARKER: Final = re.compile(rf"\[cmd:([a-z2-7]{{{KEY_LENGTH}}})\]")


class Identity:
    """Annotation of the command fields that make two commands the same one."""


#: Put it in `Annotated[...]`; a test lists the identity fields of every command.
IDENTITY: Final = Identity()


def derive_key(*parts: str, fields: Mapping[str, Any] | None = None) -> str:
    """Hash names and identity fields into an idempotency key of 20 base32 characters."""
    canonical = _CANONICAL.encode([*parts, dict(fields or {})])
    digest = hashlib.sha256(canonical.encode()).digest()
    return base64.b32encode(digest[:_DIGEST_BYTES]).decode().lower()[:KEY_LENGTH]


def is_key(text: str) -> bool:
    """Tell whether the text has the form of an idempotency key."""
    return re.fullmatch(KEY_PATTERN, text) is not None


def marker_of(key: str) -> str:
    """Give the token that marks vendor data as the effect of this command."""
    return f"[cmd:{key}]"


def with_marker(comments: str, key: str) -> str:
    """Put the marker behind the human text."""
    return f"{comments} {marker_of(key)}".lstrip()


def markers_in(comments: str) -> frozenset[str]:
    """Find the keys of every whole marker in a vendor's comment."""
    return frozenset(_MARKER.findall(comments))
