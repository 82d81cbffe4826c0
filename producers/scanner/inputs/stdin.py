"""Scans typed or piped into standard input, until it ends."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Final

from producers.outbox import now_ms
from producers.scanner.inputs.arrivals import Chunk

if TYPE_CHECKING:
    from producers.scanner.inputs.arrivals import Deliver

_STDIN: Final = 0
_READ_BYTES: Final = 65_536
#: Chunks read ahead of the station; then the reader waits, so a large file does not fill the memory.
_QUEUED_CHUNKS: Final = 4


class StandardInput:
    """Reads a terminal, pipe or file until its end, which completes the last scan."""

    def __init__(self, descriptor: int = _STDIN) -> None:
        self._descriptor = descriptor

    async def read(self, deliver: Deliver) -> None:
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        room = threading.Semaphore(_QUEUED_CHUNKS)
        _start_reader(self._descriptor, chunks, room, asyncio.get_running_loop())
        data = b"-"
        while data:
            data = await chunks.get()
            room.release()
            await deliver(Chunk(data, "stdin", now_ms()))


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
