"""The station's side of the relay's two routes: one request each, and what its answer means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tasks.identity import is_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from pydantic import SecretStr

#: Longer than the relay takes at its worst (it answers 503 within a few seconds), shorter than an operator's patience.
TOTAL_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
#: Shorter than the relay keeps an idle connection, so that none is used while the relay closes it.
IDLE_SECONDS: Final = 3.0
#: More than any answer of the relay; a proxy's page is not read further.
_ANSWER_BYTES: Final = 65_536
#: The station asks again at least this often, whatever Retry-After says.
_MAX_RETRY_AFTER_SECONDS: Final = 60.0
#: 4xx that say nothing against the command itself: wrong token or address, or not now. The command is kept.
_KEPT_STATUS: Final = frozenset({401, 403, 404, 405, 407, 408, 409, 421, 425, 426, 429})
#: What an operator reads of somebody else's answer.
_REASON_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Taken:
    """The relay has the command."""

    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The relay will never take this command."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing is known or nothing was taken: ask again with the same command."""

    reason: str
    retry_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """What the relay says of a command; `unknown` when it knows none under the key."""

    state: str
    reason: str


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Taken | Refused | Unavailable:
    """Say what an answer to a submission means; only the relay's own words count as taken."""
    document = _document(body)
    if status in (200, 202):
        key = document.get("key")
        if isinstance(key, str) and is_key(key):
            return Taken(duplicate=document.get("duplicate") is True)
        return Unavailable(f"status {status}, but not an answer of the relay; is the address right?")
    reason = f"status {status}: {_words(document)}" if document else f"status {status}"
    if 400 <= status < 500 and status not in _KEPT_STATUS:  # noqa: PLR2004  RFC 9110 section 15.5: client error
        return Refused(reason)
    return Unavailable(reason, _retry_after(headers.get("Retry-After", "")))


class Receiver:
    """An open connection to the relay. Its methods raise nothing for an answer or a network error."""

    def __init__(self, url: str, token: SecretStr) -> None:
        self._url = url.rstrip("/") + "/v1/commands"
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=4, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def submit(self, body: str) -> Taken | Refused | Unavailable:
        """Hand one command over; the relay recognises a repetition by the command itself."""
        try:
            async with self._open().post(
                self._url, data=body.encode(), headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as answer:
                return classify(answer.status, answer.headers, await _read(answer))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unavailable(_named(error))

    async def status(self, key: str) -> Status | Unavailable:
        """Ask what became of a command."""
        try:
            async with self._open().get(f"{self._url}/{key}", allow_redirects=False) as answer:
                document = _document(await _read(answer))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unavailable(_named(error))
        if answer.status == 404:  # noqa: PLR2004  RFC 9110 15.5.5
            return Status("unknown", "")
        state = document.get("state")
        if answer.status != 200 or not isinstance(state, str):  # noqa: PLR2004  the one status with an answer
            return Unavailable(f"status {answer.status}")
        return Status(state, _plain(document.get("reason") or ""))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the receiver is used outside of its `async with`")
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            break
    return bytes(body)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _words(problem: Mapping[str, Any]) -> str:
    """Put an RFC 9457 problem into one line for the operator."""
    errors = problem.get("errors")
    details = [
        f"{error.get('field')}: {error.get('message')}"
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    return _plain("; ".join(details) or problem.get("detail") or problem.get("title") or "no reason given")


def _plain(text: object) -> str:
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    return plain if len(plain) <= _REASON_CHARACTERS else plain[:_REASON_CHARACTERS] + "…"


def _retry_after(text: str) -> float:
    """Read the delay form of Retry-After (RFC 9110 10.2.3); the date form would trust a second clock."""
    if not (text.isascii() and text.isdigit()) or len(text) > len("3600"):
        return 0.0
    return min(float(text), _MAX_RETRY_AFTER_SECONDS)


def _named(error: Exception) -> str:
    return f"the relay does not answer ({type(error).__name__})"
