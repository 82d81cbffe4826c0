"""The HTTP door against connections that are slow, too many, or no HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from producers.webhooks import body as body_module
from producers.webhooks import connection as connection_module
from tests.integration.command_api_harness import (
    HEAD,
    PROBLEM,
    Door,
    FakeLedger,
    move,
    serving,
)


@pytest.mark.parametrize("request_", [b"", b"P", HEAD, HEAD + b"X-Slow: "])
async def test_a_request_head_that_never_ends_is_closed(
    fake_ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.2)
    async with serving(fake_ledger) as door:
        assert await door.raw(request_) == b""


async def test_a_request_head_that_drips_is_closed_too(
    fake_ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.3)
    async with serving(fake_ledger) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(HEAD + b"X-Slow: ")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.05)
        assert reader.at_eof()
        writer.close()


@pytest.mark.parametrize("part", [b"Content-Length: 100\r\n\r\n", b'Content-Length: 100\r\n\r\n{"kind"'])
async def test_a_body_that_never_ends_is_answered_and_closed(
    fake_ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connection_module, "LINGER_SECONDS", 0.1)
    async with serving(fake_ledger) as door:
        answer = await door.raw(HEAD + part)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


async def test_two_hundred_slow_connections_do_not_hold_a_good_one_up(
    fake_ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 5.0)
    async with serving(fake_ledger, max_connections=300) as door:
        slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(200)]
        for _, writer in slow:
            writer.write(HEAD)

        status, _, _ = await door.post(move())

        assert status == 202
        for _, writer in slow:
            writer.close()


async def test_connections_beyond_the_cap_are_closed_and_place_becomes_free_again(fake_ledger: FakeLedger) -> None:
    async with serving(fake_ledger, max_connections=2) as door:
        first = await asyncio.open_connection("127.0.0.1", door.port)
        second = await asyncio.open_connection("127.0.0.1", door.port)
        for reader, writer in (first, second):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        assert await door.raw(b"") == b""
        first[1].close()
        async with asyncio.timeout(10):
            await _until_served(door)
        second[1].close()


async def _until_served(door: Door) -> None:
    answer = b""
    while b"alive" not in answer:
        with contextlib.suppress(ConnectionError):
            answer = await door.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"NOT HTTP AT ALL\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot-a-size\r\n",
        HEAD + b"Expect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_what_is_not_http_is_a_problem_without_a_traceback_in_the_log(
    fake_door: Door, fake_ledger: FakeLedger, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    answer = await fake_door.raw(request_)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert PROBLEM.encode() in head
    assert json.loads(body)["status"] in (400, 417)
    assert "Traceback" not in caplog.text
    assert fake_ledger.submitted == []


async def test_a_client_that_breaks_off_leaves_no_trace_of_an_error(
    fake_door: Door, fake_ledger: FakeLedger, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", fake_door.port)
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"kind"')
    await writer.drain()
    writer.transport.abort()

    assert (await fake_door.post(move()))[0] == 202
    assert "Traceback" not in caplog.text
    assert len(fake_ledger.submitted) == 1
