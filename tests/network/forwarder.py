"""A process that passes connections on, with TLS on its outer side if given a certificate: a vendor's or Redis' front.

`python -m tests.network.forwarder LISTEN TO [CERTIFICATE]`, addresses as host:port; prints `listens` when it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path
from typing import Final

#: Invented, good for a century: an authority; redis and vendor of their addresses; one of another name; and one of
#: the right address by an authority that nobody trusts.
CERTIFICATES: Final = Path(__file__).parent / "certificates"
AUTHORITY: Final = CERTIFICATES / "authority.pem"
_READ_BYTES: Final = 65_536
_CONNECT_SECONDS: Final = 2.0


def split(address: str) -> tuple[str, int]:
    """Take host:port apart."""
    host, _, port = address.rpartition(":")
    return host, int(port)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int] | None) -> None:
    """Connect a client to the target until either leaves; without one, or if it is not there, the client is cut off."""
    behind = None
    try:
        if target is not None:
            behind_reader, behind = await asyncio.wait_for(asyncio.open_connection(*target), _CONNECT_SECONDS)
            await asyncio.gather(_pump(reader, behind), _pump(behind_reader, writer))
    except OSError:
        pass
    finally:
        for end in (writer, behind):
            if end is not None:
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_READ_BYTES):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        await writer.drain()
    writer.close()


def server_context(certificate: str) -> ssl.SSLContext:
    """Serve with one of the invented certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")
    return context


async def _serve(listen: str, target: str, context: ssl.SSLContext | None) -> None:
    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pass_on(reader, writer, split(target))

    server = await asyncio.start_server(tunnel, *split(listen), ssl=context)
    print("listens", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], server_context(sys.argv[3]) if len(sys.argv) > 3 else None))
