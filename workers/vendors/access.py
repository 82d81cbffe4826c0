"""The address and the key of a vendor, refused where they would leak or cannot work. Light: the settings import it."""

from __future__ import annotations

import ipaddress
import re

from yarl import URL


def check_address(address: str) -> None:
    """Raise ValueError, which does not quote it, for an address that would show our key or hide one in itself."""
    try:
        url = URL(address)
    except ValueError:
        raise ValueError("not an address like https://host/path") from None
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise ValueError("must be https (http only for a loopback address)")
    if not url.host or url.user or url.password or url.query_string or url.fragment:
        raise ValueError("must be scheme, host, port and path, nothing else")


def check_partsbox_key(key: str) -> None:
    """Raise ValueError, which does not quote it, for what can't be a key of PartsBox (document, "Authentication")."""
    if not re.fullmatch(r"partsboxapi_[A-Za-z0-9_-]+", key):
        raise ValueError("must be partsboxapi_ and the rest of the key, without the word APIKey")


def check_openbom_app_key(key: str) -> None:
    """Raise ValueError, which does not quote it, for what can't be an application key of OpenBOM: it is one word."""
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("must be the application key alone: one word of plain text")


def check_openbom_username(username: str) -> None:
    """Raise ValueError, which does not quote it, for what can't be a user of OpenBOM: they are e-mail addresses."""
    if not re.fullmatch(r"[^\s@]+@[^\s@]+", username):
        raise ValueError("must be the e-mail address that the application key was issued to")


def check_password(password: str) -> None:
    """Raise ValueError for what can't be a password: it stands in no header, so it may be any text."""
    if not password:
        raise ValueError("must not be empty")


def check_partbolt_token(token: str) -> None:
    """Raise ValueError, which does not quote it, for what can't be a token of PartBolt: the header's word is ours."""
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("must be the token alone: one word of plain text, without the word PartBoltAPI")


def check_partium_key(key: str) -> None:
    """Raise ValueError, which does not quote it, for what can't be a Bearer token (RFC 6750, 2.1) of Partium."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{8,}=*", key):
        raise ValueError("must be the API key or access token itself, without the word Bearer")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
