"""A server that speaks TLS in front of one that does not: what a managed Redis, or stunnel beside one, is to us."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Invented: an authority, a server of the names localhost and 127.0.0.1, one of another name; good for a century.
CERTIFICATES: Final = Path(__file__).parent / "certificates"
AUTHORITY: Final = CERTIFICATES / "authority.pem"
_READ_BYTES: Final = 65_536


@contextlib.contextmanager
def tls_in_front_of(port: int, certificate: str = "server") -> Iterator[tuple[int, list[bytes]]]:
    """Serve TLS in a thread; gives the port, and what came out of the tunnel, in pieces."""
    received: list[bytes] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_serve(port, certificate, received), loop).result(60)
    try:
        yield server.sockets[0].getsockname()[1], received
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(port: int, certificate: str, received: list[bytes]) -> asyncio.Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, behind, received), _pump(behind_reader, writer, None))

    return await asyncio.start_server(tunnel, "127.0.0.1", 0, ssl=context)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: list[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_READ_BYTES):
            if received is not None:
                received.append(piece)
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
