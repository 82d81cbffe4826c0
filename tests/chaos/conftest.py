"""What the chaos tests stand on: the stack that a module shares, or executor and vendor in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from tests.chaos.desk import Desk
from tests.chaos.scene import QUICK, Scene
from tests.relay import running_relay
from tests.sandbox.partsbox import PartsBoxSandbox
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server and a vendor; the workers are each test's own."""
    with Stack(tmp_path_factory.mktemp("chaos"), workers=0, webhooks=False, settings=QUICK, environment={}) as running:
        yield running


@pytest.fixture
async def scene(stack: Stack, tmp_path: Path) -> AsyncIterator[Scene]:
    """The stack with an empty server and no faults; the test's own client gets over a restart."""
    patient = Retry(ConstantBackoff(0.1), 100)
    redis = Redis.from_url(stack.redis_url, decode_responses=True, retry=patient)
    try:
        await redis.flushall()
        with Scene(stack, redis, tmp_path) as opened:
            yield opened
    finally:
        await redis.aclose()


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    # slow enough for a second delivery to look before the first has written
    async with PartsBoxSandbox.running(seed_fixture="warehouse", write_latency_seconds=(0.1, 0.1)) as vendor:
        yield vendor


@pytest.fixture
async def desk(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Desk]:
    """Executor and vendor in this process, with small waits."""
    async with running_relay(redis_client, sandbox) as relay:
        yield Desk(redis_client, relay, sandbox)
