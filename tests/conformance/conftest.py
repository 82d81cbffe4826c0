"""A relay on an emptied server and a freshly stocked sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.relay import running_relay
from tests.sandbox.partsbox import PartsBoxSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.relay import Relay


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def relay(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Relay]:
    async with running_relay(redis_client, sandbox) as running:
        yield running
