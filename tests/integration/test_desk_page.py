"""`/dead-letters` in a real browser: what a person sees, and that nothing is done before it was asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from producers.webhooks.health import Readiness
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.integration.command_api_harness import ROLE_TOKENS, STATION_TOKEN, move, serving
from tests.integration.desk_harness import PART, Night
from tests.integration.desk_page_harness import NARROW, WIDE, DeskTab, desk, new_tab, open_desk
from tests.integration.station_page_harness import CHROMIUM, FLAGS, PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Route

    from tests.conftest import SharedValkey
    from tests.integration.command_api_harness import Door

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
]
BY: Final = "operate-only"
HOSTILE: Final = '<img src="x" onerror="document.title=1"><script>document.title=2</script>'


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS, chromium_sandbox=False
        )
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kept(browser: Browser) -> AsyncIterator[DeskTab]:
    """One tab for all tests that do not care who was logged in before: a browser takes its time to make a new one."""
    tab = await new_tab(browser)
    yield tab
    await tab.page.context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def night(valkey: SharedValkey) -> AsyncIterator[Night]:
    client = open_redis(valkey.url)
    found = Night(client)
    await found.name_things()
    yield found
    await client.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def door(night: Night) -> AsyncIterator[Door]:
    async with serving(Submitter(night.redis), Readiness(night.redis), redis=night.redis) as served:
        yield served


async def _decided(night: Night, key: str) -> dict[str, Any]:
    """Give the last entry of a command's evidence."""
    return (await night.ledger().evidence(key))[-1]


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
        await tab.press("Replay")
        await tab.page.click("#ask-yes")

        await expect(tab.page.locator("#login")).to_be_visible(timeout=PATIENCE_MS)
        assert await night.state(key) == "rejected"
        await tab.log_in()
        await tab.shows("#letter .decide", "Replay")


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
        await tab.page.click("#more")
        await tab.lists(*newest_first)
        await expect(tab.page.locator("#more")).to_be_hidden(timeout=PATIENCE_MS)


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


# deciding


async def test_a_replay_is_asked_about_first_and_followed_to_its_end(kept: DeskTab, door: Door, night: Night) -> None:
    key = await night.rejected()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Replay")
        await tab.shows("#ask", "the part's stock history is searched for its marker")
        await expect(tab.page.locator("#ask-no")).to_be_focused(timeout=PATIENCE_MS)
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#ask")).to_be_hidden(timeout=PATIENCE_MS)
        assert await night.state(key) == "rejected"

        await tab.press("Replay")
        await tab.says_yes()
        await tab.lists()
        await tab.shows("#list-state", "No dead letters. Nothing needs a decision.")
        assert (await _decided(night, key))["by"] == BY
        await tab.shows("#decided", "replayed → ready")
        await night.apply(key)
        await tab.shows("#decided", "replayed → applied ✓")


async def test_the_place_in_the_lane_is_chosen(kept: DeskTab, door: Door, night: Night) -> None:
    rejected = await night.rejected()
    running, waiting = await night.admit(), await night.admit()
    async with desk(kept, door) as tab:
        await tab.open(rejected)
        await tab.press("Replay")
        await tab.page.check("#ask [value=head]")
        await tab.says_yes()

    _, lane = await night.ledger().lane(f"part:{PART}", 10)
    assert list(lane) == [running, rejected, waiting]


async def test_a_held_one_goes_to_the_tail_when_that_is_chosen(kept: DeskTab, door: Door, night: Night) -> None:
    held = await night.held()
    behind = await night.admit()
    async with desk(kept, door) as tab:
        await tab.open(held)
        await tab.press("Replay")
        await tab.shows("#ask .warning", "booked it by hand")
        await tab.page.check("#ask [value=tail]")
        await tab.says_yes()

    _, lane = await night.ledger().lane(f"part:{PART}", 10)
    assert list(lane) == [behind, held]


async def test_a_discard_needs_a_reason_and_is_kept_with_it(kept: DeskTab, door: Door, night: Night) -> None:
    key = await night.held()
    behind = await night.admit()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Discard")
        await tab.shows("#ask", "1 command that waits behind it will run now.")
        await tab.page.click("#ask-yes")
        assert await tab.page.locator("#ask input:invalid").count() == 1
        assert await night.state(key) == "held"
        await tab.page.fill("#ask input", "booked by hand")
        await tab.says_yes()
        await tab.lists()

    assert await night.state(behind) == "ready"
    last = await _decided(night, key)
    assert (last["what"], last["by"], last["reason"]) == ("discarded", BY, "booked by hand")


async def test_a_correction_is_shown_as_a_difference_before_it_is_kept(kept: DeskTab, door: Door, night: Night) -> None:
    key = await night.rejected()
    async with desk(kept, door) as tab:
        page = tab.page
        await tab.open(key)
        await tab.press("Correct")
        await page.click("#ask-yes")
        await tab.shows("#ask > form > .problem", "Nothing was changed.")
        await page.fill("#ask [name=quantity]", "many")
        await page.click("#ask-yes")
        await tab.shows("#problem-quantity", "integer")
        await page.fill("#ask [name=quantity]", "3")
        await page.click("#ask-yes")

        await expect(page.locator("#ask .diff tbody tr")).to_have_count(1, timeout=PATIENCE_MS)
        await tab.shows("#ask .diff del", "5")
        await tab.shows("#ask .diff ins", "3")
        record = await night.ledger().find(key)
        assert record is not None
        assert record.corrected is None
        await tab.says_yes()
        await tab.shows("#letter .corrected", f"Corrected by {BY}")
        await tab.shows("#letter .was", "originally 5")
        assert await night.state(key) == "rejected"
        await tab.press("Replay")
        await tab.says_yes()
        await tab.lists()

    assert '"quantity": 3' in (await _command(night, key))


async def test_a_correction_is_replayed_at_once_when_that_is_chosen(kept: DeskTab, door: Door, night: Night) -> None:
    key = await night.held()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Correct")
        await tab.page.fill("#ask [name=part_id]", "1" * 26)
        await tab.page.click("#ask-yes")
        await tab.shows("#ask .warning", "It leaves its lanes")
        await tab.page.check("#ask [value=replay]")
        await tab.shows("#ask-yes", "Replay corrected")
        await tab.says_yes()
        await tab.lists()

    _, lane = await night.ledger().lane(f"part:{'1' * 26}", 10)
    assert list(lane) == [key]


async def test_a_decision_about_what_somebody_changed_meanwhile_is_not_done(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.rejected()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Replay")
        await night.letters.edit(key, "ada", {"quantity": 500})
        await tab.page.click("#ask-yes")
        await tab.shows("#ask > form > .problem", "changed since it was looked at")
        await tab.page.click("#ask-no")
        assert await night.state(key) == "rejected"


async def test_an_answer_that_is_lost_is_said_and_the_letter_looked_at_again(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.rejected()

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Replay")
        await tab.page.route("**/replay", lose)
        await tab.page.click("#ask-yes")
        await tab.shows("#ask > form > .problem", "It is not known whether this was done")
        assert await night.state(key) == "ready"
        await tab.page.click("#ask-no")
        await tab.lists()


# many at once


async def test_a_bulk_replay_is_counted_first_shown_with_its_progress_and_cancelled(
    kept: DeskTab, door: Door, night: Night
) -> None:
    for number in range(4):
        await night.rejected(part_id=f"{number:026d}")
    await night.held()
    async with desk(kept, door) as tab:
        page = tab.page
        await page.select_option("[name=state]", "rejected")
        await page.click("#redrive-open")
        await tab.shows("#ask .what", "rejected")
        await tab.shows("#ask .counted", "4 dead letters (4 at PartsBox) will be replayed")
        await page.fill("#ask input[type=number]", "0.5")
        await tab.shows("#ask", "Takes about 8 s")
        await tab.says_yes()

        await tab.shows("#redrives .redrive", "0 of 4 replayed")
        await tab.shows("#redrives .redrive", f"0.5 a second · by {BY}")
        moved = await night.ledger().move_redrives()
        assert moved.replayed == 1
        await tab.shows("#redrives .redrive", "1 of 4 replayed")
        await expect(tab.rows()).to_have_count(3, timeout=PATIENCE_MS)
        await page.locator("#redrives .redrive button").click()
        await tab.shows("#ask", "What has not stays a dead letter.")
        await tab.says_yes()
        await tab.shows("#redrives .redrive", f"cancelled by {BY}: 3 stay here")
        await expect(page.locator("#redrives button")).to_have_count(0, timeout=PATIENCE_MS)


# keys, and screens of every size


async def test_everything_can_be_done_from_the_keyboard(kept: DeskTab, door: Door, night: Night) -> None:
    older, newer = await night.rejected(), await night.rejected(part_id="1" * 26)
    async with desk(kept, door) as tab:
        keys = tab.page.keyboard
        await tab.lists(newer, older)
        await keys.press("j")
        await keys.press("j")
        await tab.shows("#letter section:last-child", older)
        await keys.press("Enter")
        await expect(tab.page.locator("#letter")).to_be_focused(timeout=PATIENCE_MS)
        await keys.press("d")
        await keys.type("old")
        await keys.press("Enter")
        await tab.lists(newer)
        await tab.shows("#letter section:last-child", newer)
        await keys.press("r")
        await expect(tab.page.locator("#ask")).to_be_visible(timeout=PATIENCE_MS)
        await keys.press("Escape")
        await expect(tab.page.locator("#ask")).to_be_hidden(timeout=PATIENCE_MS)
        await keys.press("r")
        await keys.press("Tab")
        await keys.press("Enter")
        await tab.lists()
        await keys.press("/")
        await keys.type("r?")
        assert await tab.page.input_value("[name=text]") == "r?"

    assert [await night.state(key) for key in (older, newer)] == ["rejected", "ready"]
    assert (await _decided(night, older))["reason"] == "old"


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


async def _command(night: Night, key: str) -> str:
    record = await night.ledger().find(key)
    assert record is not None
    return record.command.replace('":', '": ')
