"""`/docs` in a real browser: it shows the whole document, asks nobody else for anything, and obeys its own policy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tasks.registry import submittable_kinds
from tests.integration.station_page_harness import CHROMIUM, PATIENCE_MS, chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from tests.integration.command_api_harness import Door

browser_needed = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")


@contextlib.asynccontextmanager
async def browsing(door: Door) -> AsyncIterator[tuple[Page, list[str], list[str]]]:
    """A page at /docs, once it has shown something; with what it complained of, and what it asked for."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{door.url}/docs")
        await page.wait_for_selector(".card")
        yield page, complaints, asked


@browser_needed
async def test_the_page_shows_every_route_and_kind_with_an_example_and_asks_only_this_server(fake_door: Door) -> None:
    _, _, document = await fake_door.get("/openapi.json")
    async with browsing(fake_door) as (page, complaints, asked):
        shown = await page.locator("main").inner_text()
        headings = await page.locator(".card h3 code").all_inner_texts()
        first = await page.locator("#post-v1-commands pre").first.inner_text()
        await page.locator("#post-v1-commands select").select_option("storage.rename")
        chosen = await page.locator("#post-v1-commands pre").first.inner_text()

    assert complaints == []
    assert {url.removeprefix(fake_door.url) for url in asked if not url.startswith("data:")} == {
        "/docs",
        "/docs/docs.css",
        "/docs/docs.js",
        "/openapi.json",
    }
    assert [path for path in document["paths"] if path not in headings] == []
    assert [kind for kind in submittable_kinds() if kind not in headings] == []
    assert [name for name in document["components"]["schemas"] if name not in headings] == []
    assert '"kind": "stock.move"' in first
    assert '"kind": "storage.rename"' in chosen
    assert "application/problem+json" in shown


@browser_needed
async def test_a_search_and_links_work_and_a_script_that_is_not_ours_does_not_run(fake_door: Door) -> None:
    async with browsing(fake_door) as (page, complaints, _):
        await page.fill("#filter", "/V1/Directory get")
        found = await page.locator(".card:visible h3 code").all_inner_texts()
        entries = await page.locator("nav li:visible").count()
        await page.fill("#filter", "")
        await page.locator("#post-v1-labels").get_by_role("link", name="LabelScan").click()
        target = await page.evaluate("document.querySelector(':target').id")
        before = list(complaints)
        await page.evaluate(
            "() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s); }"
        )
        ran = await page.evaluate("window.ran")

    assert found == ["/v1/directory/ids/{id}", "/v1/directory/parts"]
    assert entries == 2
    assert (target, before) == ("schema-LabelScan", [])
    assert ran is None
    assert any("Content Security Policy" in text for text in complaints)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/docs", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")],
)
async def test_the_files_of_the_page_need_no_token_and_no_other_server(
    fake_door: Door, path: str, content_type: str
) -> None:
    async with fake_door.session.get(fake_door.url + path) as answer:
        text = await answer.text()

    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"{content_type}; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "://" not in text
    for inline in ("onclick=", "onload=", "style=", "<style", "innerHTML", "<script>"):
        assert inline not in text
