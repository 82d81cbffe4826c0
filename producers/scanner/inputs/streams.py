"""Several inputs as one stream: every device's bytes are cut into scans by themselves, so none are mixed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.arrivals import Chunk, DeviceNews, Scan
from producers.scanner.inputs.sources import parse_sources
from producers.scanner.inputs.splitter import ScanSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from producers.scanner.inputs.arrivals import Input

#: Arrivals read ahead of the station; then the inputs wait, and their senders with them.
_QUEUED_ARRIVALS: Final = 64


def scans_from(sources: Sequence[str]) -> AsyncGenerator[Scan | DeviceNews, None]:
    """Read scans and news of devices from all sources, in the order of arrival, until the last source has ended.

    ValueError at once when a source cannot be understood; InputError from the iteration when one cannot be used.
    Close the iterator (`contextlib.aclosing`) to close the devices.
    """
    return scans_of(parse_sources(sources))


def chunks_from(sources: Sequence[str]) -> AsyncGenerator[Chunk | DeviceNews, None]:
    """Read what arrives as it is, not cut into scans; otherwise as `scans_from`."""
    return chunks_of(parse_sources(sources))


async def scans_of(inputs: Sequence[Input]) -> AsyncGenerator[Scan | DeviceNews, None]:
    """Read scans and news of devices from inputs that are set up already."""
    splitters: dict[str, ScanSplitter] = {}
    async for arrival in chunks_of(inputs):
        if isinstance(arrival, DeviceNews):
            # The beginning of a scan whose end is lost is never joined to the next one.
            splitters.pop(arrival.device, None)
            yield arrival
            continue
        splitter = splitters.setdefault(arrival.device, ScanSplitter())
        for raw in splitter.feed(arrival.data) if arrival.data else splitter.end():
            yield Scan(raw, arrival.device, arrival.at_ms)


async def chunks_of(inputs: Sequence[Input]) -> AsyncGenerator[Chunk | DeviceNews, None]:
    """Read what arrives from inputs that are set up already, until the last of them has ended."""
    arrivals: asyncio.Queue[Chunk | DeviceNews | asyncio.Task[None]] = asyncio.Queue()
    room = asyncio.Semaphore(_QUEUED_ARRIVALS)

    async def deliver(arrival: Chunk | DeviceNews) -> None:
        await room.acquire()
        arrivals.put_nowait(arrival)

    tasks = [asyncio.create_task(one.read(deliver)) for one in inputs]
    for task in tasks:
        task.add_done_callback(arrivals.put_nowait)
    try:
        still_open = len(tasks)
        while still_open:
            arrival = await arrivals.get()
            if isinstance(arrival, asyncio.Task):
                still_open -= 1
                arrival.result()  # raises what ended the input, if anything did
                continue
            room.release()
            yield arrival
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
