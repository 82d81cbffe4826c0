"""The station's HTTP client against real connections that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from producers.delivery import BATCH_BYTES, BATCH_ENTRIES
from producers.handover import Gap, Opened, Refused, Status, Taken, Told, Unavailable
from producers.outbox import OutboxState, Stored
from producers.scanner import receiver as receiver_module
from producers.scanner.receiver import Receiver
from producers.webhooks import scans
from producers.webhooks.schemas import MAX_SCANS
from tests.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from producers.handover import Answer

TOKEN = "invented-token-of-st01"
KEYS = tuple(letter * 20 for letter in "abcdefgh")
PROBLEM = {"type": "urn:stockrelay:problem:malformed", "detail": "not a command"}


def _batch(count: int = 1) -> list[Stored]:
    return [
        Stored(
            place,
            key,
            (),
            1,
            json.dumps({"n": place}),
            "",
            "{}",
            OutboxState.STORED,
            0,
            0,
            None,
            None,
            None,
            offered=True,
        )
        for place, key in enumerate(KEYS[:count])
    ]


def _taken(count: int = 1) -> bytes:
    results = [{"key": key, "status": "stored", "state": "ready"} for key in KEYS[:count]]
    return json.dumps({"results": results}).encode()


class Script:
    """A server that answers each request with the next list of raw parts, then closes the connection."""

    def __init__(self, *answers: list[bytes]) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self._connections: list[asyncio.Task[None]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            for part in self._answers.pop(0):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)  # a packet of its own
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(asyncio.create_task(self._serve(reader, writer)))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)


def _answer(status: str, body: bytes, *headers: str) -> list[bytes]:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""])
    return [head.encode(), body]


@contextlib.asynccontextmanager
async def _relay(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Receiver]:
    """A relay of one handler, and a receiver that is connected to it."""
    app = web.Application(client_max_size=scans.MAX_BYTES)
    app.router.add_route("*", "/v1/{route}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with Receiver(f"http://127.0.0.1:{runner.addresses[0][1]}", SecretStr(TOKEN)) as receiver:
            yield receiver
    finally:
        await runner.cleanup()


async def test_a_batch_is_one_request_with_the_bodies_as_they_were_stored() -> None:
    seen: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers["Authorization"], await request.text()))
        return web.Response(body=_taken(2), content_type="application/json")

    async with _relay(take) as receiver:
        answers = await receiver.submit(_batch(2))

    assert list(answers) == [Taken(duplicate=False)] * 2
    assert seen == [("POST", "/v1/scans", f"Bearer {TOKEN}", '[{"n": 0},{"n": 1}]')]


async def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    head, body = _answer("200 OK", _taken())
    script = Script([head, body[:10], body[10:20], body[20:]])

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        assert list(await receiver.submit(_batch())) == [Taken(duplicate=False)]


async def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else() -> None:
    elsewhere = Script(_answer("200 OK", _taken()))
    async with elsewhere.serving() as other:
        script = Script(*[_answer("307 Temporary Redirect", b"", f"Location: {other}/v1/scans")] * 3)
        async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
            submitted = await receiver.submit(_batch())
            asked = await receiver.status(KEYS[:1])
            heard = [news async for news in receiver.listen(None)]

    assert list(submitted) == [Unavailable("status 307")]
    assert asked == Unavailable("status 307")
    assert heard == []
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 200 O"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", _taken()],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"],
        [b"SSH-2.0-OpenSSH\r\n\r\n"],
        _answer("200 OK", b"[" * 100_000),
        _answer("200 OK", b"x" * 3_000_000),
        _answer("200 OK", b"<html>", "Content-Type: text/html"),
        _answer("200 OK", b"data: x", "Content-Encoding: gzip"),
    ],
)
async def test_a_broken_answer_is_no_answer_and_nothing_is_sent_again_behind_our_back(
    monkeypatch: pytest.MonkeyPatch, parts: list[bytes]
) -> None:
    monkeypatch.setattr(receiver_module, "TOTAL_SECONDS", 1.0)
    script = Script(parts, parts, parts, parts, parts)

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        (answer,) = await receiver.submit(_batch())
        assert isinstance(answer, Unavailable)
        assert not answer.unreached
        assert isinstance(await receiver.status(KEYS[:1]), Unavailable)
        assert [news async for news in receiver.listen(None)] == []
    assert sum(request.startswith(b"POST") for request in script.requests) == 1


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "TOTAL_SECONDS", 0.1)
    script = Script([b""] * 1_000)

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        (answer,) = await receiver.submit(_batch())

    assert isinstance(answer, Unavailable)
    assert "Timeout" in answer.reason
    assert not answer.unreached


async def test_a_closed_port_is_told_as_unreached_without_the_address_or_token() -> None:
    async with Receiver(f"http://127.0.0.1:{free_port()}", SecretStr(TOKEN)) as receiver:
        answers = await receiver.submit(_batch(2))
        heard = [news async for news in receiver.listen("p1")]

    assert list(answers) == [Unavailable("the relay does not answer (ClientConnectorError)", unreached=True)] * 2
    assert heard == []


class Picky:
    """Takes at most `most` at once, and never number `bad`; `stuck` has to wait."""

    def __init__(self, most: int, *, bad: int = -1, stuck: int = -1) -> None:
        self.most, self.bad, self.stuck = most, bad, stuck
        self.sizes: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        numbers = [item["n"] for item in await request.json()]
        self.sizes.append(len(numbers))
        if len(numbers) > self.most:
            return web.Response(status=413, text="<html>too large</html>")
        if self.bad in numbers:
            return web.json_response(PROBLEM, status=400)
        results = [
            {"key": KEYS[number], "status": "unavailable" if number == self.stuck else "stored"} for number in numbers
        ]
        return web.json_response({"results": results})


async def _submit(relay: Picky, count: int) -> Sequence[Answer]:
    async with _relay(relay.take) as receiver:
        return await receiver.submit(_batch(count))


def test_station_and_relay_agree_on_how_much_one_request_holds() -> None:
    assert receiver_module.BODY_BYTES == scans.MAX_BYTES
    assert BATCH_BYTES < scans.MAX_BYTES - BATCH_ENTRIES
    assert BATCH_ENTRIES == MAX_SCANS


async def test_one_entry_that_no_request_can_hold_is_refused_unsent_and_the_others_go() -> None:
    asked: list[int] = []

    async def take(request: web.Request) -> web.Response:
        keys = [KEYS[one["n"]] for one in await request.json()]
        asked.append(len(keys))
        results = [{"key": key, "status": "stored", "state": "ready"} for key in keys]
        return web.json_response({"results": results})

    batch = _batch(3)
    batch[1] = replace(batch[1], body=json.dumps({"n": 1, "comments": "x" * receiver_module.BODY_BYTES}))
    async with _relay(take) as receiver:
        answers = await receiver.submit(batch)

    assert [type(answer) for answer in answers] == [Taken, Refused, Taken]
    assert asked == [1, 1]
    refused = answers[1]
    assert isinstance(refused, Refused)
    assert "the relay takes 1,048,576 at most" in refused.reason


async def test_an_entry_that_just_fits_is_sent() -> None:
    asked: list[int] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(len(await request.read()))
        return web.Response(body=_taken(), content_type="application/json")

    (stored,) = _batch()
    room = receiver_module.BODY_BYTES - len("[]") - len('{"n": 0, "comments": ""}')
    fitting = replace(stored, body=json.dumps({"n": 0, "comments": "x" * room}))
    async with _relay(take) as receiver:
        answers = await receiver.submit([fitting])

    assert answers == (Taken(duplicate=False),)
    assert asked == [receiver_module.BODY_BYTES]


async def test_a_batch_that_is_too_large_for_a_proxy_goes_in_parts() -> None:
    relay = Picky(2)

    assert list(await _submit(relay, 8)) == [Taken(duplicate=False)] * 8
    assert relay.sizes == [8, 4, 2, 2, 4, 2, 2]


async def test_the_one_entry_that_spoils_its_batch_is_found_and_refused_alone() -> None:
    answers = list(await _submit(Picky(8, bad=5), 8))

    assert answers[5] == Refused("status 400: not a command")
    assert [*answers[:5], *answers[6:]] == [Taken(duplicate=False)] * 7


async def test_behind_a_part_with_something_unavailable_nothing_is_handed_over() -> None:
    relay = Picky(4, stuck=1)
    answers = list(await _submit(relay, 8))

    assert relay.sizes == [8, 4]
    assert [isinstance(answer, Unavailable) for answer in answers] == [False, True, False, False, *[True] * 4]
    assert all(isinstance(answer, Unavailable) and answer.alone and answer.unreached for answer in answers[4:])


async def test_a_status_is_asked_for_several_at_once() -> None:
    asked: list[str] = []

    async def show(request: web.Request) -> web.Response:
        asked.append(request.query["keys"])
        if len(asked) > 1:
            return web.Response(status=503)
        rejected = {"key": KEYS[0], "state": "rejected", "reason": "not enough\nstock"}
        return web.json_response({"commands": {KEYS[0]: rejected, KEYS[1]: None}})

    async with _relay(show) as receiver:
        found = await receiver.status(KEYS[:2])
        again = await receiver.status(KEYS[:2])

    assert found == {KEYS[0]: Status("rejected", "not enough stock"), KEYS[1]: Status("unknown", "")}
    assert again == Unavailable("status 503")
    assert asked == [f"{KEYS[0]},{KEYS[1]}"] * 2


async def test_the_stream_is_followed_from_the_place_where_it_was_left() -> None:
    places: list[str | None] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        places.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        data = json.dumps({"key": KEYS[0], "state": "applied", "reason": ""})
        await response.write(f"retry: 2000\n\nevent: command.state\nid: p2\ndata: {data}\n\n".encode())
        await response.write(b": alive\nid: p3\n\nevent: stream.gap\nid: p9\ndata: {}\n\ndata: cut o")
        return response

    async with _relay(stream) as receiver:
        heard = [news async for news in receiver.listen("p1")]
        await anext(receiver.listen(None))

    assert heard == [Opened(), Told("p2", KEYS[0], Status("applied", "")), Told("p3"), Gap("p9")]
    assert places == ["p1", None]


async def test_a_stream_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "STREAM_SILENCE_SECONDS", 0.1)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(600)
        return response

    async with _relay(silent) as receiver:
        assert [news async for news in receiver.listen(None)] == [Opened()]


@pytest.mark.parametrize("route", ["submit", "status"])
async def test_a_wrong_clock_is_told_from_the_relays_date(route: str) -> None:
    told: list[float] = []
    body = _taken() if route == "submit" else b'{"commands": {}}'
    script = Script(
        _answer("200 OK", body, "Date: Sun, 06 Nov 1994 08:49:37 GMT"),
        _answer("503 Busy", b"", "Date: Sun, 06 Nov 2094 08:49:37 GMT"),
    )
    async with script.serving() as url, Receiver(url, SecretStr(TOKEN), announce_clock=told.append) as receiver:
        for _ in range(2):
            await (receiver.submit(_batch()) if route == "submit" else receiver.status(KEYS[:1]))

    assert len(told) == 1
    assert told[0] > 30 * 365 * 86_400
