"""Vendor ids: 26 characters, two 13-character halves of a version 4 UUID (vendors.md 2.1)."""

import hashlib
import random
import re
import uuid

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: one 64-bit half of a UUID needs 13 characters of 5 bits
HALF_LENGTH = 13
HALF_BITS = 64

#: accepted leniently, as the reference advises
ID_PATTERN = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")


def encode(value: uuid.UUID) -> str:
    """Write a UUID in the vendor's compact form."""
    return _half(value.int >> HALF_BITS) + _half(value.int & (2**HALF_BITS - 1))


def new_id(source: random.Random) -> str:
    """Draw an id; the same source state gives the same id."""
    return encode(uuid.UUID(int=source.getrandbits(128), version=4))


def id_for(noun: str, name: str) -> str:
    """Give the one id that fixtures use for this name, the same in every process."""
    digest = hashlib.sha256(f"{noun}:{name}".encode()).digest()
    return encode(uuid.UUID(bytes=digest[:16], version=4))


def is_id(text: str) -> bool:
    """Tell whether the text has the form of a vendor id."""
    return ID_PATTERN.fullmatch(text) is not None


def _half(number: int) -> str:
    letters: list[str] = []
    for _ in range(HALF_LENGTH):
        letters.append(ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(letters))
