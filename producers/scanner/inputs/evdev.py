"""Scanners that play a keyboard, read from the Linux input device itself: no layout, no focus, no other program.

The stream is `struct input_event` of `include/uapi/linux/input.h`, 24 bytes on 64-bit machines.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.arrivals import News
from producers.scanner.inputs.device_file import LOOK_SECONDS, DeviceFile
from producers.scanner.inputs.keys import KeyDecoder
from producers.scanner.inputs.silence import SILENCE_SECONDS
from producers.scanner.inputs.splitter import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: seconds, microseconds, type, code, value
INPUT_EVENT: Final = struct.Struct("@llHHi")
EV_SYN: Final = 0
EV_KEY: Final = 1
SYN_REPORT: Final = 0
SYN_DROPPED: Final = 3
#: `_IOW('E', 0x90, int)`: the events come to us alone.
_EVIOCGRAB: Final = 0x4004_4590
#: After lost events: a pause this long means that the next key begins a new scan.
_NEW_SCAN_SECONDS: Final = 0.5


def grab(descriptor: int) -> None:
    """Keep the scanner's keys from every other program; OSError when another has grabbed them."""
    fcntl.ioctl(descriptor, _EVIOCGRAB, 1)


class EvdevDriver:
    """Opens and grabs an input device, and decodes its events."""

    def __init__(self, grab: Callable[[int], None] = grab) -> None:
        self._grab = grab
        self.forget()

    def open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._grab(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def forget(self) -> None:
        self._keys = KeyDecoder()
        self._rest = b""
        self._is_resyncing = False
        self._skips_tail = False
        self._last_at = 0.0

    def decode(self, data: bytes) -> list[bytes | News]:
        """Give the characters between losses; a loss gives DROPPED and takes the rest of its scan away."""
        stream = self._rest + data
        whole = len(stream) // INPUT_EVENT.size * INPUT_EVENT.size
        self._rest = stream[whole:]
        found: list[bytes | News] = []
        typed = b""
        for seconds, microseconds, kind, code, value in INPUT_EVENT.iter_unpack(stream[:whole]):
            if kind == EV_SYN and code == SYN_DROPPED:
                # Whole scans before the loss are good; the news ends the broken one.
                found += [typed, News.DROPPED] if typed else [News.DROPPED]
                typed = b""
                self._lose()
            elif self._is_resyncing:
                # What follows up to the next report belongs to the lost events (kernel, input/event-codes).
                self._is_resyncing = not (kind == EV_SYN and code == SYN_REPORT)
            elif kind == EV_KEY:
                typed += self._typed(seconds + microseconds / 1e6, code, value)
        return [*found, typed] if typed else found

    def _lose(self) -> None:
        self._keys = KeyDecoder()
        self._is_resyncing = True
        self._skips_tail = True

    def _typed(self, at: float, key: int, value: int) -> bytes:
        """Decode a key; after a loss the tail of the broken scan is no scan: `1000` must not become `00`."""
        if self._skips_tail and at - self._last_at >= _NEW_SCAN_SECONDS:
            self._skips_tail = False
        self._last_at = at
        typed = self._keys.press(key, value)
        if not self._skips_tail:
            return typed
        self._skips_tail = not (typed and typed[-1] in SUFFIXES)
        return b""


def evdev_input(
    path: Path,
    *,
    grab: Callable[[int], None] = grab,
    look_seconds: float = LOOK_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
) -> DeviceFile:
    """Read the scanner at this path, such as one of `/dev/input/by-id/`, for ever."""
    return DeviceFile(
        f"evdev:{path}", path, EvdevDriver(grab), look_seconds=look_seconds, silence_seconds=silence_seconds
    )
