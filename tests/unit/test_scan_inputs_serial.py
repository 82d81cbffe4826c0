"""Reading a serial line, played by a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING, Self

import pytest

from producers.scanner.inputs import DeviceNews, News
from producers.scanner.inputs.serial import BAUDS, SerialDriver, serial_input
from tests.unit.scan_inputs_harness import LOOK_SECONDS, open_descriptors, reading

if TYPE_CHECKING:
    from pathlib import Path

LABEL = b"[)>\x1e06\x1dP0-133714\x1d1PLM358\x1dQ25\x1e\x04"
#: Linux, asm-generic/ioctls.h: whether TIOCEXCL is in force.
_TIOCGEXCL = 0x8004_5440


class Line:
    """A pseudo-terminal behind a link, as udev's links by id are."""

    def __init__(self, link: Path) -> None:
        self._link = link

    def __enter__(self) -> Self:
        self.scanner, self._ours = os.openpty()
        self._link.symlink_to(os.ttyname(self._ours))
        return self

    def __exit__(self, *_: object) -> None:
        self._link.unlink()
        os.close(self._ours)
        os.close(self.scanner)


async def test_control_characters_arrive_as_they_were_sent(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    everything = bytes(code for code in range(256) if code not in b"\r\n\t")
    with Line(path) as line:
        async with reading(serial_input(path, look_seconds=LOOK_SECONDS)) as reader:
            assert await reader.next() == DeviceNews(f"serial:{path}", News.CONNECTED)
            os.write(line.scanner, LABEL + b"\r\n" + everything + b"\r\n")

            assert await reader.scans(2) == [LABEL, everything]


async def test_nothing_is_echoed_to_the_scanner(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    with Line(path) as line:
        os.set_blocking(line.scanner, False)
        async with reading(serial_input(path, look_seconds=LOOK_SECONDS)) as reader:
            await reader.news(News.CONNECTED)
            os.write(line.scanner, b"one\r")
            assert await reader.scan() == b"one"

            with pytest.raises(BlockingIOError):
                os.read(line.scanner, 1)


async def test_a_scan_that_comes_in_pieces_is_one_scan_and_cr_lf_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    with Line(path) as line:
        async with reading(serial_input(path, look_seconds=LOOK_SECONDS)) as reader:
            await reader.news(News.CONNECTED)
            for place in range(len(LABEL)):
                os.write(line.scanner, LABEL[place : place + 1])
            os.write(line.scanner, b"\r\nnext\r\n")

            assert await reader.scans(2) == [LABEL, b"next"]


async def test_a_line_that_goes_and_comes_back_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    async with reading(serial_input(path, look_seconds=LOOK_SECONDS)) as reader:
        with Line(path) as line:
            await reader.news(News.CONNECTED)
            os.write(line.scanner, b"one\rhalf")
            assert await reader.scan() == b"one"
        await reader.news(News.LOST)
        with Line(path) as line:
            assert await reader.next_news() is News.CONNECTED
            os.write(line.scanner, b"two\r")

            assert await reader.scan() == b"two"


@pytest.mark.parametrize("baud", [9_600, 115_200])
def test_the_speed_and_eight_bits_are_set_for_ourselves_alone(tmp_path: Path, baud: int) -> None:
    path = tmp_path / "ttyACM0"
    with Line(path):
        descriptor = SerialDriver(baud).open(path)

        attributes = termios.tcgetattr(descriptor)
        (is_exclusive,) = struct.unpack("i", fcntl.ioctl(descriptor, _TIOCGEXCL, bytes(4)))
        os.close(descriptor)

    assert attributes[4] == attributes[5] == BAUDS[baud]
    assert is_exclusive
    assert attributes[2] & termios.CSIZE == termios.CS8
    assert not attributes[2] & (termios.PARENB | termios.CRTSCTS | termios.CSTOPB)


async def test_a_file_that_is_no_serial_line_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("5\n")
    async with reading(serial_input(path, look_seconds=LOOK_SECONDS)) as reader:
        assert await reader.next() == DeviceNews(f"serial:{path}", News.LOST, "not a device of this kind")


def test_a_file_that_was_refused_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("5\n")
    before = open_descriptors()

    with pytest.raises(OSError, match="ioctl"):
        SerialDriver().open(path)

    assert open_descriptors() == before
