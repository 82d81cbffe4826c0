"""The values a request may carry, read as strictly as the vendor documents them."""

import math
import re
from typing import Any

from tests.sandbox.partsbox.ids import is_id
from tests.sandbox.partsbox.wire import Record, RefusedError

#: the 35 codes of the document (vendors.md 2.2, CUR)
CURRENCIES = frozenset(
    {
        "aed", "aud", "bgn", "brl", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "hrk", "huf", "idr",
        "ils", "inr", "jpy", "krw", "mxn", "myr", "nok", "nzd", "php", "pln", "ron", "rub", "sek", "sgd", "thb",
        "try", "twd", "uah", "usd", "zar",
    }
)  # fmt: skip

#: 64-bit numbers are the largest the document speaks of
LARGEST_INTEGER = 2**63 - 1

TAG = re.compile(r"[A-Za-z0-9_-]+")


def identifier(params: Record, name: str) -> str:
    """Read a required 26-character id."""
    value = _required(params, name)
    if not isinstance(value, str) or not is_id(value):
        raise RefusedError("invalid", f"{name} must be a 26-character id")
    return value


def optional_identifier(params: Record, name: str) -> str | None:
    """Read an id that may be absent."""
    return identifier(params, name) if name in params else None


def optional_text(params: Record, name: str) -> str | None:
    """Read a string that may be absent."""
    value = params.get(name)
    if name in params and not isinstance(value, str):
        raise RefusedError("invalid", f"{name} must be a string")
    return value


def integer(params: Record, name: str) -> int:
    """Read a whole number; a float without a fraction counts, a bool or a string does not."""
    value = _required(params, name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedError("invalid", f"{name} must be an integer")
    if abs(value) > LARGEST_INTEGER:
        raise RefusedError("invalid", f"{name} is out of range")
    return value


def quantity(params: Record, name: str = "stock/quantity") -> int:
    """Read a number of parts, at least one."""
    value = integer(params, name)
    if value <= 0:
        raise RefusedError("invalid", f"{name} must be positive")
    return value


def price(params: Record) -> tuple[float | None, str | None]:
    """Read price and currency; a price makes the currency mandatory."""
    amount, currency = price_fields(params)
    if amount is not None and currency is None:
        raise RefusedError("invalid", "stock/currency is required with stock/price")
    return amount, currency


def price_fields(params: Record) -> tuple[float | None, str | None]:
    """Read price and currency, each on its own."""
    amount = params.get("stock/price")
    if "stock/price" in params and not _is_amount(amount):
        raise RefusedError("invalid", "stock/price must be a number, not negative")
    currency = optional_text(params, "stock/currency")
    if currency is not None and currency not in CURRENCIES:
        raise RefusedError("invalid", "stock/currency is not a known currency")
    return amount, currency


def optional_flag(params: Record, name: str) -> bool:
    """Read a boolean, false when absent."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError("invalid", f"{name} must be a boolean")
    return value


def mapping(params: Record, name: str) -> Record:
    """Read a required map."""
    value = _required(params, name)
    if not isinstance(value, dict):
        raise RefusedError("invalid", f"{name} must be a map")
    return value


def fields(params: Record, noun: str, texts: tuple[str, ...], moments: tuple[str, ...]) -> Record | None:
    """Read the optional map that describes a new lot or order; None when absent."""
    if noun not in params:
        return None
    given = mapping(params, noun)
    read: Record = {}
    for name in texts:
        if (text := optional_text(given, name)) is not None:
            read[name] = text
    for name in moments:
        if name in given:
            read[name] = integer(given, name)
    if f"{noun}/tags" in given:
        read[f"{noun}/tags"] = tags(given[f"{noun}/tags"])
    return read


def tags(value: Any) -> list[str]:
    """Read a list of tags; the vendor refuses odd characters without an explanation."""
    if not isinstance(value, list) or not all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in value):
        raise RefusedError("invalid", "Bad Request")
    return value


def _required(params: Record, name: str) -> Any:
    if name not in params:
        raise RefusedError("invalid", f"{name} is required")
    return params[name]


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
