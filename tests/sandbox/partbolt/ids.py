"""Item codes: ten capital letters and digits for parts, lots and locations (vendors.md 5.4)."""

import base64
import hashlib
import re

CODE = re.compile(r"[0-9A-Z]{10}")


def id_for(noun: str, name: str) -> str:
    """Give the one code that fixtures use for this name, the same in every process; nouns are part, lot, location."""
    digest = hashlib.sha256(f"{noun}:{name}".encode()).digest()
    return base64.b32encode(digest).decode()[:10]
