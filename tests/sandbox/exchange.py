"""One request on its way through the sandbox, which goes on when its client leaves."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.sandbox.changes import Changes
from tests.sandbox.faults import Drawn
from tests.sandbox.journal import RequestRecord

#: linger switched on with 0 seconds: closing sends RST instead of FIN
LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass
class Exchange:
    """A request, its record, and whether someone still waits for the answer."""

    request: web.Request
    record: RequestRecord
    changes: Changes
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: what goes wrong with it, known once it is admitted
    faults: Drawn = field(default_factory=Drawn)

    def ended_as(self, outcome: str) -> None:
        """Note what is done instead of a plain answer."""
        self.record.outcome = outcome
        self.changes.announce()

    def client_left(self) -> None:
        """Note that the connection is gone, whoever closed it."""
        self.record.client_left = True
        self.left.set()
        self.changes.announce()

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection without an answer, by FIN or by RST."""
        transport = self.request.transport
        if transport is None:
            return
        if reset:
            peer: socket.socket = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            transport.abort()
        else:
            transport.close()

    def describe(self) -> dict[str, Any]:
        """Give what is known of it while it is in flight, as JSON."""
        return {
            "seq": self.record.seq,
            "operation": self.record.operation,
            "marker": self.record.marker,
            "subjects": self.record.subjects,
            "arrived_ms": self.record.arrived_ms,
            "client_left": self.record.client_left,
            "faults": self.record.faults,
        }
