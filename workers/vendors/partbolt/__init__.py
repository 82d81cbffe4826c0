"""PartBolt: an inventory that is read only, since its writes are not documented."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from workers.vendors.partbolt import wire
from workers.vendors.partbolt.client import PartBoltClient, secret_headers
from workers.vendors.partbolt.parts import PartBoltParts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from workers.vendors.base import Endpoint, RequestLimiter

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class PartBolt(PartBoltParts):
    """Everything that is asked of PartBolt over one session and one limiter."""

    #: Makes an `Endpoint`'s secret headers of a token.
    secret_headers = staticmethod(secret_headers)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(PartBoltClient(session, limiter, endpoint, clock=clock))

    async def get(self, path: str, parameters: Mapping[str, str] = _NOTHING) -> Any:
        """Read any path of the vendor's endpoint reference; give its data as plain JSON. See `PartBoltClient.get`."""
        return await self._client.get(path, parameters, wire.data)
