"""The station's page in a real browser, on the real ledger and a small directory: what its tests begin with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.async_api import async_playwright, expect

from tasks.directory import Thing, ThingType, code_of, directory_prefix
from tests.integration.command_api_harness import STATION_TOKEN
from tests.unit.station_desk import FLOWS, raw_of

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page
    from redis.asyncio import Redis

    from tests.integration.command_api_harness import Door

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: A browser on a busy machine takes its time; nothing here waits so long when all is well.
PATIENCE_MS = 60_000
#: What a browser writes about a network that a test has cut, or an answer that a test wants to be a refusal.
NETWORK_NEWS = "Failed to load resource"

#: Notes what the page plays and how it writes to its disk, and lets a test make the disk full.
WATCH = """
window.heard = []; window.durabilities = new Set(); window.diskIsFull = false;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { heard.push(this.frequency.value); return start.apply(this, at); };
const begin = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  if (mode === "readwrite") durabilities.add(options?.durability);
  return begin.call(this, stores, mode, options);
};
const add = IDBObjectStore.prototype.add;
IDBObjectStore.prototype.add = function (...values) {
  if (diskIsFull) throw new DOMException("the disk is full", "QuotaExceededError");
  return add.apply(this, values);
};
"""
#: Gives the whole outbox of the page, oldest first.
READ_OUTBOX = """
() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("stockrelay-station", 1);
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const reading = opening.result.transaction("outbox").objectStore("outbox").getAll();
    reading.onsuccess = () => { opening.result.close(); resolve(reading.result); };
  };
})
"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser process."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS, chromium_sandbox=False
        )
        try:
            yield opened
        finally:
            await opened.close()


async def stock(redis: Redis) -> None:
    """Write the fixture's warehouse into the directory, as a worker does."""
    prefix = directory_prefix("partsbox")
    things = {
        name: Thing(one["id"], ThingType(one["type"]), one["name"], one.get("archived", False))
        for name, one in FLOWS["things"].items()
    }
    codes = {code_of(code): [things[name].id for name in names] for code, names in FLOWS["codes"].items()}
    head: dict[Any, Any] = {"generation": "g", "refreshed_ms": "1", "counts": "{}", "codes": len(codes)}
    await redis.hset(prefix + "head", mapping=head)
    await redis.hset(prefix + "g:things", mapping={thing.id: thing.to_json() for thing in things.values()})
    quoted: dict[Any, Any] = {code: "[" + ", ".join(f'"{each}"' for each in ids) + "]" for code, ids in codes.items()}
    await redis.hset(prefix + "g:codes", mapping=quoted)


@dataclass
class Tab:
    """One tab of the station, with what it complained of and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def wedge(self, *tokens: str, end: str = "Enter") -> None:
        """Type scans as a scanner does, wherever the focus is; each is taken before the next."""
        for token in tokens:
            before = await self.page.evaluate("window.taken ?? 0")
            await self.page.keyboard.type(raw_of(token).decode())
            await self.page.keyboard.press(end)
            await self.page.wait_for_function("before => (window.taken ?? 0) > before", arg=before)

    async def says(self, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator("#message")).to_have_text(text, timeout=PATIENCE_MS)

    async def shows(self, selector: str, text: Any) -> None:
        await expect(self.page.locator(selector)).to_have_text(text, timeout=PATIENCE_MS)

    async def outbox(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.page.evaluate(READ_OUTBOX)
        return rows

    async def log_in(self, token: str = STATION_TOKEN) -> None:
        await self.page.fill("#token", token)
        await self.page.press("#token", "Enter")


#: Counts the messages that are shown, so that a test knows when a scan is through.
COUNT = """
addEventListener("DOMContentLoaded", () => {
  window.taken = 0;
  new MutationObserver(() => { window.taken += 1; }).observe(document.getElementById("message"), { childList: true });
});
"""


async def open_tab(context: BrowserContext, door: Door) -> Tab:
    """Open the page, and wait until it has started."""
    tab = Tab(await context.new_page())
    page = tab.page
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: tab.complaints.append(message.text))
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    page.on("request", lambda request: tab.asked.append(request.url))
    await page.goto(f"{door.url}/station")
    return tab


@contextlib.asynccontextmanager
async def station(browser: Browser, door: Door, *, width: int = 800, height: int = 480) -> AsyncIterator[Tab]:
    """A browser of its own, logged in as ST-01, with the page's files kept for when there is no network."""
    context = await browser.new_context(viewport={"width": width, "height": height})
    try:
        await context.add_init_script(WATCH + COUNT)
        tab = await open_tab(context, door)
        await tab.log_in()
        await tab.says("STATION ST-01 READY")
        await tab.shows("#link", "all delivered")
        await tab.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        yield tab
    finally:
        await context.close()
