"""What the tests of the dead-letter desk's page stand on: a browser's tab, a ledger's night, and the door to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.desk_page_harness import DeskTab, new_tab, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from tests.conftest import SharedValkey
    from tests.integration.command_api_harness import Door
    from tests.integration.desk_harness import Night


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kept(browser: Browser) -> AsyncIterator[DeskTab]:
    """One tab for all tests that do not care who was logged in before: a browser takes its time to make a new one."""
    tab = await new_tab(browser)
    yield tab
    await tab.page.context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(valkey: SharedValkey) -> AsyncIterator[tuple[Night, Door]]:
    async with served(valkey.url) as found:
        yield found


@pytest.fixture
def night(bench: tuple[Night, Door]) -> Night:
    return bench[0]


@pytest.fixture
def door(bench: tuple[Night, Door]) -> Door:
    return bench[1]
