"""`/dead-letters` in a real browser: what a person decides, and that nothing is done before it was asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.integration.desk_harness import PART, Night
from tests.integration.desk_page_harness import BY, DeskTab, desk
from tests.integration.station_page_harness import CHROMIUM, PATIENCE_MS

if TYPE_CHECKING:
    from playwright.async_api import Route

    from tests.integration.command_api_harness import Door

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
]


async def _decided(night: Night, key: str) -> dict[str, Any]:
    """Give the last entry of a command's evidence."""
    return (await night.ledger().evidence(key))[-1]


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


async def test_a_held_one_whose_kept_correction_leaves_its_lane_is_offered_no_place_that_would_be_refused(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.held()
    await night.letters.edit(key, "ada", {"part_id": "1" * 26})
    first = await night.admit(part_id="1" * 26)
    second = await night.admit(part_id="1" * 26)
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Replay")
        offered = tab.page.locator("#ask [name=at]")
        assert [await each.get_attribute("value") for each in await offered.all()] == ["head", "tail"]
        await tab.says_yes()
        await tab.lists()

    _, lane = await night.ledger().lane(f"part:{'1' * 26}", 10)
    assert list(lane) == [first, key, second]


async def test_a_correction_that_was_half_typed_outlives_the_session(kept: DeskTab, door: Door, night: Night) -> None:
    key = await night.rejected()
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Correct")
        await tab.page.fill("#ask [name=quantity]", "3")
        await tab.page.context.clear_cookies()
        # the page may have asked for the login by itself meanwhile, which then lies over the form
        await tab.page.dispatch_event("#ask-yes", "click")
        await expect(tab.page.locator("#login")).to_be_visible(timeout=PATIENCE_MS)
        await tab.log_in()
        await expect(tab.page.locator("#login")).to_be_hidden(timeout=PATIENCE_MS)

        assert await tab.page.input_value("#ask [name=quantity]") == "3"
        await tab.page.click("#ask-yes")
        await tab.shows("#ask .diff ins", "3")
        await tab.says_yes()
        await tab.shows("#letter .corrected", f"Corrected by {BY}")


async def test_a_text_that_no_line_can_hold_is_not_corrected_by_opening_the_form(
    kept: DeskTab, door: Door, night: Night
) -> None:
    key = await night.held(vendor_sku="one\ntwo")
    async with desk(kept, door) as tab:
        await tab.open(key)
        await tab.press("Correct")
        await tab.page.click("#ask-yes")
        await tab.shows("#ask > form > .problem", "Nothing was changed.")
        await tab.page.click("#ask-no")


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


# by keys alone


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


async def _command(night: Night, key: str) -> str:
    record = await night.ledger().find(key)
    assert record is not None
    return record.command.replace('":', '": ')
