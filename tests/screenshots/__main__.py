"""`make screenshots`: plays a morning on the whole system and draws docs/images anew."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.async_api import HttpCredentials, ViewportSize

from producers.webhooks.health import Readiness
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.backing import ROOT
from tests.integration.command_api_harness import serving
from tests.integration.station_page_harness import CHROMIUM, PATIENCE_MS, chromium, station, stock
from tests.screenshots.pictures import draw_terminal, frame_with
from tests.screenshots.scene import STOCKRELAY, play, warehouse
from tests.stack import API_TOKEN
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.stack import Stack

IMAGES: Final = ROOT / "docs" / "images"
WIDE: Final = ViewportSize(width=1500, height=760)
#: What there is to see once the morning was played.
SHOWN: Final = ("1 behind", "in doubt for", "until resumed", "worker routing")
#: In the middle of a move: from the shelf, twelve operational amplifiers, and now where to.
SCANS: Final = ("!MOVE", "@shelf", "@opamp", "=12")


def main(folder: Path = IMAGES) -> int:
    """Draw every picture into the folder; returns the exit code."""
    if not CHROMIUM.exists():
        print(f"there is no browser at {CHROMIUM}", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        with warehouse(Path(scratch)) as stack:
            play(stack)
            watch = [str(STOCKRELAY), "status", "--watch", "--every", "1"]
            frame = frame_with(SHOWN, watch, {**os.environ, **stack.environment})
            draw_terminal(frame, "stockrelay status --watch", folder / "status.svg")
            asyncio.run(_draw_pages(stack, folder))
        with ValkeyServer(Path(scratch) / "station") as valkey:
            asyncio.run(_draw_station(valkey.url, folder))
    print(*sorted(str(path) for path in folder.iterdir()), sep="\n")
    return 0


async def _draw_pages(stack: Stack, folder: Path) -> None:
    async with chromium() as browser:
        await _draw_flower(browser, stack, folder / "flower.png")
        await _draw_desk(browser, stack, folder / "dead-letters.png")


async def _draw_flower(browser: Browser, stack: Stack, path: Path) -> None:
    user, _, password = stack.flower_login.partition(":")
    login = HttpCredentials(username=user, password=password)
    context = await browser.new_context(viewport=WIDE, http_credentials=login)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{stack.flower_url}/tasks")
    await page.wait_for_selector("#tasks-table tbody tr td:nth-child(4)")
    await page.screenshot(path=path)
    await context.close()


async def _draw_desk(browser: Browser, stack: Stack, path: Path) -> None:
    context = await browser.new_context(viewport=WIDE)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{stack.api_url}/dead-letters")
    await page.fill("#token", API_TOKEN)
    await page.press("#token", "Enter")
    await page.click("#letters .letter >> nth=0")
    await page.wait_for_selector("#letter .decide")
    await page.screenshot(path=path)
    await context.close()


async def _draw_station(redis_url: str, folder: Path) -> None:
    redis = open_redis(redis_url)
    try:
        await stock(redis)
        async with (
            chromium() as browser,
            serving(Submitter(redis), Readiness(redis), redis=redis) as door,
            station(browser, door) as tab,
        ):
            await tab.wedge(*SCANS)
            await tab.page.screenshot(path=folder / "station.png")
    finally:
        await redis.aclose()


if __name__ == "__main__":
    sys.exit(main())
