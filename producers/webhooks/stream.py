"""Server-sent events (HTML Living Standard, 9.2), resumable: of a client's own commands, or for the dead-letter desk.

Each event's id is the position in all streams, so that a client that comes back with it as Last-Event-ID misses nothing
and gets nothing twice. When what it missed is not kept any more it gets `stream.gap`, and asks for its commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web
from redis.exceptions import RedisError

from producers.tokens import Role
from producers.webhooks import sessions
from producers.webhooks.auth import CALLER
from producers.webhooks.events import RETRY_SECONDS, EventFeed, Position
from producers.webhooks.examples import EVENT
from producers.webhooks.middleware import REQUEST_ID
from producers.webhooks.openapi import Answer, Operation, Parameter, Route
from producers.webhooks.problems import RETRY_AFTER_SECONDS, ProblemError, unavailable
from producers.webhooks.schemas import CommandEvent
from tasks.records import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.webhooks.events import Event, Listener

#: Proxies close what is silent for 30 to 60 seconds.
HEARTBEAT_SECONDS: Final = 15.0
#: How long a browser waits before it comes back.
RECONNECT_MS: Final = 2_000
#: A station, its page in a few tabs, and a program.
MAX_STREAMS_PER_CLIENT: Final = 8
#: Of all connections, the larger half stays for requests.
MAX_STREAMS: Final = 200
#: Of a command that becomes a dead letter, or that a decision lets go on.
_DESK_STATES: Final = frozenset({State.REJECTED, State.HELD, State.READY, State.WAITING})

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx would hold events back to fill its buffer
    "X-Accel-Buffering": "no",
}


class _Stream:
    """One open stream of the events that its client hears."""

    def __init__(self, request: web.Request, feed: EventFeed, client: str, hears: Callable[[Event], bool]) -> None:
        self.client = client
        self._hears = hears
        self._request = request
        self._feed = feed
        self._response = web.StreamResponse(headers={**_HEADERS, "X-Request-ID": request[REQUEST_ID]})
        self._position = Position({})
        self._is_writing = False

    @property
    def is_open(self) -> bool:
        """False once the client has gone, also before a write has noticed."""
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    async def run(self) -> web.StreamResponse:
        """Send events until the client goes, is too slow, or the server stops."""
        with contextlib.suppress(ConnectionError), self._feed.listening(self._hears, self._stop_writing) as listener:
            await self._feed.begin()
            # where it begins is fixed before the client is told that it has begun
            has_gap = not self._find_beginning()
            await self._response.prepare(self._request)
            # with the position, so that a client that is cut off before its first event comes back to it
            known = f"id: {self._position}\n" if self._feed.ready.is_set() else ""
            await self._send(f"retry: {RECONNECT_MS}\n{known}\n")
            await self._catch_up(listener, has_gap=has_gap)
            await self._go_on(listener)
        return self._response

    def _find_beginning(self) -> bool:
        """Begin where the last stream ended, or now; false when it cannot be told what is missing."""
        given = self._request.headers.get("Last-Event-ID", "")
        found = Position.parse(given) if given else self._feed.position
        self._position = (found or self._feed.position).copy()
        return found is not None and (bool(given) or self._feed.ready.is_set())

    async def _catch_up(self, listener: Listener, *, has_gap: bool) -> None:
        """Send what was missed; while Redis is away, wait for it."""
        while not listener.is_dropped:
            try:
                if self._feed.ready.is_set():
                    await self._send_missed(has_gap=has_gap)
                    return
            except RedisError:
                pass  # the reader has logged it
            await self._send(": waiting for the ledger\n\n")
            await _first_of(listener.dropped, *(() if self._feed.ready.is_set() else (self._feed.ready,)))

    async def _send_missed(self, *, has_gap: bool) -> None:
        if has_gap or not await self._feed.keeps(self._position):
            self._position = await self._feed.now()
            await self._send_gap()
        began = self._position.copy()
        async with contextlib.aclosing(self._feed.missed(self._position, self._hears)) as missed:
            async for event in missed:
                await self._send_event(event)
        if not await self._feed.keeps(began):  # trimmed while it was read
            await self._send_gap()

    async def _go_on(self, listener: Listener) -> None:
        while not listener.is_dropped:
            if listener.has_gap:
                listener.has_gap = False
                self._position.take_all(self._feed.position)
                await self._send_gap()
            while listener.waiting:
                event = listener.waiting.popleft()
                if self._position.take(event):
                    await self._send_event(event)
            if not await self._wait(listener):
                # everything up to here that is this client's was sent: nothing of it need be looked through again
                self._position.take_all(self._feed.position)
                await self._send(f": alive\nid: {self._position}\n\n")

    async def _wait(self, listener: Listener) -> bool:
        """Wait until there is something to do; false when it is time for a sign of life instead."""
        if not (listener.waiting or listener.has_gap or listener.is_dropped):
            listener.arrived.clear()
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await listener.arrived.wait()
        except TimeoutError:
            return listener.arrived.is_set()
        return True

    async def _send_event(self, event: Event) -> None:
        await self._send(f"event: command.state\nid: {self._position}\ndata: {json.dumps(event.data)}\n\n")

    async def _send_gap(self) -> None:
        await self._send(f"event: stream.gap\nid: {self._position}\ndata: {{}}\n\n")

    async def _send(self, text: str) -> None:
        self._is_writing = True
        try:
            await self._response.write(text.encode())
        finally:
            self._is_writing = False

    def _stop_writing(self) -> None:
        """Do not wait for a client that reads nothing."""
        if self._is_writing and self._request.transport is not None:
            self._request.transport.abort()


async def _first_of(*events: asyncio.Event) -> None:
    """Wait for any of the events, or until it is time to try Redis again."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=RETRY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


class StreamRoutes:
    """The handlers, and the streams that are open."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._streams: set[_Stream] = set()

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", "/v1/stream", self.open, _OPEN),
            ("GET", "/v1/dead-letters/stream", self.open_desk, _OPEN_DESK),
        ]

    def count(self) -> int:
        """Count the open streams."""
        return sum(stream.is_open for stream in self._streams)

    async def open(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/stream`: stays open."""
        client = request[CALLER].client
        return await self._run(request, lambda event: event.client == client)

    async def open_desk(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/dead-letters/stream`: stays open."""
        return await self._run(request, lambda event: event.state in _DESK_STATES)

    async def _run(self, request: web.Request, hears: Callable[[Event], bool]) -> web.StreamResponse:
        client = request[CALLER].client
        if request.method != "GET":  # the framework gives HEAD too, which would wait for a body for ever
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        self._require_place(client)
        stream = _Stream(request, self._feed, client, hears)
        self._streams.add(stream)
        try:
            return await stream.run()
        finally:
            self._streams.discard(stream)

    def _require_place(self, client: str) -> None:
        opened = Counter(stream.client for stream in self._streams if stream.is_open)
        if opened[client] >= MAX_STREAMS_PER_CLIENT:
            detail = f"{client} has {MAX_STREAMS_PER_CLIENT} streams open; close one of them"
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-streams", detail, headers=headers)
        if opened.total() >= MAX_STREAMS:
            raise unavailable(f"{MAX_STREAMS} streams are open; come back later")


_RESUMED: Final = (
    Parameter(
        name="Last-Event-ID",
        place="header",
        description="The id of the last event that arrived. It is for the server alone to read.",
        example="partsbox:1790000000940-0",
    ),
)
_EVENTS: Final = {
    200: Answer(
        description="Events, without end. The schema is that of the `data` of `command.state`.",
        schema=CommandEvent,
        content_type="text/event-stream",
        example=EVENT,
    )
}
_TOO_MANY: Final = {
    429: f"`too-many-streams`: at most {MAX_STREAMS_PER_CLIENT} for one client; or too many requests.",
    503: "Too many streams of all clients.",
}
_OPEN: Final = Operation(
    summary="Hear what becomes of your commands",
    tag="commands",
    roles=(Role.READ,),
    description="Server-sent events, from the moment of asking or, with `Last-Event-ID`, from where the last stream "
    "ended: nothing is missed and nothing comes twice. `command.state` tells a step of one of your commands. "
    "`stream.gap` tells that events are missing, since they are not kept for ever: ask `GET /v1/commands?keys=` then. "
    f"A comment and a new id come every {HEARTBEAT_SECONDS:g} seconds. A client that reads too slowly is closed, and "
    "resumes.",
    parameters=_RESUMED,
    answers=_EVENTS,
    problems=_TOO_MANY,
)
_OPEN_DESK: Final = Operation(
    summary="Hear when the dead letters change",
    tag="dead letters",
    roles=(Role.OPERATE,),
    sessions=(sessions.DESK,),
    description="As `GET /v1/stream`, of the commands of all clients: each that is rejected or held, and each that may "
    "run or waits its turn, as a dead letter does once it is replayed. After `stream.gap`, list the dead letters anew.",
    parameters=_RESUMED,
    answers=_EVENTS,
    problems=_TOO_MANY,
)
