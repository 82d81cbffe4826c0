"""Reading scanners that connect over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from producers.scanner.inputs import InputError, News, Scan
from producers.scanner.inputs.tcp import TcpInput
from producers.scanner.labels import MAX_LABEL_CHARACTERS
from tests.unit.scan_inputs_harness import PATIENCE_SECONDS, Reader, reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LABEL = b"[)>\x1e06\x1dP0-133714\x1d1PLM358\x1dQ25\x1e\x04"


class Scanner:
    """A network scanner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.device = "tcp:{}:{}".format(*writer.get_extra_info("sockname"))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def is_hung_up_on(self) -> bool:
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True


@contextlib.asynccontextmanager
async def _listening(**options: float) -> AsyncIterator[tuple[Reader, int]]:
    async with reading(TcpInput("127.0.0.1", 0, **options)) as reader:  # type: ignore[arg-type]
        listening = await reader.news(News.LISTENING)
        yield reader, int(listening.device.rpartition(":")[2])


@contextlib.asynccontextmanager
async def _scanner(port: int) -> AsyncIterator[Scanner]:
    scanner = Scanner(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield scanner
    finally:
        await scanner.close()


async def test_each_connection_is_a_device_and_their_characters_never_mix() -> None:
    async with _listening() as (reader, port), _scanner(port) as one, _scanner(port) as other:
        for place in range(len(LABEL)):
            await one.send(LABEL[place : place + 1])
            await other.send(b"%d" % (place % 10))
        await one.send(b"\r\n")
        await other.send(b"\t")
        found: dict[str, bytes] = {}
        while len(found) < 2:
            arrival = await reader.next()
            if isinstance(arrival, Scan):
                found[arrival.device] = arrival.raw

    numbers = b"".join(b"%d" % (place % 10) for place in range(len(LABEL)))
    assert found == {one.device: LABEL, other.device: numbers}


async def test_a_closed_connection_is_told_and_its_half_scan_dropped() -> None:
    async with _listening() as (reader, port):
        async with _scanner(port) as scanner:
            await scanner.send(b"one\nhal")
            await reader.news(News.CONNECTED)
            assert await reader.scan() == b"one"
        lost = await reader.news(News.LOST)
        async with _scanner(port) as again:
            await again.send(b"two\n")
            assert await reader.scan() == b"two"

    assert (lost.device, lost.reason) == (scanner.device, "connection closed")


async def test_an_endless_line_is_one_bounded_scan_and_hurts_nobody_else() -> None:
    async with _listening() as (reader, port), _scanner(port) as endless, _scanner(port) as good:
        sending = asyncio.create_task(endless.send(b"x" * 2_000_000 + b"\nafter\n"))
        await good.send(b"good\n")
        found = await reader.scans(3)
        await sending

    assert sorted(found) == [b"after", b"good", b"x" * (MAX_LABEL_CHARACTERS + 1)]


async def test_garbage_is_scans_that_mean_nothing_and_no_more() -> None:
    garbage = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\x00\xff\xfe\x00\n"
    async with _listening() as (reader, port), _scanner(port) as stranger, _scanner(port) as good:
        await stranger.send(garbage)
        assert await reader.scans(3) == [b"GET / HTTP/1.1", b"Host: x", b"\x16\x03\x01\x00\xff\xfe\x00"]
        await good.send(b"good\n")

        assert await reader.scan() == b"good"


async def test_connections_beyond_the_limit_are_hung_up_on_and_the_place_is_free_again_later() -> None:
    async with _listening(max_connections=2) as (reader, port):
        async with _scanner(port), _scanner(port) as second:
            await reader.news(News.CONNECTED)
            await reader.news(News.CONNECTED)
            async with _scanner(port) as third:
                assert await third.is_hung_up_on()
            assert "2 are connected" in (await reader.news(News.LOST)).reason
            await second.send(b"still here\n")
            assert await reader.scan() == b"still here"
        await reader.news(News.LOST)
        await reader.news(News.LOST)
        async with _scanner(port) as fourth:
            await fourth.send(b"fourth\n")
            assert await reader.scan() == b"fourth"


async def test_silent_and_slow_clients_hold_up_nobody() -> None:
    async with _listening() as (reader, port), _scanner(port), _scanner(port) as slow, _scanner(port) as good:
        await slow.send(b"sl")
        await good.send(b"good\n")
        assert await reader.scan() == b"good"
        await slow.send(b"ow\n")

        assert await reader.scan() == b"slow"


async def test_a_silence_in_the_middle_of_a_scan_drops_it() -> None:
    async with _listening(silence_seconds=0.05) as (reader, port), _scanner(port) as scanner:
        await scanner.send(b"5")
        await reader.news(News.UNFINISHED)
        await scanner.send(b"100\n")

        assert await reader.scan() == b"100"


async def test_closing_hangs_up_and_frees_the_address() -> None:
    async with _listening() as (reader, port):
        scanner = Scanner(*await asyncio.open_connection("127.0.0.1", port))
        await reader.news(News.CONNECTED)

    assert await scanner.is_hung_up_on()
    await scanner.close()
    async with reading(TcpInput("127.0.0.1", port)) as again:
        await again.news(News.LISTENING)


async def test_a_taken_address_is_said_with_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with reading(TcpInput("127.0.0.1", port)) as reader:
            with pytest.raises(InputError, match=rf"tcp:127\.0\.0\.1:{port}: cannot listen"):
                await reader.next()
