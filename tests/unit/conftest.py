"""The PartsBox sandbox at once and a probe of it, for the modules that have no sandbox or vendor of their own."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox
from tests.sandbox.probe import Probe


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as probe:
        yield probe
