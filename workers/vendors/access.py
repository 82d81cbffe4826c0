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


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
