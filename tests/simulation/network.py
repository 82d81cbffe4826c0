"""The network between workers and vendors: aiohttp's session for the one, requests for the other, no socket between."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import math
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from multidict import CIMultiDict

from tests.open_writer import open_writer
from tests.simulation.request import Request
from tests.simulation.wire import Answer, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from yarl import URL

    from tests.sandbox.server import Sandbox
    from tests.simulation.clock import Scheduler
    from tests.simulation.loop import VirtualLoop

#: One way through the network.
WAY_SECONDS: Final = (0.001, 0.010)


class Network:
    """Carries requests to the vendors by the host of their address."""

    def __init__(self, scheduler: Scheduler, vendors: VirtualLoop, random: Random, tell: Callable[[str], None]) -> None:
        self.scheduler = scheduler
        self.tell = tell
        #: The loop in which the vendors live.
        self.vendors = vendors
        self._random = random
        self._sandboxes: dict[str, Sandbox[Any]] = {}
        self._open: dict[str, list[Connection]] = {}

    def connect(self, host: str, sandbox: Sandbox[Any]) -> None:
        """Reach a vendor under a host."""
        self._sandboxes[host] = sandbox

    def way_seconds(self) -> float:
        """Draw how long a packet takes."""
        return self._random.uniform(*WAY_SECONDS)

    def sandbox_at(self, host: str) -> Sandbox[Any]:
        """Find the vendor with this host."""
        return self._sandboxes[host]

    def opened(self, connection: Connection) -> None:
        """Note a connection of a process."""
        self._open.setdefault(connection.client.name, []).append(connection)

    def lost(self, name: str) -> None:
        """Close the connections of a process that has died; the vendors notice."""
        for connection in self._open.pop(name, []):
            connection.close_client_side()


class Session:
    """One process's HTTP session, as far as a `VendorClient` asks one."""

    def __init__(self, network: Network, loop: VirtualLoop) -> None:
        self.network = network
        self.loop = loop
        self._retry_connection = True

    def request(self, method: str, url: URL, **given: Any) -> Connection:
        """Make a request; entered as a context it gives the response."""
        return Connection(self.network, self.loop, method, url, given)


class Connection:
    """One request and its connection: it may be cut at either end, at any time."""

    def __init__(self, network: Network, client: VirtualLoop, method: str, url: URL, given: dict[str, Any]) -> None:
        self.client = client
        self._network = network
        self._method = method
        self._url = url
        self._given = given
        self._timeout: aiohttp.ClientTimeout = given["timeout"]
        self._answer: asyncio.Future[Answer] = client.create_future()
        self._sent: list[bytes] = []
        self._open = False
        #: When the latest packet is at the vendor.
        self._there_at = 0.0
        self._work: asyncio.Task[Any] | None = None

    # the client's end

    async def __aenter__(self) -> Response:
        try:
            async with asyncio.timeout(self._timeout.total):
                return Response(await self._exchange())
        except BaseException:
            self.close_client_side()
            raise

    async def _exchange(self) -> Answer:
        # a handshake is there and back
        await asyncio.sleep(self._network.way_seconds() + self._network.way_seconds())
        self._open = True
        self._network.opened(self)
        await self._given["data"].write_with_length(open_writer(self._write), None)
        self._to_vendor(self._arrive)
        reading = self.client.call_later(self._timeout.sock_read or math.inf, self._too_late)
        try:
            return await self._answer
        finally:
            reading.cancel()

    async def __aexit__(self, *error: object) -> None:
        self.close_client_side()

    def close_client_side(self) -> None:
        """Hang up; the vendor notices when the packet is there."""
        if self._open:
            self._open = False
            self._to_vendor(self._client_left)

    async def _write(self, piece: bytes) -> None:
        self._sent.append(piece)

    def _too_late(self) -> None:
        self._fail(aiohttp.SocketTimeoutError("no answer in time"))

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    # the vendor's end

    def _to_vendor(self, step: Callable[[], object]) -> None:
        """Let a step happen at the vendor, behind those before: packets of one connection keep their order."""
        self._there_at = max(self._there_at, self._network.scheduler.now + self._network.way_seconds())
        self._network.vendors.call_at(self._there_at, step)

    def _to_client(self, step: Callable[..., object], *args: Any) -> None:
        self._network.vendors.call_later(self._network.way_seconds(), step, *args)

    def _arrive(self) -> None:
        sandbox = self._network.sandbox_at(self._url.host or "")
        request = Request(self, self._method, self._url, self._given, b"".join(self._sent))
        self._network.tell(f"{self.client.name} asks {self._url.host} {self._method} {request.path_qs} {request.text}")
        self._work = self._network.vendors.create_task(sandbox._serve(request))  # type: ignore[arg-type]
        self._work.add_done_callback(lambda work: self._served(request, work))

    def _client_left(self) -> None:
        if self._work is not None:
            # a request that is there has been taken up by then
            self._network.vendors.call_soon(self._work.cancel)

    def _served(self, request: Request, work: asyncio.Task[Any]) -> None:
        if work.cancelled() or request.transport.closed:
            return
        response = work.result()
        body = response.body or b""
        self._network.tell(f"{self._url.host} answers {self.client.name} {response.status} {_digest(body)}")
        self._to_client(self._arrived_back, Answer(response.status, self._dated(response.headers), body))

    def _arrived_back(self, answer: Answer) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def _dated(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        moment = self._network.scheduler.now_ms() // 1000
        return CIMultiDict({**headers, "Date": formatdate(moment, usegmt=True)})

    def hung_up(self, begun: Answer | None, *, reset: bool) -> None:
        """Close the connection from the vendor's end, with nothing or with the beginning of an answer."""
        self._network.vendors.call_soon(self._client_left)
        if begun is not None:
            self._to_client(self._arrived_back, replace(begun, headers=self._dated(begun.headers), whole=False))
        elif reset:
            self._to_client(self._fail, aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"))
        else:
            self._to_client(self._fail, aiohttp.ServerDisconnectedError())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]
