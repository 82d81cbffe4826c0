"""Cutting byte streams into scans, naming the sources, and reading several of them as one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.inputs import Chunk, DeviceNews, InputError, News, chunks_of, parse_source, scans_from
from producers.scanner.inputs.evdev import evdev_input
from producers.scanner.inputs.silence import WatchedLine
from producers.scanner.inputs.splitter import ScanSplitter
from producers.scanner.inputs.stdin import StandardInput
from producers.scanner.inputs.streams import _QUEUED_ARRIVALS
from producers.scanner.labels import MAX_LABEL_CHARACTERS
from tests.unit.scan_inputs_harness import (
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    Plug,
    events,
    grabs_nothing,
    open_descriptors,
    reading,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.scanner.inputs.arrivals import Deliver


def _split(*chunks: bytes) -> list[bytes]:
    splitter = ScanSplitter()
    return [scan for chunk in chunks for scan in splitter.feed(chunk)] + splitter.end()


@pytest.mark.parametrize("suffix", [b"\n", b"\r", b"\r\n", b"\t", b"\t\r\n", b"\r\n\r\n"])
def test_every_suffix_ends_one_scan_and_counts_once(suffix: bytes) -> None:
    assert _split(b"one" + suffix + b"two" + suffix) == [b"one", b"two"]


def test_a_suffix_split_over_two_reads_counts_once() -> None:
    assert _split(b"one\r", b"\ntwo\r", b"\n") == [b"one", b"two"]


def test_the_last_scan_needs_no_suffix() -> None:
    assert _split(b"one\ntwo") == [b"one", b"two"]


def test_an_endless_line_is_one_scan_of_bounded_length_and_the_next_is_whole() -> None:
    splitter = ScanSplitter()

    for _ in range(200):
        assert splitter.feed(b"x" * 10_000) == []
        assert len(splitter._rest) <= MAX_LABEL_CHARACTERS + 1
    scans = splitter.feed(b"\nnext\n")

    assert scans == [b"x" * (MAX_LABEL_CHARACTERS + 1), b"next"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_where_the_reads_fall_changes_nothing(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert _split(*chunks) == _split(stream)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading_end, writing_end = os.pipe()
    yield reading_end, writing_end
    for descriptor in (reading_end, writing_end):
        with contextlib.suppress(OSError):
            os.close(descriptor)


async def test_scans_are_read_from_a_pipe_until_it_closes(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    os.write(writing_end, b"one\r\ntw")
    async with reading(StandardInput(reading_end)) as reader:
        first = await reader.scan()
        os.write(writing_end, b"o\nthree")
        os.close(writing_end)

        rest = await reader.rest()

    assert [first, *(scan.raw for scan in rest)] == [b"one", b"two", b"three"]
    assert {scan.device for scan in rest} == {"stdin"}


async def test_scans_are_read_from_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "scans.txt"
    path.write_bytes(b"\n".join(b"%d" % number for number in range(100_000)))

    with path.open("rb") as file:
        async with reading(StandardInput(file.fileno())) as reader:
            scans = await reader.rest()

    assert len(scans) == 100_000
    assert scans[-1].raw == b"99999"


async def test_a_long_file_is_not_read_ahead_of_the_station(tmp_path: Path) -> None:
    path = tmp_path / "scans.txt"
    path.write_bytes(b"scan\n" * 1_000_000)
    nobody_takes_it = asyncio.Event()

    async def deliver(_: Chunk | DeviceNews) -> None:
        await nobody_takes_it.wait()

    with path.open("rb") as file:
        task = asyncio.create_task(StandardInput(file.fileno()).read(deliver))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while os.lseek(file.fileno(), 0, os.SEEK_CUR) < 4 * 65_536:  # noqa: ASYNC110  a thread moves it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        position = os.lseek(file.fileno(), 0, os.SEEK_CUR)
        task.cancel()

    assert position < path.stat().st_size


async def test_an_input_waits_when_the_station_is_behind() -> None:
    class Flood:
        delivered = 0

        async def read(self, deliver: Deliver) -> None:
            for _ in range(10_000):
                await deliver(Chunk(b"scan\n", "flood", 0))
                self.delivered += 1

    flood = Flood()
    async with reading(flood) as reader:
        await reader.scans(200)

        # What is read ahead does not grow with what was taken.
        assert flood.delivered <= 200 + _QUEUED_ARRIVALS


async def test_the_end_of_one_source_ends_that_source_only(tmp_path: Path, pipe: tuple[int, int]) -> None:
    plug = Plug(tmp_path / "scanner")
    reading_end, writing_end = pipe
    os.write(writing_end, b"typed")
    os.close(writing_end)
    scanner = evdev_input(plug.path, grab=grabs_nothing, look_seconds=LOOK_SECONDS)
    async with reading(StandardInput(reading_end), scanner) as reader:
        assert await reader.scan() == b"typed"
        plug.send(events(typed("scanned")))

        assert await reader.scan() == b"scanned"


async def test_a_source_that_fails_ends_the_reading_with_its_error(pipe: tuple[int, int]) -> None:
    class Broken:
        async def read(self, deliver: Deliver) -> None:
            await deliver(DeviceNews("broken", News.LISTENING))
            raise InputError("the address is taken")

    async with reading(StandardInput(pipe[0]), Broken()) as reader:
        with pytest.raises(InputError, match="the address is taken"):
            await reader.rest()


async def test_a_suffix_in_time_stops_the_watch_for_a_scan_without_one() -> None:
    arrivals: list[Chunk | DeviceNews] = []

    async def deliver(arrival: Chunk | DeviceNews) -> None:
        arrivals.append(arrival)

    with WatchedLine("device", deliver, silence_seconds=0.0) as line:
        await line.bytes_came(b"on")
        await line.bytes_came(b"e\r")
        for _ in range(10):
            await asyncio.sleep(0)

    assert [arrival.data for arrival in arrivals if isinstance(arrival, Chunk)] == [b"on", b"e\r"]
    assert len(arrivals) == 2


async def test_the_bytes_can_be_had_as_they_came(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    os.write(writing_end, b"one\r\n\r\n")
    os.close(writing_end)

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        contextlib.aclosing(chunks_of([StandardInput(reading_end)])) as chunks,
    ):
        found = [chunk.data async for chunk in chunks if isinstance(chunk, Chunk)]

    assert found == [b"one\r\n\r\n", b""]


async def test_a_reading_that_is_cancelled_closes_its_devices(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    before = open_descriptors()
    connected = asyncio.Event()

    async def read() -> None:
        async with reading(evdev_input(plug.path, grab=grabs_nothing)) as reader:
            await reader.news(News.CONNECTED)
            connected.set()
            await reader.next()

    task = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await connected.wait()
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE_SECONDS)

    assert task.cancelled()
    assert open_descriptors() == before


@pytest.mark.parametrize("turns", range(8))
async def test_closing_in_the_moment_in_which_bytes_come_does_not_hang(tmp_path: Path, turns: int) -> None:
    plug = Plug(tmp_path / "scanner")
    task = asyncio.create_task(evdev_input(plug.path, grab=grabs_nothing).read(AsyncMock()))
    for _ in range(10):
        await asyncio.sleep(0)

    plug.send(events(typed("one")))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()

    # Not awaited: giving up would cancel it a second time.
    await asyncio.wait([task], timeout=PATIENCE_SECONDS)
    assert task.cancelled()


async def test_a_reader_thread_holds_up_no_exit(pipe: tuple[int, int]) -> None:
    async with reading(StandardInput(pipe[0])):
        pass

    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "scans")


@pytest.mark.parametrize(
    "text",
    [
        "stdin",
        "evdev:/dev/input/by-id/usb-Scanner_1:2-event-kbd",
        "serial:/dev/ttyACM0",
        "serial:/dev/ttyACM0@115200",
        "serial:/dev/serial/by-id/usb-x@y",
        "tcp:127.0.0.1:7001",
        "tcp:scanners.example:7001",
        "tcp:[::1]:7001",
    ],
)
def test_these_are_sources(text: str) -> None:
    parse_source(text)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([], "no source of scans; give evdev:PATH, serial:PATH[@BAUD], tcp:HOST:PORT or stdin"),
        (["keyboard"], '"keyboard" is no source of scans; give evdev:PATH, serial:PATH[@BAUD], tcp:HOST:PORT or stdin'),
        (["tcp"], '"tcp" is no source of scans'),
        (["stdin:0"], '"stdin:0" is no source of scans'),
        (["evdev:"], "give evdev:PATH, such as evdev:/dev/input/by-id/"),
        (["serial"], "give serial:PATH, such as serial:/dev/ttyACM0@115200"),
        (["serial:/dev/ttyACM0@12345"], "12345 is no speed of a serial line; give one of 50, 75,"),
        (["serial:/dev/ttyACM0@0"], "0 is no speed of a serial line"),
        (["tcp:7001"], "needs a host and a port, such as tcp:127.0.0.1:7001"),
        (["tcp::7001"], "needs a host and a port"),
        (["tcp:127.0.0.1:70010"], "needs a host and a port"),
        (["tcp:127.0.0.1:"], "needs a host and a port"),
        (["stdin", "stdin"], 'source "stdin" is given twice'),
    ],
)
def test_a_source_that_cannot_be_understood_is_refused_with_what_to_give(sources: list[str], said: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  the text is compared below
        scans_from(sources)

    assert said in str(refusal.value)
