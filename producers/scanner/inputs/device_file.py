"""A device behind a path: opened when it is there, read while it is there, awaited when it is unplugged."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final, Protocol

from producers.scanner.inputs.arrivals import News
from producers.scanner.inputs.silence import SILENCE_SECONDS, WatchedLine

if TYPE_CHECKING:
    from pathlib import Path

    from producers.scanner.inputs.arrivals import Deliver

#: How often an absent device is looked for, and a silent one checked. A person plugging a cable in is slower.
LOOK_SECONDS: Final = 1.0
_READ_BYTES: Final = 4_096
#: What an operator can do about the usual refusals.
_ADVICE: Final = {
    errno.EACCES: "no permission; the user of the station must be in the group of the device (input, dialout)",
    errno.ENOENT: "not plugged in",
    errno.EBUSY: "another program holds it",
    errno.ENOTTY: "not a device of this kind",
    errno.EPERM: "not a device of this kind",
    errno.EIO: "unplugged",
    errno.ENODEV: "unplugged",
}


class Driver(Protocol):
    """What is particular to one kind of device."""

    def open(self, path: Path) -> int:
        """Open and set up the device without blocking; OSError when it cannot be had."""
        ...

    def decode(self, data: bytes) -> list[bytes | News]:
        """Turn what was read into characters, and news of events that were lost."""
        ...

    def forget(self) -> None:
        """Begin anew after a loss."""
        ...


class DeviceFile:
    """Reads a character device for ever, over any number of losses."""

    def __init__(
        self,
        device: str,
        path: Path,
        driver: Driver,
        *,
        look_seconds: float = LOOK_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._device = device
        self._path = path
        self._driver = driver
        self._look_seconds = look_seconds
        self._silence_seconds = silence_seconds

    async def read(self, deliver: Deliver) -> None:
        told = ""
        with WatchedLine(self._device, deliver, self._silence_seconds) as line:
            while True:
                descriptor = await self._opened(line, told)
                try:
                    await line.news_came(News.CONNECTED)
                    reason = await self._read_until_lost(descriptor, line)
                finally:
                    os.close(descriptor)
                self._driver.forget()
                await line.news_came(News.LOST, reason)
                # That it is not there needs no second word.
                told = _ADVICE[errno.ENOENT]
                await asyncio.sleep(self._look_seconds)

    async def _opened(self, line: WatchedLine, told: str) -> int:
        """Wait until the device can be opened; tell once why it cannot, and again when the reason changes."""
        while True:
            try:
                return self._driver.open(self._path)
            except OSError as error:
                reason = _reason(error)
            if reason != told:
                await line.news_came(News.LOST, reason)
                told = reason
            await asyncio.sleep(self._look_seconds)

    async def _read_until_lost(self, descriptor: int, line: WatchedLine) -> str:
        while True:
            try:
                if not await self._is_readable(descriptor):
                    return "unplugged"
                data = os.read(descriptor, _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                return _reason(error)
            if not data:
                return "unplugged"
            for found in self._driver.decode(data):
                if isinstance(found, News):
                    await line.news_came(found)
                else:
                    await line.bytes_came(found)

    async def _is_readable(self, descriptor: int) -> bool:
        """Wait for bytes; False when the path names another device by now, or none."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        try:
            while not ready.is_set():
                # Not `wait_for`: in Python 3.11 it can swallow a cancellation that comes with the bytes.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look_seconds):
                        await ready.wait()
                if not ready.is_set() and not self._is_still_there(descriptor):
                    return False
        finally:
            loop.remove_reader(descriptor)
        return True

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except OSError:
            return False


def _reason(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0) or error.strerror or str(error)
