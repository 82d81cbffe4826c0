"""The station's HTTP client against real connections that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from producers.scanner import receiver as receiver_module
from producers.scanner.receiver import Receiver, Refused, Status, Taken, Unavailable
from tests.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "invented-token-of-st01"
KEY = "a" * 20
TAKEN = json.dumps({"key": KEY, "kind": "stock.move", "state": "ready", "duplicate": False}).encode()


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


async def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    head, body = _answer("202 Accepted", TAKEN)
    script = Script([head, body[:10], body[10:20], body[20:]])

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        assert await receiver.submit("{}") == Taken(duplicate=False)
    assert f"Authorization: Bearer {TOKEN}".encode() in script.requests[0]


async def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else() -> None:
    elsewhere = Script(_answer("202 Accepted", TAKEN))
    async with elsewhere.serving() as other:
        script = Script(*[_answer("307 Temporary Redirect", b"", f"Location: {other}/v1/commands")] * 2)
        async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
            submitted = await receiver.submit("{}")
            asked = await receiver.status(KEY)

    assert submitted == Unavailable("status 307")
    assert asked == Unavailable("status 307")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 202 Acc"],
        [b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n", TAKEN],
        [b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"],
        [b"SSH-2.0-OpenSSH\r\n\r\n"],
        _answer("200 OK", b"[" * 100_000),
        _answer("200 OK", b"x" * 1_000_000),
    ],
)
async def test_a_broken_answer_is_no_answer_and_no_command_is_sent_again_behind_our_back(
    monkeypatch: pytest.MonkeyPatch, parts: list[bytes]
) -> None:
    monkeypatch.setattr(receiver_module, "TOTAL_SECONDS", 1.0)
    script = Script(parts, parts, parts)

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        assert isinstance(await receiver.submit("{}"), Unavailable)
        assert not isinstance(await receiver.status(KEY), Status)
    assert sum(request.startswith(b"POST") for request in script.requests) == 1


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "TOTAL_SECONDS", 0.1)
    script = Script([b""] * 1_000)

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        answer = await receiver.submit("{}")

    assert isinstance(answer, Unavailable)
    assert "Timeout" in answer.reason


async def test_a_closed_port_is_told_without_the_address_or_token() -> None:
    async with Receiver(f"http://127.0.0.1:{free_port()}", SecretStr(TOKEN)) as receiver:
        answer = await receiver.submit("{}")

    assert answer == Unavailable("the relay does not answer (ClientConnectorError)")


async def test_a_refusal_carries_the_relays_words() -> None:
    problem = {"errors": [{"field": "quantity", "value": "0", "message": "too small"}]}
    script = Script(_answer("422 Unprocessable Entity", json.dumps(problem).encode()))

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        assert await receiver.submit("{}") == Refused("status 422: quantity: too small")


async def test_a_status_is_its_state_and_reason_and_an_unknown_key_is_no_failure() -> None:
    document = json.dumps({"key": KEY, "state": "rejected", "reason": "not enough\nstock"}).encode()
    script = Script(_answer("200 OK", document), _answer("404 Not Found", b""), _answer("503 Busy", b""))

    async with script.serving() as url, Receiver(url, SecretStr(TOKEN)) as receiver:
        assert await receiver.status(KEY) == Status("rejected", "not enough stock")
        assert await receiver.status(KEY) == Status("unknown", "")
        assert await receiver.status(KEY) == Unavailable("status 503")
