"""The dead-letter desk's page in a real browser: what its tests begin with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from playwright.async_api import expect

from producers.webhooks.health import Readiness
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.integration.command_api_harness import ROLE_TOKENS, serving
from tests.integration.desk_harness import Night
from tests.integration.station_page_harness import NETWORK_NEWS, PATIENCE_MS

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Locator, Page

    from tests.integration.command_api_harness import Door

#: Who is logged in.
BY = "operate-only"
HOSTILE = '<img src="x" onerror="document.title=1"><script>document.title=2</script>'
WIDE = (1280, 800)
#: A phone, upright.
NARROW = (390, 844)


@dataclass
class DeskTab:
    """One tab of the desk, with what it complained of and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def rows(self) -> Locator:
        return self.page.locator("#letters .letter")

    async def shows(self, selector: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)

    async def lists(self, *keys: str) -> None:
        """Wait until the list is these, in their order."""
        await self.page.wait_for_function(
            """keys => {
              const rows = [...document.querySelectorAll("#letters .letter")].map((row) => row.dataset.key);
              return JSON.stringify(rows) === JSON.stringify(keys);
            }""",
            arg=list(keys),
        )

    async def open(self, key: str) -> None:
        await self.page.click(f'#letters [data-key="{key}"]')
        await expect(self.page.locator("#letter .decide")).to_be_visible(timeout=PATIENCE_MS)
        await self.shows("#letter section:last-child", key)

    async def press(self, words: str) -> None:
        """Press a button of the letter, which asks first."""
        await self.page.locator("#letter .decide button", has_text=words).click()
        await expect(self.page.locator("#ask")).to_be_visible(timeout=PATIENCE_MS)

    async def says_yes(self) -> None:
        """Say yes, and wait until it is done."""
        await self.page.click("#ask-yes")
        await expect(self.page.locator("#ask")).to_be_hidden(timeout=PATIENCE_MS)

    async def log_in(self, token: str = ROLE_TOKENS["operate"]) -> None:
        await self.page.fill("#token", token)
        await self.page.press("#token", "Enter")

    async def is_live(self) -> None:
        await self.shows("#link", "live")
        await self.page.wait_for_function("() => document.body.dataset.link === 'up'")

    async def overflow(self) -> int:
        """Tell by how many pixels the page is wider than its window."""
        wide: int = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wide

    def faults(self) -> list[str]:
        """Give the complaints that are not about a network that a test has cut, or a refusal that it wants."""
        return [each for each in self.complaints if NETWORK_NEWS not in each]


@contextlib.asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[Night, Door]]:
    """A night's ledger on a server, and the door to it."""
    redis = open_redis(url)
    night = Night(redis)
    await night.name_things()
    async with serving(Submitter(redis), Readiness(redis), redis=redis) as door:
        yield night, door
    await redis.aclose()


async def open_desk(browser: Browser, door: Door) -> DeskTab:
    """Open the page in a browser of its own, logged out."""
    tab = await new_tab(browser)
    await tab.page.goto(f"{door.url}/dead-letters")
    return tab


async def new_tab(browser: Browser) -> DeskTab:
    """Open an empty tab in a browser of its own."""
    width, height = WIDE
    context = await browser.new_context(viewport={"width": width, "height": height})
    tab = DeskTab(await context.new_page())
    # what is not heard is not found by looking every half minute either
    await tab.page.add_init_script("window.setInterval = () => 0;")
    tab.page.set_default_timeout(PATIENCE_MS)
    tab.page.on("console", lambda message: tab.complaints.append(message.text))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("request", lambda request: tab.asked.append(request.url))
    return tab


@contextlib.asynccontextmanager
async def desk(
    tab: DeskTab, door: Door, size: tuple[int, int] = WIDE, path: str = "", scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[DeskTab]:
    """The page in a tab that other tests have used, logged in with a token that may operate and nothing else; live."""
    page = tab.page
    width, height = size
    await page.set_viewport_size({"width": width, "height": height})
    await page.emulate_media(color_scheme=scheme)
    tab.complaints.clear()
    try:
        # a browser keeps its cookies for all ports of a machine, so that one login is enough
        await page.goto(f"{door.url}/dead-letters{path}")
        await page.wait_for_selector("#login[open], [data-link=up]")
        if await page.locator("#login").is_visible():
            await tab.log_in()
        await tab.is_live()
        yield tab
        assert tab.faults() == []
    finally:
        await page.unroute_all()
        # its feed would keep the server from ending
        await page.goto("about:blank")
