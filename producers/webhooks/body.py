"""Reading a JSON object from an untrusted request: bounded in size, time and depth, and nothing in it ambiguous."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn

from producers.webhooks.problems import ProblemError, malformed

if TYPE_CHECKING:
    from aiohttp import web

#: An order.receive of 500 named lines is 60 KiB.
MAX_BODY_BYTES: Final = 256 * 1024
#: Together with `connection.HEADER_SECONDS` ten seconds for a whole request.
BODY_SECONDS: Final = 5.0
#: Commands nest three deep.
MAX_DEPTH: Final = 16


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read the body as one JSON object; raises ProblemError (400, 408, 413, 415)."""
    _check_headers(request)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await request.read()
    except TimeoutError:
        detail = f"the body did not arrive within {BODY_SECONDS:g} seconds"
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, close=True) from None
    return parse_object(raw)


def _check_headers(request: web.Request) -> None:
    # The framework would inflate the body before its size is known.
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send the body without Content-Encoding",
            headers={"Accept-Encoding": "identity"},
            close=True,
        )
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send Content-Type: application/json in UTF-8",
            headers={"Accept-Post": "application/json"},
            close=True,
        )
    if (request.content_length or 0) > MAX_BODY_BYTES:
        detail = f"the body is larger than {MAX_BODY_BYTES // 1024} KiB"
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request-entity-too-large", detail, close=True)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object (RFC 8259); raises a 400 ProblemError that says what is wrong with it."""
    try:
        parsed = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unambiguous,
            parse_constant=_no_constant,
            parse_float=_exact_float,
        )
    except UnicodeDecodeError:
        raise malformed("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise malformed(f"the body nests deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise malformed(f"the body is not usable JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise malformed("the body is not a JSON object")
    if _depth(parsed) > MAX_DEPTH:
        raise malformed(f"the body nests deeper than {MAX_DEPTH} levels")
    return parsed


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        # Parsers disagree on which of them counts (RFC 8259 section 4).
        raise ValueError("a name occurs twice in one object")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _exact_float(digits: str) -> float:
    number = float(digits)
    # The shortest form of the float is what goes on; a price must not change on the way.
    if Decimal(repr(number)) != Decimal(digits):
        raise ValueError("a number has more digits than can be kept; send it as a string")
    return number


def _depth(parsed: object) -> int:
    depth = 0
    level = [parsed]
    while level:
        depth += 1
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
            if isinstance(child, dict | list)
        ]
    return depth
