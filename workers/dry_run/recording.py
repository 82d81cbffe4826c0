"""What stands in for the network, the limiter and Redis while a command is rendered: nothing is sent or kept."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from tasks.ports import Grant
    from workers.dry_run.books import Books, Reply

#: Shown in the place of every secret.
HIDDEN: Final = "***"
#: Stands in the place of every secret; no data has it.
PLACEHOLDER: Final = "dry-run-of-stockrelay-0"


class Purpose(StrEnum):
    """What a request is for."""

    #: Reads what is there before the write.
    BEFORE = "before"
    #: Changes something; what it needs to be told what a refusal means is read under the same purpose.
    WRITE = "write"
    #: Reads the confirmed write back, for the receipt.
    PROOF = "proof"
    #: Reads whether a write of unknown outcome is there.
    LOOK_UP = "look-up"


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it would leave: its body byte by byte, with HIDDEN for secrets in its headers."""

    purpose: Purpose
    #: It changes something; all others read.
    changes: bool
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Body(Protocol):
    """What writes itself: the body of `workers.vendors.request`."""

    async def write(self, writer: Any) -> None:
        """Write all of it."""


class RecordingSession:
    """Takes the place of an HTTP session: keeps what is asked, and lets the assumed vendor answer."""

    #: Switched off by every client; there is nothing to retry here.
    _retry_connection: bool = False

    def __init__(self, base_url: str, books: Books, secrets: Sequence[str]) -> None:
        self._base_url = URL(base_url)
        self._books = books
        self._secrets = secrets
        self.purpose = Purpose.BEFORE
        self.requests: list[SentRequest] = []
        #: An error of our own in an answer, which the client takes for one of the network.
        self.broken: Exception | None = None

    def take(self) -> tuple[SentRequest, ...]:
        """Give what was asked since the last time; raises what broke an answer."""
        if self.broken is not None:
            raise self.broken
        taken, self.requests = tuple(self.requests), []
        return taken

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        *,
        params: Mapping[str, str] | None,
        data: Body,
        headers: Mapping[str, str],
        **_options: object,
    ) -> AsyncIterator[_Response]:
        """Answer one request."""
        written = _Written()
        await data.write(written)
        body = bytes(written.body)
        path = url.path.removeprefix(self._base_url.path).strip("/")
        try:
            reply = self._books.answer(method, path, params or {}, json.loads(body) if body else None)
        except Exception as error:
            self.broken = error
            raise
        whole = url.extend_query(params) if params else url
        shown = {name: self._without_secrets(value) for name, value in headers.items()}
        self.requests.append(SentRequest(self.purpose, reply.changes, method, str(whole), shown, body))
        yield _Response(reply)

    def _without_secrets(self, value: str) -> str:
        for secret in self._secrets:
            value = value.replace(secret, HIDDEN)
        return value


@dataclass(slots=True)
class _Written:
    body: bytearray = field(default_factory=bytearray)

    async def write(self, piece: bytes) -> None:
        self.body += piece

    @property
    def transport(self) -> _Written:
        """Take the place of a connection, which is open."""
        return self

    def is_closing(self) -> bool:
        return False


class _Response:
    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers: dict[str, str] = {}
        self.content = self
        self._raw = json.dumps(reply.body).encode()

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Give the whole answer at once."""
        yield self._raw


class _Permit:
    def fresh(self) -> bool:
        return True


class NoLimiter:
    """Lets everything through at once: nothing leaves."""

    async def acquire(self, slot_id: str, ahead: Callable[[Grant], None] | None = None) -> _Permit:  # noqa: ARG002  a port
        return _Permit()

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        """Do nothing."""


class KnownToken:
    """Takes the place of Redis for OpenBOM's login: the access token is there already, so that none is fetched."""

    async def get(self, key: str) -> str:  # noqa: ARG002  a port
        """Give the token."""
        return PLACEHOLDER


@dataclass(slots=True)
class FreeToLeave:
    """The sender's side of a write that goes nowhere; see `tasks.ports.Sending`."""

    key: str

    def ahead(self, grant: Grant) -> None:
        """Do nothing."""

    async def permitted(self) -> None:
        """Do nothing."""

    def may_leave(self) -> bool:
        return True
