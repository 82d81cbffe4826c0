"""The vendors' adapters, opened by their settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from workers.vendor_settings import OpenBomSettings, PartBoltSettings, PartiumSettings, PartsBoxSettings, VendorSettings
from workers.vendors.base import Endpoint
from workers.vendors.openbom import Login, OpenBom
from workers.vendors.partbolt import PartBolt
from workers.vendors.partium import Partium
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp
    from pydantic import SecretStr
    from redis.asyncio import Redis

    from workers.vendors.base import RequestLimiter


def open_adapter(
    chosen: VendorSettings,
    session: aiohttp.ClientSession,
    limiter: RequestLimiter,
    redis: Redis,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Any:
    """Give what the vendor's tasks ask it through; `redis` holds what its processes share."""
    match chosen:
        case PartsBoxSettings():
            endpoint = _endpoint(chosen, PartsBox.secret_headers(chosen.api_key))
            return PartsBox(session, limiter, endpoint, clock=clock)
        case PartiumSettings():
            endpoint = _endpoint(chosen, Partium.secret_headers(chosen.api_key))
            return Partium(session, limiter, endpoint, clock=clock)
        case OpenBomSettings():
            login = Login(chosen.app_key, chosen.username, chosen.password)
            endpoint = _endpoint(chosen, OpenBom.secret_headers(login))
            return OpenBom(session, limiter, endpoint, login, redis, clock=clock)
        case PartBoltSettings():
            endpoint = _endpoint(chosen, PartBolt.secret_headers(chosen.token, chosen.header))
            return PartBolt(session, limiter, endpoint, clock=clock)
    raise TypeError(f"no adapter for {type(chosen).__name__}")


async def close_adapter(adapter: Any) -> None:
    """End what an adapter still does by itself; before its session is closed."""
    if isinstance(adapter, Partium):
        await adapter.aclose()


def _endpoint(chosen: VendorSettings, secret_headers: Mapping[str, SecretStr]) -> Endpoint:
    return Endpoint(chosen.url, secret_headers, chosen.timeout_seconds, chosen.settle_seconds)
