"""A relay on an emptied server and freshly stocked sandboxes, and the rounds that many tests read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.rounds import Rounds
from tests.relay import running_relay
from tests.sandbox.partsbox import PartsBoxSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.conftest import SharedValkey
    from tests.relay import Relay


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def relay(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Relay]:
    async with running_relay(redis_client, sandbox) as running:
        yield running


@pytest.fixture(scope="session")
def rounds(valkey_server: SharedValkey) -> Rounds:
    """What became of every case in the rounds played so far; one is played when the first test asks for it."""
    return Rounds(valkey_server.url)
