"""Scanners and terminals that send their scans over TCP: each connection is one device."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.arrivals import DeviceNews, InputError, News
from producers.scanner.inputs.silence import SILENCE_SECONDS, WatchedLine

if TYPE_CHECKING:
    from producers.scanner.inputs.arrivals import Deliver

#: More scanners than one station has; the bound is there for what is no scanner.
MAX_CONNECTIONS: Final = 16
#: Read ahead of the station for each connection; then the sender waits.
_BUFFER_BYTES: Final = 16_384
_READ_BYTES: Final = 4_096


class TcpInput:
    """Listens on one address; nobody is asked who they are, so the address belongs to a network of scanners.

    What a connection sent without a suffix when it closes is dropped: half a label could be another label.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_connections: int = MAX_CONNECTIONS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._max_connections = max_connections
        self._silence_seconds = silence_seconds
        self._connections: set[asyncio.Task[None]] = set()
        self._complaint: asyncio.Task[None] | None = None

    async def read(self, deliver: Deliver) -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._connections) >= self._max_connections:
                self._complain(_device(writer.get_extra_info("peername")), deliver)
                writer.transport.abort()
                return
            serving = asyncio.create_task(self._serve(reader, writer, deliver))
            self._connections.add(serving)
            serving.add_done_callback(self._connections.discard)

        try:
            server = await asyncio.start_server(accept, self._host, self._port, limit=_BUFFER_BYTES)
        except OSError as error:
            raise InputError(
                f"tcp:{self._host}:{self._port}: cannot listen: {error.strerror or error}; choose another address"
            ) from error
        try:
            for socket in server.sockets:
                await deliver(DeviceNews(_device(socket.getsockname()), News.LISTENING))
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            await self._hang_up()

    def _complain(self, device: str, deliver: Deliver) -> None:
        """Tell of a refused connection; of a flood of them only as fast as the station takes news."""
        if self._complaint is None or self._complaint.done():
            refused = DeviceNews(device, News.LOST, f"refused: {self._max_connections} are connected already")
            self._complaint = asyncio.ensure_future(deliver(refused))

    async def _hang_up(self) -> None:
        serving = (*self._connections, *filter(None, [self._complaint]))
        for connection in serving:
            connection.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deliver: Deliver) -> None:
        device = _device(writer.get_extra_info("peername"))
        try:
            with WatchedLine(device, deliver, self._silence_seconds) as line:
                await line.news_came(News.CONNECTED)
                await line.news_came(News.LOST, await _read_until_closed(reader, line))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _read_until_closed(reader: asyncio.StreamReader, line: WatchedLine) -> str:
    try:
        while data := await reader.read(_READ_BYTES):
            await line.bytes_came(data)
    except OSError as error:
        return error.strerror or str(error)
    return "connection closed"


def _device(address: tuple[str, int] | None) -> str:
    # A connection may be gone before anybody could ask whose it was.
    host, port = ("unknown", 0) if address is None else address[:2]
    return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
