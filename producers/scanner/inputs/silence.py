"""Notices a scan that never ends: characters, then silence, and no suffix."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from producers.outbox import now_ms
from producers.scanner.inputs.arrivals import Chunk, DeviceNews, News
from producers.scanner.inputs.splitter import SUFFIXES

if TYPE_CHECKING:
    from producers.scanner.inputs.arrivals import Deliver

#: A scanner sends a whole label in less than a second; a person at a number pad may think for a while.
SILENCE_SECONDS: Final = 10.0


class WatchedLine:
    """Delivers one device's bytes, and the news UNFINISHED when they stop in the middle of a scan.

    Without it the next scan would be glued to the forgotten characters: 5, then 100, would be 5100 pieces.
    """

    def __init__(self, device: str, deliver: Deliver, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._device = device
        self._deliver = deliver
        self._silence_seconds = silence_seconds
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    async def bytes_came(self, data: bytes) -> None:
        """Deliver what was read."""
        self._stop()
        await self._deliver(Chunk(data, self._device, now_ms()))
        if data[-1] not in SUFFIXES:
            self._watch = asyncio.create_task(self._tell_unfinished())

    async def news_came(self, news: News, reason: str = "") -> None:
        """Deliver news of the device; it ends the scan that was under way."""
        self._stop()
        await self._deliver(DeviceNews(self._device, news, reason))

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _tell_unfinished(self) -> None:
        await asyncio.sleep(self._silence_seconds)
        await self._deliver(DeviceNews(self._device, News.UNFINISHED))
