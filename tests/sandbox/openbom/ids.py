"""Ids in the forms of the vendor's examples: UUIDs of documents, short ids of rows and columns."""

import base64
import hashlib
import uuid

#: letters and digits after the `r` or `c`, as in the vendor's examples
SHORT_LENGTH = 11


def id_for(noun: str, name: str) -> str:
    """Give the one UUID that fixtures use for this name, the same in every process; nouns are bom and catalog."""
    return str(uuid.UUID(bytes=_digest(noun, name)[:16], version=4))


def row_id(document_id: str, position: int) -> str:
    """Give the id of a document's row, such as `rZxBGn1pzyM1`."""
    return "r" + _short(document_id, str(position))


def column_id(name: str) -> str:
    """Give the id of a property, the same in every document, such as `cjY09NjFcgC4`."""
    return "c" + _short("column", name)


def _short(noun: str, name: str) -> str:
    letters = base64.b64encode(_digest(noun, name), altchars=b"xY").decode()
    return letters[:SHORT_LENGTH]


def _digest(noun: str, name: str) -> bytes:
    return hashlib.sha256(f"{noun}:{name}".encode()).digest()
