"""Partium: a catalog of part types and the assemblies that they belong to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.vendors.partium.assemblies import PartiumAssemblies
from workers.vendors.partium.client import PartiumClient, secret_headers
from workers.vendors.partium.parts import PartiumParts

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from workers.vendors.base import Endpoint, RequestLimiter


class Partium(PartiumParts, PartiumAssemblies):
    """Everything the tasks ask of Partium over one session and one limiter."""

    #: Makes an `Endpoint`'s secret headers of an API key.
    secret_headers = staticmethod(secret_headers)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        client = PartiumClient(session, limiter, endpoint, clock=clock)
        PartiumParts.__init__(self, client)
        PartiumAssemblies.__init__(self, client)

    async def aclose(self) -> None:
        """End the requests that no command waits for any more; call it before the session is closed."""
        await self._parts.aclose()
        await self._assemblies.aclose()
