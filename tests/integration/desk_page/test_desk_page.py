"""`/dead-letters` in a real browser: who gets in, and what a person sees."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.async_api import expect

from tasks.ledger import prefix_of
from tests.integration.command_api_harness import ROLE_TOKENS, STATION_TOKEN, move
from tests.integration.desk_harness import NAMES, PART, SHELF, Night
from tests.integration.desk_page_harness import BY, HOSTILE, NARROW, WIDE, DeskTab, desk, open_desk
from tests.integration.station_page_harness import CHROMIUM, PATIENCE_MS

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

    from tests.integration.command_api_harness import Door

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
]


# who


async def test_only_a_token_that_may_operate_gets_in_and_the_page_asks_nobody_else(
    browser: Browser, door: Door, night: Night
) -> None:
    key = await night.rejected()
    tab = await open_desk(browser, door)
    page = tab.page

    await tab.log_in("a-token-of-nobody")
    await tab.shows("#login .problem", "This token is not known.")
    await expect(tab.rows()).to_have_count(0)
    await tab.log_in(STATION_TOKEN)
    await tab.shows("#login .problem", "needs the role operate")
    await tab.log_in()
    await tab.lists(key)

    await tab.shows("#who", BY)
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("stockrelay_desk", True, "Strict")
    assert {url for url in tab.asked if not url.startswith((door.url, "data:"))} == set()
    assert ROLE_TOKENS["operate"] not in await page.content()
    assert tab.faults() == []
    await page.reload()
    await tab.lists(key)
    await page.click("#log-out")
    await expect(page.locator("#login")).to_be_visible(timeout=PATIENCE_MS)
    await expect(tab.rows()).to_have_count(0)
    assert await page.context.cookies() == []
    await page.context.close()


async def test_a_person_at_a_stations_browser_leaves_the_station_what_it_is(
    browser: Browser, door: Door, night: Night
) -> None:
    await night.rejected()
    tab = await open_desk(browser, door)
    ask = """async ([path, body]) => {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      return answer.status;
    }"""
    assert await tab.page.evaluate(ask, ["/station/login", {"token": STATION_TOKEN}]) == 200
    await tab.log_in()
    await expect(tab.rows()).to_have_count(1)

    assert await tab.page.evaluate(ask, ["/v1/commands", move(source="ST-01")]) == 202
    await tab.page.click("#log-out")
    await expect(tab.page.locator("#login")).to_be_visible(timeout=PATIENCE_MS)
    assert await tab.page.evaluate(ask, ["/v1/commands", move(source="ST-01", quantity=6)]) == 202
    await tab.page.context.close()


async def test_a_session_that_ends_asks_for_the_token_again_and_then_goes_on(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.rejected()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.page.context.clear_cookies()
        other = await night.rejected(part_id="1" * 26)

        await expect(tab.page.locator("#login")).to_be_visible(timeout=PATIENCE_MS)
        await tab.log_in()
        await tab.lists(other, key)
        await tab.shows("#letter section:last-child", key)


# seeing


async def test_a_held_one_says_what_happened_what_the_vendor_has_and_who_waits(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.held()
    for quantity in (1, 2):
        await night.admit(quantity=quantity)
    async with desk(kept, door) as tab:
        await tab.open(key)

        await tab.shows("#letter h2", "add 5 of part RC0603-10R to A-03-2")
        await tab.shows(".happened h3", "Nobody could tell whether PartsBox has it")
        await tab.shows(".happened blockquote", "an entry like it is there, without a marker")
        await tab.shows(".happened", "2 commands wait behind it until you decide.")
        await tab.shows(".vendor .verdict", "1 entry was found there")
        await tab.shows(".vendor", "booked by hand")
        await tab.shows(".vendor .marker code", f"[cmd:{key}]")
        await tab.shows(".decide", "2 commands that wait behind it will run now.")
        evidence = tab.page.locator(".evidence > li")
        await expect(evidence).to_have_count(2)
        await tab.shows(".evidence > li:first-child", "no answer was read after 30000 ms")
        await tab.shows(".evidence > li:first-child", "stock/add")
        await tab.shows(".evidence > li:last-child", "Found at the vendor")


async def test_a_refused_one_and_a_damaged_one_say_so(kept: DeskTab, door: Door, night: Night) -> None:
    refused, damaged = await night.rejected(), await night.damaged()
    async with desk(kept, door) as tab:
        await tab.open(refused)
        await tab.shows(".happened h3", "PartsBox refused it")
        await tab.shows(".vendor .verdict", "Nothing of it: PartsBox refused the request.")
        await tab.shows(".evidence", "HTTP 400")

        await tab.open(damaged)
        await tab.shows(".happened h3", "Its record cannot be read")
        await expect(tab.page.locator(".decide button")).to_have_text(["Discard…"])


async def test_what_a_vendor_or_a_sender_wrote_is_shown_as_text_and_never_run(
    kept: DeskTab, door: Door, night: Night
) -> None:
    await night.rejected(reason=HOSTILE, comments=HOSTILE)
    key = await night.rejected("catalog.upsert_part", part_id=HOSTILE[:64], name={"en": HOSTILE}, reason=HOSTILE)
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.shows("#letter blockquote", HOSTILE)
        await tab.shows(f'[data-key="{key}"] .reason', HOSTILE)
        await tab.press("Correct")

        assert await tab.page.title() == "(2) Dead letters"
        assert await tab.page.locator("main img, main script, dialog img, dialog script").count() == 0


async def test_names_are_shown_as_they_are_and_only_where_one_thing_is_meant(
    kept: DeskTab, door: Door, night: Night
) -> None:
    alike = PART[:8] + "0" * 18
    await night.name_things({**NAMES, SHELF: "A$$3 $& $'"})
    alone = await night.rejected(comments="constructor")
    await night.name_things({**NAMES, alike: "C-100N"})
    twin = await night.rejected(part_id=alike)
    async with desk(kept, door) as tab:
        await tab.open(alone)
        await tab.shows("#letter", "constructor")
        assert "native code" not in await tab.page.inner_text("#letter")
        # two parts of the list begin alike: a shortened id is left as it is, the letter itself knows which one
        await tab.shows(f'[data-key="{twin}"] .summary', f"{PART[:8]}…")
        await tab.open(twin)
        await tab.shows("#letter h2", "C-100N")


async def test_a_letter_that_is_being_read_stays_when_the_server_stumbles(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.rejected()

    async def stumble(route: Route) -> None:
        await route.fulfill(status=503, json={"code": "unavailable", "detail": "the ledger does not answer"})

    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.page.route("**/v1/dead-letters?*", stumble)
        await tab.page.route(f"**/v1/dead-letters/{key}", stumble)
        async with tab.page.expect_response(f"**/v1/dead-letters/{key}"):
            await night.rejected(part_id="1" * 26)
        await tab.shows("#note", "the ledger does not answer")
        await expect(tab.page.locator("#letter .decide button")).to_have_count(3, timeout=PATIENCE_MS)


async def test_long_and_turned_words_of_others_hide_neither_the_quantity_nor_the_decision(
    kept: DeskTab, door: Door, night: Night
) -> None:
    await night.name_things({**NAMES, PART: "\u202egnorw" + "N" * 10_000})
    key = await night.rejected(reason="x" * 10_000)
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.shows("#letter h2", "remove 5 of part \\u202egnorwNNN")
        for selector in (f'[data-key="{key}"]', "#letter .top", "#letter .happened"):
            # in one step: the list may be drawn anew between finding a row and measuring it
            height = await tab.page.evaluate("(found) => document.querySelector(found).clientHeight", selector)
            assert 0 < height < 300, selector


async def test_evidence_that_no_worker_has_written_so_hides_no_decision(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.rejected()
    odd = {"what": "x", "at_ms": 9_000_000_000_000_000, "after": [1, None], "changes": [{"field": 5}], "exchange": 7}
    await night.redis.rpush(prefix_of("partsbox") + "evidence:" + key, json.dumps(odd))
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.shows(".evidence > li:first-child", "HTTP 400")
        await tab.shows(".evidence > li:last-child", "not as a worker keeps it")
        await expect(tab.page.locator("#letter .decide button")).to_have_count(3, timeout=PATIENCE_MS)


async def test_an_address_that_names_no_letter_is_said_and_left_with_escape(kept: DeskTab, door: Door) -> None:
    async with desk(kept, door, path="#key=..%2F..%2Fa%22b") as tab:
        await tab.shows("#letter .gone", "could not be read")
        await tab.page.keyboard.press("Escape")
        await tab.shows("#letter .empty", "Choose a dead letter")


async def test_filters_narrow_the_list_and_stand_in_the_address(kept: DeskTab, door: Door, night: Night) -> None:
    refused, held, other = await night.rejected(), await night.held(), await night.rejected(part_id="1" * 26)
    async with desk(kept, door) as tab:
        page = tab.page
        await tab.lists(other, held, refused)
        await page.select_option("[name=state]", "rejected")
        await tab.lists(other, refused)
        await page.fill("[name=text]", PART)
        await tab.lists(refused)
        assert "state=rejected" in page.url
        await page.reload()
        await tab.lists(refused)
        assert await page.input_value("[name=text]") == PART

        await page.fill("[name=text]", "nothing like it")
        await tab.shows("#list-state", "No dead letter fits these filters.")
        await page.click("#clear-filters")
        await tab.lists(other, held, refused)

    # and a letter can be passed on by its address
    async with desk(kept, door, path=f"#state=held&key={held}") as tab:
        await tab.lists(held)
        await tab.shows("#letter section:last-child", held)


async def test_a_long_list_is_shown_by_pages(kept: DeskTab, door: Door, night: Night) -> None:
    keys = [await night.rejected(part_id=f"{number:026d}") for number in range(60)]
    newest_first = keys[::-1]
    async with desk(kept, door) as tab:
        await tab.lists(*newest_first[:50])
        await tab.page.focus(f'[data-key="{newest_first[49]}"]')
        await tab.page.keyboard.press("Enter")
        await tab.page.keyboard.press("j")
        await tab.lists(*newest_first)
        await tab.shows("#letter section:last-child", newest_first[50])
        await expect(tab.page.locator("#more")).to_be_hidden(timeout=PATIENCE_MS)


async def test_a_step_beyond_the_list_goes_on_though_a_new_letter_overtakes_it(
    kept: DeskTab, door: Door, night: Night
) -> None:
    """The list was read anew, and the step found itself at its old end."""
    keys = [await night.rejected(part_id=f"{number:026d}") for number in range(51)]
    newest_first = keys[::-1]
    late: list[str] = []

    async def overtake(route: Route) -> None:
        if late:
            await route.continue_()
        else:
            late.append(await night.rejected())

    async with desk(kept, door) as tab:
        await tab.open(newest_first[49])
        await tab.page.route(re.compile("limit=100"), overtake)
        await tab.page.keyboard.press("j")
        await tab.shows("#letter section:last-child", newest_first[50])
        await tab.page.unroute_all()
        await tab.lists(*late, *newest_first)


async def test_the_list_and_the_letter_follow_what_others_do(kept: DeskTab, door: Door, night: Night) -> None:
    first = await night.rejected()
    async with desk(kept, door) as tab:
        await tab.open(first)
        second = await night.rejected(part_id="1" * 26)
        await tab.lists(second, first)
        await tab.shows("#total", "2 in all")
        await night.letters.replay(first, "ada")
        await tab.lists(second)
        await tab.shows("#letter .gone", "No longer a dead letter")


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "dark"), (NARROW, "light")], ids=["wide", "narrow"])
async def test_nothing_is_wider_than_the_screen(
    kept: DeskTab, door: Door, night: Night, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    await night.rejected(reason="W" * 300, comments="W" * 300)
    key = await night.held(comments="W" * 300)
    async with desk(kept, door, size, scheme=scheme) as tab:
        assert await tab.overflow() == 0
        await tab.open(key)
        assert await tab.overflow() == 0
        for words in ("Replay", "Correct", "Discard"):
            await tab.press(words)
            wide = "document.getElementById('ask').scrollWidth - document.getElementById('ask').clientWidth"
            assert await tab.page.evaluate(wide) == 0
            await tab.page.click("#ask-no")
            await expect(tab.page.locator("#ask")).to_be_hidden(timeout=PATIENCE_MS)
        if size == NARROW:
            await expect(tab.page.locator("#letters")).to_be_hidden(timeout=PATIENCE_MS)
            await tab.page.click(".back")
            await expect(tab.page.locator("#letters")).to_be_visible(timeout=PATIENCE_MS)
            await expect(tab.page.locator("#letter")).to_be_hidden(timeout=PATIENCE_MS)
