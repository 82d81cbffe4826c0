"""The station's side of the relay's routes: handing scans over, asking what became of them, and being told."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp

from producers.handover import Opened, Refused, Taken, Unavailable
from producers.scanner.clock import ClockWatch
from producers.scanner.event_stream import EventParser
from producers.scanner.scan_answers import answers_of, news_of, retry_after, statuses_of
from tasks import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pydantic import SecretStr

    from producers.handover import Answer, Gap, Status, Told
    from producers.outbox import Stored

#: Longer than the relay takes at its worst (it answers 503 within a few seconds), shorter than an operator's patience.
TOTAL_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
#: Shorter than the relay keeps an idle connection, so that none is used while the relay closes it.
IDLE_SECONDS: Final = 3.0
#: The relay's stream says something every 15 seconds; three times nothing is a dead connection.
STREAM_SILENCE_SECONDS: Final = 45.0
#: What `POST /v1/scans` reads of a body, the brackets of the array included.
BODY_BYTES: Final = 2**20
#: 500 results with their problems; a proxy's page is not read further.
_ANSWER_BYTES: Final = 2**20
#: What carries no answer of the relay.
_NETWORK_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError)


class Receiver:
    """An open connection to the relay. Its methods raise nothing for an answer or a network error.

    `announce_clock` is told when this machine's clock is wrong by more than 5 seconds: the seconds it is ahead
    (negative: behind), and 0.0 when it is right again.
    """

    def __init__(self, url: str, token: SecretStr, *, announce_clock: Callable[[float], None] | None = None) -> None:
        self._url = url.rstrip("/") + "/v1"
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}
        self._clock = ClockWatch(announce_clock)
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

    async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
        """Hand a batch over; the relay recognises what it has by the commands themselves.

        A batch that the relay does not take as a whole is halved, until it is known which entry it is about. One that
        is too large for any request is not sent.
        """
        body = b"[" + b",".join(stored.body.encode() for stored in batch) + b"]"
        if len(body) <= BODY_BYTES:
            answers = await self._submit_once(batch, body)
            if answers is not None:
                return answers
        elif len(batch) == 1:
            return (Refused(f"{len(body):,} bytes: the relay takes {BODY_BYTES:,} at most"),)
        half = len(batch) // 2
        first = await self.submit(batch[:half])
        if any(isinstance(answer, Unavailable) for answer in first):
            unasked = Unavailable("not asked: what is before it has to wait", alone=True, unreached=True)
            return (*first, *(unasked for _ in batch[half:]))
        return (*first, *await self.submit(batch[half:]))

    async def status(self, keys: Sequence[str]) -> Mapping[str, Status] | Unavailable:
        """Ask what became of commands, a hundred at most."""
        asked_at = time.time()
        try:
            async with self._open().get(
                f"{self._url}/commands", params={"keys": ",".join(keys)}, allow_redirects=False
            ) as answer:
                body = await _read(answer)
        except _NETWORK_ERRORS as error:
            return Unavailable(_named(error))
        found = statuses_of(body) if answer.status == HTTPStatus.OK else None
        if found is None:
            return Unavailable(f"status {answer.status}", retry_after(answer.headers))
        self._clock.compare(asked_at, time.time(), answer.headers.get("Date"))
        return found

    async def listen(self, position: str | None) -> AsyncGenerator[Opened | Told | Gap, None]:
        """Follow `GET /v1/stream` behind this position, or from now on; ends when the connection does."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if position:
            headers["Last-Event-ID"] = position
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=STREAM_SILENCE_SECONDS)
        parser = EventParser(position or "")
        try:
            async with self._open().get(
                f"{self._url}/stream", headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status != HTTPStatus.OK or answer.content_type != "text/event-stream":
                    return
                yield Opened()
                async for chunk in answer.content.iter_any():
                    for event in parser.feed(chunk):
                        yield news_of(event)
        except (*_NETWORK_ERRORS, ValueError):
            return

    async def _submit_once(self, batch: Sequence[Stored], body: bytes) -> Sequence[Answer] | None:
        asked_at = time.time()
        try:
            async with self._open().post(
                f"{self._url}/scans",
                data=body,
                headers={"Content-Type": "application/json", **tracing.header_of(batch[0].key)},
                allow_redirects=False,
            ) as answer:
                answers = answers_of(answer.status, answer.headers, await _read(answer), batch)
        except _NETWORK_ERRORS as error:
            return (Unavailable(_named(error), unreached=_is_unreached(error)),) * len(batch)
        if answer.status == HTTPStatus.OK:
            self._clock.compare(asked_at, time.time(), answer.headers.get("Date"))
        for stored, told in zip(batch, answers or (), strict=False):
            if isinstance(told, Taken):
                tracing.captured("scan", stored.key, stored.stock_timestamp, duplicate=told.duplicate)
        return answers

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


def _is_unreached(error: Exception) -> bool:
    """Tell whether there was no connection at all."""
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _named(error: Exception) -> str:
    return f"the relay does not answer ({type(error).__name__})"
