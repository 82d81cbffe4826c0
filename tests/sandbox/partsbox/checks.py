"""The values a request may carry, read as strictly as the vendor documents them."""

import math
import re
from collections.abc import Collection, Iterable
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


def identifiers(params: Record, name: str) -> list[str]:
    """Read a required list of ids; one that is named twice counts once."""
    ids = _required(params, name)
    if not isinstance(ids, list) or not all(isinstance(one, str) and is_id(one) for one in ids):
        raise RefusedError("invalid", f"{name} must be a list of 26-character ids")
    return list(dict.fromkeys(ids))


def text(params: Record, name: str) -> str:
    """Read a required string."""
    value = _required(params, name)
    if not isinstance(value, str):
        raise RefusedError("invalid", f"{name} must be a string")
    return value


def label(params: Record, name: str) -> str:
    """Read the required name of something, which is not blank."""
    value = text(params, name)
    if not value.strip():
        raise RefusedError("invalid", f"{name} must not be blank")
    return value


def texts(params: Record, name: str) -> list[str]:
    """Read a required list of strings."""
    value = _required(params, name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RefusedError("invalid", f"{name} must be a list of strings")
    return value


def choice(params: Record, name: str, choices: Collection[str]) -> str:
    """Read a required string that is one of a few."""
    value = text(params, name)
    if value not in choices:
        raise RefusedError("invalid", f"{name} must be one of {', '.join(sorted(choices))}")
    return value


def optional_text(params: Record, name: str) -> str | None:
    """Read a string that may be absent."""
    return text(params, name) if name in params else None


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
    value, currency = price_fields(params)
    if value is not None and currency is None:
        raise RefusedError("invalid", "stock/currency is required with stock/price")
    return value, currency


def price_fields(params: Record) -> tuple[float | None, str | None]:
    """Read price and currency, each on its own."""
    value = amount(params, "stock/price") if "stock/price" in params else None
    currency = choice(params, "stock/currency", CURRENCIES) if "stock/currency" in params else None
    return value, currency


def optional_flag(params: Record, name: str) -> bool:
    """Read a boolean, false when absent."""
    return flag(params, name) if name in params else False


def flag(params: Record, name: str) -> bool:
    """Read a required boolean."""
    value = _required(params, name)
    if not isinstance(value, bool):
        raise RefusedError("invalid", f"{name} must be a boolean")
    return value


def amount(params: Record, name: str) -> float:
    """Read a required number that is not negative."""
    value = _required(params, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise RefusedError("invalid", f"{name} must be a number, not negative")
    return value


def count(params: Record, name: str) -> int:
    """Read a whole number, zero or more."""
    value = integer(params, name)
    if value < 0:
        raise RefusedError("invalid", f"{name} must not be negative")
    return value


def mapping(params: Record, name: str) -> Record:
    """Read a required map."""
    value = _required(params, name)
    if not isinstance(value, dict):
        raise RefusedError("invalid", f"{name} must be a map")
    return value


def mappings(params: Record, name: str) -> list[Record]:
    """Read a required list of maps."""
    value = _required(params, name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise RefusedError("invalid", f"{name} must be a list of maps")
    return value


def fields(params: Record, noun: str, texts: Iterable[str], moments: Iterable[str]) -> Record | None:
    """Read the optional map that describes a new lot or order; None when absent."""
    return sent(mapping(params, noun), noun, texts, moments) if noun in params else None


def sent(
    params: Record, noun: str, texts: Iterable[str], moments: Iterable[str] = (), *, tagged: bool = True
) -> Record:
    """Read those fields of a noun that were sent; `texts` and `moments` are names without the namespace."""
    read: Record = {name: text(params, name) for name in _namespaced(noun, texts) if name in params}
    read |= {name: integer(params, name) for name in _namespaced(noun, moments) if name in params}
    if tagged and f"{noun}/tags" in params:
        read[f"{noun}/tags"] = tags(params[f"{noun}/tags"])
    return read


def tags(value: Any) -> list[str]:
    """Read a list of tags; the vendor refuses odd characters without an explanation."""
    if not isinstance(value, list) or not all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in value):
        raise RefusedError("invalid", "Bad Request")
    return value


def _namespaced(noun: str, names: Iterable[str]) -> list[str]:
    return [f"{noun}/{name}" for name in names]


def _required(params: Record, name: str) -> Any:
    if name not in params:
        raise RefusedError("invalid", f"{name} is required")
    return params[name]
