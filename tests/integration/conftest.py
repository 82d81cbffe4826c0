"""Fixtures of the integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.ledger_harness import Desk, check, dump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


@pytest.fixture
async def desk(redis_client: Redis) -> AsyncIterator[Desk]:
    """A desk on an empty server, whose ledger keeps its rules to the end of the test."""
    opened = Desk.at(redis_client)
    yield opened
    check(await dump(redis_client))
