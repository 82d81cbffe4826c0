"""What PartsBox operations have in common: a request without parameters, and where in an answer the data is."""

from __future__ import annotations

from typing import Any

from workers.vendors.models import Request


class Nothing(Request):
    """Operations without parameters, as those that list everything."""


def data_of(body: dict[str, Any], prefix: str) -> Any:
    """Find what was asked for: under `data`, else at the top level under `prefix` (the document has both).

    ValueError when it is nowhere: an answer that says nothing is never taken for an empty one.
    """
    if body.get("data") is not None:
        return body["data"]
    if any(name.startswith(prefix) for name in body):
        return body
    raise ValueError("data is missing")
