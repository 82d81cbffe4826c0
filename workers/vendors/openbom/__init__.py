"""OpenBOM: bills of materials, catalogs and their properties."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.vendors.openbom.client import OpenBomClient, secret_headers
from workers.vendors.openbom.documents import OpenBomDocuments
from workers.vendors.openbom.session import Login

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp
    from redis.asyncio import Redis

    from workers.vendors.base import Endpoint, RequestLimiter

__all__ = ["Login", "OpenBom"]


class OpenBom(OpenBomDocuments):
    """Everything the tasks ask of OpenBOM over one session, one limiter and one login shared through Redis.

    `redis` decodes what it reads, as `tasks.redis_client.open_redis` has it.
    """

    #: Makes an `Endpoint`'s secret headers of a login.
    secret_headers = staticmethod(secret_headers)

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        login: Login,
        redis: Redis,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(OpenBomClient(session, limiter, endpoint, login, redis, clock=clock))
