"""What the tests of the inputs share: invented scanners that type, and a reader with patience."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs import DeviceNews, News, Scan, scans_of
from producers.scanner.inputs.evdev import EV_KEY, EV_SYN, INPUT_EVENT, SYN_DROPPED, SYN_REPORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from producers.scanner.inputs.arrivals import Input

#: A slow machine is slow; only a hanging reader takes this long.
PATIENCE_SECONDS: Final = 60.0
#: Looks for a device this often in the tests, which do not measure it.
LOOK_SECONDS: Final = 0.01

LEFT_SHIFT, RIGHT_SHIFT, LEFT_CONTROL, RIGHT_CONTROL, LEFT_ALT, CAPS_LOCK, ENTER = 42, 54, 29, 97, 56, 58, 28
#: The keys of a US keyboard by what is printed on them, written down from the keyboard and not from the decoder.
KEYS: Final = {
    **{digit: place for place, digit in enumerate("1234567890-=", start=2)},
    "q": 16, "w": 17, "e": 18, "r": 19, "t": 20, "y": 21, "u": 22, "i": 23, "o": 24, "p": 25, "[": 26, "]": 27,
    "a": 30, "s": 31, "d": 32, "f": 33, "g": 34, "h": 35, "j": 36, "k": 37, "l": 38, ";": 39, "'": 40, "`": 41,
    "\\": 43, "z": 44, "x": 45, "c": 46, "v": 47, "b": 48, "n": 49, "m": 50, ",": 51, ".": 52, "/": 53, " ": 57,
}  # fmt: skip
SHIFTED: Final = dict(
    zip(
        '!@#$%^&*()_+{}:"~|<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ',
        "1234567890-=[];'`\\,./abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
KEYPAD: Final = {"7": 71, "8": 72, "9": 73, "4": 75, "5": 76, "6": 77, "1": 79, "2": 80, "3": 81, "0": 82}

Key = tuple[int, int]


def tap(key: int, *held: int) -> list[Key]:
    return [*((one, 1) for one in held), (key, 1), (key, 0), *((one, 0) for one in reversed(held))]


def typed(text: str, *, suffix: int = ENTER, alt: bool = False) -> list[Key]:
    """The key events of a scanner that sends control characters with Control, or with Alt and the keypad."""
    keys: list[Key] = []
    for character in text:
        if character in SHIFTED:
            keys += tap(KEYS[SHIFTED[character]], LEFT_SHIFT)
        elif character >= " ":
            keys += tap(KEYS[character])
        elif alt:
            code = [event for digit in f"{ord(character):03}" for event in tap(KEYPAD[digit])]
            keys += [(LEFT_ALT, 1), *code, (LEFT_ALT, 0)]
        else:
            keys += _with_control(chr(ord(character) + 0x40))
    return keys + (tap(suffix) if suffix else [])


def _with_control(printed: str) -> list[Key]:
    if printed in SHIFTED and not printed.isalpha():
        return tap(KEYS[SHIFTED[printed]], LEFT_CONTROL, LEFT_SHIFT)
    return tap(KEYS[printed.lower()], LEFT_CONTROL)


def events(keys: Iterable[Key], *, at: float = 0.0) -> bytes:
    """`struct input_event` of these keys as the kernel writes them, each with its report, at one moment."""
    seconds, microseconds = int(at), int(at % 1 * 1e6)
    report = INPUT_EVENT.pack(seconds, microseconds, EV_SYN, SYN_REPORT, 0)
    return b"".join(INPUT_EVENT.pack(seconds, microseconds, EV_KEY, key, value) + report for key, value in keys)


DROPPED_EVENTS: Final = INPUT_EVENT.pack(0, 0, EV_SYN, SYN_DROPPED, 0)
REPORT: Final = INPUT_EVENT.pack(0, 0, EV_SYN, SYN_REPORT, 0)


class Plug:
    """A FIFO in the place of a device: plugged in, written to, pulled out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.put_in()

    def put_in(self) -> None:
        os.mkfifo(self.path)
        self._descriptor = os.open(self.path, os.O_RDWR)

    def send(self, data: bytes) -> None:
        os.write(self._descriptor, data)

    def pull_out(self) -> None:
        self.path.unlink()
        os.close(self._descriptor)

    def vanish(self) -> None:
        """Only the path goes; whoever has it open notices nothing."""
        self.path.unlink()


@contextlib.asynccontextmanager
async def reading(*inputs: Input) -> AsyncIterator[Reader]:
    async with contextlib.aclosing(scans_of(inputs)) as arrivals:
        yield Reader(arrivals)


class Reader:
    """Reads with patience."""

    def __init__(self, arrivals: AsyncIterator[Scan | DeviceNews]) -> None:
        self._arrivals = arrivals

    async def next(self) -> Scan | DeviceNews:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await anext(self._arrivals)

    async def scan(self) -> bytes:
        """The next scan, over any news."""
        while True:
            arrival = await self.next()
            if isinstance(arrival, Scan):
                return arrival.raw

    async def scans(self, count: int) -> list[bytes]:
        return [await self.scan() for _ in range(count)]

    async def news(self, wanted: News) -> DeviceNews:
        """The next of this news; a scan before it is a mistake."""
        while True:
            arrival = await self.next()
            assert isinstance(arrival, DeviceNews), arrival
            if arrival.news is wanted:
                return arrival

    async def next_news(self) -> News:
        """The next arrival, which is news."""
        arrival = await self.next()
        assert isinstance(arrival, DeviceNews), arrival
        return arrival.news

    async def rest(self) -> Sequence[Scan]:
        """All scans to the end, over any news."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [arrival async for arrival in self._arrivals if isinstance(arrival, Scan)]


def grabs_nothing(descriptor: int) -> None:
    """A FIFO cannot be grabbed."""


def open_descriptors() -> set[str]:
    """The files that this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
