"""Fixtures of the integration tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from producers.webhooks.health import Readiness
from tasks.submit import Submitter
from tests.integration.command_api_harness import FakeLedger, serving
from tests.integration.ledger_harness import Desk, check, dump
from tests.integration.station_page_harness import chromium
from workers.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from tests.conftest import SharedValkey
    from tests.integration.command_api_harness import Door
    from tests.integration.limiter_harness import MakeLimiter
    from workers.limits import LimitPolicy


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser process for a module's tests."""
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def desk(redis_client: Redis) -> AsyncIterator[Desk]:
    """A desk on an empty server, whose ledger keeps its rules to the end of the test."""
    opened = Desk.at(redis_client)
    yield opened
    check(await dump(redis_client))


@pytest.fixture
async def door(redis_client: Redis) -> AsyncIterator[Door]:
    """The door to the real ledger."""
    async with serving(Submitter(redis_client), Readiness(redis_client), redis=redis_client) as served:
        yield served


@pytest.fixture
def fake_ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
async def fake_door(fake_ledger: FakeLedger) -> AsyncIterator[Door]:
    async with serving(fake_ledger) as served:
        yield served


@pytest.fixture
async def make_limiter(valkey: SharedValkey) -> AsyncIterator[MakeLimiter]:
    async with contextlib.AsyncExitStack() as clients:

        def make(policy: LimitPolicy, *, url: str | None = None, **options: Any) -> Limiter:
            client = Redis.from_url(url or valkey.url, retry=Retry(NoBackoff(), 0))
            clients.push_async_callback(client.aclose)
            limiter = Limiter(client, "vendor", policy, **options)
            clients.push_async_callback(limiter.aclose)
            return limiter

        yield make
