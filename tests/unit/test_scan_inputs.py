"""Cutting a byte stream into scans."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.codes import MAX_SCAN_BYTES
from producers.scanner.inputs import ScanSplitter, scans_from

if TYPE_CHECKING:
    from pathlib import Path


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
        assert len(splitter._rest) <= MAX_SCAN_BYTES + 1
    scans = splitter.feed(b"\nnext\n")

    assert scans == [b"x" * (MAX_SCAN_BYTES + 1), b"next"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_where_the_reads_fall_changes_nothing(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert _split(*chunks) == _split(stream)


async def test_scans_are_read_from_a_pipe_until_it_closes() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\r\ntw")
    scans = scans_from(reading)

    first = await anext(scans)
    os.write(writing, b"o\n")
    os.close(writing)

    assert [first, *[scan async for scan in scans]] == [b"one", b"two"]
    os.close(reading)


async def test_scans_are_read_from_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "scans.txt"
    path.write_bytes(b"\n".join(b"%d" % number for number in range(100_000)))

    with path.open("rb") as file:
        scans = [scan async for scan in scans_from(file.fileno())]

    assert len(scans) == 100_000
    assert scans[-1] == b"99999"
