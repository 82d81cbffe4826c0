"""PartsBox: an inventory of parts, their stock and purchase orders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.vendors.partsbox.builds import PartsBoxBuilds
from workers.vendors.partsbox.client import PartsBoxClient, secret_headers
from workers.vendors.partsbox.histories import PartsBoxHistories
from workers.vendors.partsbox.labels import PartsBoxLabels
from workers.vendors.partsbox.lots import PartsBoxLots
from workers.vendors.partsbox.orders import PartsBoxOrders
from workers.vendors.partsbox.parts import PartsBoxParts
from workers.vendors.partsbox.projects import PartsBoxProjects
from workers.vendors.partsbox.stock import PartsBoxStock
from workers.vendors.partsbox.storage import PartsBoxStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from workers.vendors.base import Endpoint, RequestLimiter


class PartsBox(
    PartsBoxStock,
    PartsBoxOrders,
    PartsBoxParts,
    PartsBoxHistories,
    PartsBoxLots,
    PartsBoxStorage,
    PartsBoxProjects,
    PartsBoxBuilds,
):
    """Everything the tasks ask of PartsBox over one session and one limiter."""

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
        super().__init__(PartsBoxClient(session, limiter, endpoint, clock=clock))
        #: Public images, which are asked for without the key.
        self.labels = PartsBoxLabels(session, limiter, endpoint, clock=clock)
