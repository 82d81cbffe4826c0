"""Reading JSON from an untrusted request: bounded in size, time and depth, and nothing in it ambiguous."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from producers.webhooks.problems import ProblemError, malformed
from tasks.strict_json import read_json

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
    return parse_object(await read_body(request))


async def read_array(request: web.Request, *, max_bytes: int) -> list[Any]:
    """Read the body as one JSON array; raises as `read_object`."""
    _check_headers(request)
    parsed = parse_json(await read_body(request, max_bytes=max_bytes))
    if not isinstance(parsed, list):
        raise malformed("the body is not a JSON array")
    return parsed


async def read_body(request: web.Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Read the body as it was sent, at most so many bytes of it; raises ProblemError (408, 413)."""
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        detail = f"the body did not arrive within {BODY_SECONDS:g} seconds"
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, close=True) from None
    return bytes(body)


def _too_large(max_bytes: int) -> ProblemError:
    detail = f"the body is larger than {max_bytes // 1024} KiB"
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request-entity-too-large", detail, close=True)


def refuse_encoding(request: web.Request) -> None:
    """Refuse a compressed body: it may inflate without end, and a signature is over what it was; ProblemError (415)."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send the body without Content-Encoding",
            headers={"Accept-Encoding": "identity"},
            close=True,
        )


def _check_headers(request: web.Request) -> None:
    refuse_encoding(request)
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send Content-Type: application/json in UTF-8",
            headers={"Accept-Post": "application/json"},
            close=True,
        )


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises as `parse_json`."""
    parsed = parse_json(raw)
    if not isinstance(parsed, dict):
        raise malformed("the body is not a JSON object")
    return parsed


def parse_json(raw: bytes) -> Any:
    """Parse one JSON value (RFC 8259); raises a 400 ProblemError that says what is wrong with it."""
    try:
        return read_json(raw, max_depth=MAX_DEPTH, exact=True)
    except ValueError as error:
        raise malformed(str(error)) from None
