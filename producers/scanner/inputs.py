"""Where scans come from: a byte stream cut into scans, whatever suffix the scanner sends."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from typing import TYPE_CHECKING, Final

from producers.scanner.codes import MAX_SCAN_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: The suffixes scanners are set to; CR LF counts once because the empty scan between them is dropped.
_SUFFIX: Final = re.compile(rb"[\r\n\t]")
_READ_BYTES: Final = 65_536
#: Chunks read ahead of the station; then the reader waits, so a large file does not fill the memory.
_QUEUED_CHUNKS: Final = 4


class ScanSplitter:
    """Cuts a byte stream into scans. An over-long scan comes out as its first bytes, one more than allowed."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the scans that this chunk completes."""
        *complete, rest = _SUFFIX.split(self._rest + chunk)
        # The cut marks it as too long and bounds the memory; the bytes up to the next suffix add nothing.
        self._rest = rest[: MAX_SCAN_BYTES + 1]
        return [scan[: MAX_SCAN_BYTES + 1] for scan in complete if scan.strip()]

    def end(self) -> list[bytes]:
        """Give the last scan when the stream ended without a suffix."""
        return self.feed(b"\n")


async def scans_from(descriptor: int) -> AsyncIterator[bytes]:
    """Read scans from a terminal, pipe or file until its end."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(_QUEUED_CHUNKS)
    _start_reader(descriptor, chunks, room, asyncio.get_running_loop())
    splitter = ScanSplitter()
    while chunk := await chunks.get():
        room.release()
        for scan in splitter.feed(chunk):
            yield scan
    for scan in splitter.end():
        yield scan


def _start_reader(
    descriptor: int, chunks: asyncio.Queue[bytes], room: threading.Semaphore, loop: asyncio.AbstractEventLoop
) -> None:
    """Read in a thread: the loop cannot watch a regular file, and a daemon thread holds up no exit."""

    def read() -> None:
        chunk = b"-"
        while chunk:
            room.acquire()
            try:
                chunk = os.read(descriptor, _READ_BYTES)
            except OSError:  # a terminal that is gone is the end of the input
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop ended first
                return

    threading.Thread(target=read, name="scans", daemon=True).start()
