"""The JSON of PartBolt: the envelope around every answer. What is in it is not documented, and stays plain JSON."""

from __future__ import annotations

import json
from typing import Any, Final

#: As JSON. A part with thousands of lots is far below; more is not kept in memory for an unknown shape.
MAX_DATA_CHARS: Final = 1024 * 1024


def outcome(body: Any) -> tuple[str, str]:
    """Give the envelope's status, and the error's code: the only words that are stable. Empty where there is none."""
    if not isinstance(body, dict):
        return "", ""
    return _text(body.get("status")), _text(_error(body).get("code"))


def words(body: Any) -> str:
    """Find the error's message for people, with its hint."""
    error = _error(body) if isinstance(body, dict) else {}
    return " ".join(filter(None, (_text(error.get("message")), _text(error.get("hint")))))


def data(body: dict[str, Any]) -> Any:
    """Take the data out of the envelope; ValueError when there is none, or too much of it."""
    if "data" not in body:
        raise ValueError("data is missing")
    if len(json.dumps(body["data"])) > MAX_DATA_CHARS:
        raise ValueError("more data than any part can have")
    return body["data"]


def part(body: dict[str, Any]) -> dict[str, Any]:
    """Take a part out of the envelope; ValueError when there is none."""
    found = data(body)
    if not isinstance(found, dict):
        raise ValueError("data is no object")  # noqa: TRY004  an answer's form, not our mistake
    return found


def _error(body: dict[str, Any]) -> dict[str, Any]:
    error = body.get("error")
    return error if isinstance(error, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
