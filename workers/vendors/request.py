"""One request to a vendor as a value, the body that looks once more before it leaves, and what came back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import aiohttp

from tasks.errors import Exchange

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_writer import StreamWriter
    from pydantic import SecretStr

    from tasks.tracing import Noted
    from workers.vendors.evidence import Scrubber

#: Raised by aiohttp's connector only: no byte of the request has left. Every other error comes after that point.
_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
#: Written at a time.
PIECE_BYTES: Final = 64 * 1024
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call:
    """One request: what the vendor's document calls it, and how it goes over the wire.

    `body` is its JSON, None for none; `headers` are those of this request only, and secret.
    """

    operation: str
    method: str
    path: str
    body: Any = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    headers: Mapping[str, SecretStr] = field(default_factory=lambda: _NOTHING, repr=False)

    @classmethod
    def get(cls, path: str, query: Mapping[str, str] = _NOTHING, *, operation: str = "") -> Self:
        """Ask by GET; `operation` is the document's name of it, by default method and path."""
        return cls(operation or f"GET /{path}", "GET", path, query=query)

    @classmethod
    def post(cls, path: str, body: Any, *, operation: str = "") -> Self:
        """Send JSON by POST."""
        return cls(operation or f"POST /{path}", "POST", path, body)

    @classmethod
    def delete(cls, path: str, body: Any, *, operation: str = "") -> Self:
        """Send JSON by DELETE."""
        return cls(operation or f"DELETE /{path}", "DELETE", path, body)

    def payload(self) -> bytes:
        """Write the body; empty where there is none."""
        return b"" if self.body is None else json_text(self.body).encode()

    def shown(self, payload: bytes) -> dict[str, Any]:
        """Give the evidence of what was asked, not yet scrubbed."""
        body = json.loads(payload) if payload else {}
        shown = body if isinstance(body, dict) else {"items": body}
        return {**self.query, **shown}


@dataclass(slots=True)
class Answer:
    """What came back of one request; `body` is its JSON, None where there is none that can be read."""

    call: Call
    payload: bytes = field(repr=False)
    scrubber: Scrubber = field(repr=False)
    status: int | None = None
    retry_after_seconds: float | None = None
    #: Decompressed; None when it was cut or too large.
    raw: bytes | None = field(default=None, repr=False)
    body: Any = None
    trouble: Exception | None = field(default=None, repr=False)
    elapsed_ms: int = 0

    #: Why the request was held back in the moment of writing.
    held_back: Exception | None = field(default=None, repr=False)
    #: In that moment its connection, a kept one, was found closed.
    closed_before: bool = False

    @property
    def never_sent(self) -> bool:
        """Tell whether it is certain that no byte of the request has left."""
        if self.held_back is not None or self.closed_before:
            return True
        return self.status is None and isinstance(self.trouble, _NEVER_SENT)

    def show(self, span: Noted) -> None:
        """Note the outcome, without a word of the vendor."""
        if self.status is not None:
            span.note(http__response__status_code=self.status)
        if self.never_sent:
            span.note(sent=False)
        if self.trouble is not None:
            span.fail(type(self.trouble).__name__)
        elif self.status is None or self.status >= HTTPStatus.BAD_REQUEST:
            span.fail(str(self.status))

    def exchange(self) -> Exchange:
        """Make the evidence; done only when it is wanted."""
        kept = None if self.raw is None else self.scrubber.answer(self.raw, self.body)
        request = self.scrubber.tree(self.call.shown(self.payload))
        return Exchange(self.call.operation, request, self.status, kept, self.elapsed_ms)


class LastLook(aiohttp.Payload):
    """A body that looks once more, behind the handshake and in the moment of writing, whether it may leave.

    aiohttp keeps the headers back until the body is written: when `look` raises, no byte has left.
    """

    _value: bytes

    def __init__(self, answer: Answer, look: Callable[[], Awaitable[None]]) -> None:
        super().__init__(answer.payload, content_type="application/json")
        self._size = len(answer.payload)
        self._answer = answer
        self._look = look
        self._transport: asyncio.Transport | None = None

    def cut(self) -> None:
        """Close the connection that it was written to now; a plain close of TLS waits half a minute for an answer."""
        if self._transport is not None:
            self._transport.abort()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002  the whole
        try:
            await self._look()
        except Exception as error:
            self._answer.held_back = error
            raise
        # aiohttp's own writer; it would raise the same error for a connection that broke when half was written
        transport = cast("StreamWriter", writer).transport
        if transport is None or transport.is_closing():
            self._answer.closed_before = True
            raise ConnectionResetError("closed by the vendor before anything was written")
        self._transport = transport
        # in pieces: megabytes at once would keep the loop from everything else
        for start in range(0, max(len(self._value), 1), PIECE_BYTES):
            await writer.write(self._value[start : start + PIECE_BYTES])


def json_text(value: Any) -> str:
    """Write JSON in which a Decimal is a number with exactly its digits."""
    try:
        return _PLAIN(value)
    except TypeError:  # a Decimal is in it
        return _with_decimals(value)


_PLAIN: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _with_decimals(value: Any) -> str:
    match value:
        case Decimal():
            return format(value, "f")
        case dict():
            return "{" + ",".join(f"{_PLAIN(name)}:{_with_decimals(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_with_decimals, value)) + "]"
    return _PLAIN(value)
