"""`/station` in a real browser: the flows of the terminal, an outbox that loses nothing, one sender at a time."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from producers.scanner.commands import sheet_codes
from producers.webhooks.health import Readiness
from tasks.records import State
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.integration.command_api_harness import serving
from tests.integration.ledger_harness import Desk as LedgerDesk
from tests.integration.station_page_harness import (
    CHROMIUM,
    NETWORK_NEWS,
    PATIENCE_MS,
    Tab,
    open_tab,
    station,
    stock,
)
from tests.integration.station_page_play import OWN_CODES, PLAY, is_read_alike, step, told, without_raw
from tests.unit.station_desk import FLOWS, START_MS, raw_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey
    from tests.integration.command_api_harness import Door

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
]
LABELS = json.loads((Path(__file__).parents[1] / "fixtures" / "labels.json").read_text())["labels"]
SHELF, BIN, OPAMP = (FLOWS["things"][name]["id"] for name in ("shelf", "bin", "opamp"))


@pytest_asyncio.fixture(loop_scope="module")
async def ledger(valkey: SharedValkey) -> AsyncIterator[Redis]:
    client = open_redis(valkey.url)
    await stock(client)
    yield client
    await client.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def door(ledger: Redis) -> AsyncIterator[Door]:
    async with serving(Submitter(ledger), Readiness(ledger), redis=ledger) as served:
        yield served


async def test_every_scenario_says_and_stores_in_the_browser_what_it_does_at_the_terminal(
    browser: Browser, door: Door
) -> None:
    scenarios = [[step(one["scan"]) for one in each["steps"]] for each in FLOWS["scenarios"]]
    async with station(browser, door) as tab:
        played = await tab.page.evaluate(PLAY, {"scenarios": scenarios, "start": START_MS})

    found = {
        each["name"]: [
            told(one["scan"], came["feedback"], came["stored"]) for one, came in zip(each["steps"], steps, strict=True)
        ]
        for each, steps in zip(FLOWS["scenarios"], played, strict=True)
    }
    assert found == {each["name"]: each["steps"] for each in FLOWS["scenarios"]}


async def test_what_the_page_reads_without_asking_it_reads_as_the_terminal_does(browser: Browser, door: Door) -> None:
    codes = [each.text for each in sheet_codes()]
    damaged = [code[:at] + code[at + 1 :] for code in codes[:8] for at in range(len(code))]
    swapped = [code[:-1] + "X" for code in codes]
    labels = [each["raw"] for each in LABELS] + [SHELF[:-1], "1" * 26, "i" * 26, "", "]", "\ufeff", "123456789"]
    scans = [*OWN_CODES, *damaged, *swapped, *labels]
    read = """
    async (scans) => {
      const base = document.querySelector("script[type=module]").src;
      const { CodeReader } = await import(new URL("codes.js", base));
      const reader = new CodeReader(await (await fetch(new URL("table.json", base))).json());
      return scans.map((scan) => reader.read(scan));
    }
    """
    async with station(browser, door) as tab:
        found = await tab.page.evaluate(read, scans)

    differing = [
        (scan, each) for scan, each in zip(scans, found, strict=True) if not is_read_alike(scan, without_raw(each))
    ]
    assert differing == []


async def _in_ledger(tab: Tab, door: Door, count: int) -> list[dict[str, Any]]:
    """Give the first entries of the page's outbox once they are sent, with the ledger's record of each."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while len(rows := [row for row in await tab.outbox() if row["key"]]) < count:
            await tab.page.wait_for_timeout(50)
    for row in rows:
        _, _, row["record"] = await door.get(f"/v1/commands/{row['key']}")
    return rows


async def test_a_receive_and_a_move_typed_by_a_scanner_are_in_the_ledger_and_the_page_hears_what_became_of_them(
    browser: Browser, door: Door, ledger: Redis
) -> None:
    hands = LedgerDesk.at(ledger)
    async with station(browser, door) as tab:
        await tab.wedge("*Ada", "!RECEIVE", "#bag", "@shelf")
        await tab.says("RECEIVED 3 x MC34063ADR → A-03-2")
        sounds = await tab.page.evaluate("heard")
        await tab.wedge("!MOVE", "@shelf", "@opamp", "=5", end="Tab")
        await tab.wedge("@bin")
        received, moved = await _in_ledger(tab, door, 2)
        await hands.finish(received["key"], State.APPLIED)
        await hands.finish(moved["key"], State.HELD)
        await tab.shows("#results .state", ["HELD", "booked"])
        await tab.shows("#results .summary >> nth=0", re.compile("the vendor's words"))
        late = await tab.page.evaluate("heard")
        durabilities = await tab.page.evaluate("[...durabilities]")

    assert received["record"]["kind"] == "stock.add"
    assert (received["body"]["quantity"], received["body"]["storage_id"]) == (3, SHELF)
    assert received["body"]["comments"] == "by Ada"
    assert moved["record"]["kind"] == "stock.move"
    assert [moved["body"][name] for name in ("part_id", "from_storage_id", "to_storage_id", "quantity")] == [
        OPAMP,
        SHELF,
        BIN,
        5,
    ]
    assert moved["body"]["stock_timestamp"] > received["body"]["stock_timestamp"]
    assert sounds == [1320]  # nothing but the one that says stored
    assert late[-3:] == [520, 390, 260]
    assert durabilities == ["strict"]
    assert tab.complaints == []
    assert {urlsplit(url).hostname for url in tab.asked} == {"127.0.0.1"}


async def test_scans_without_a_network_are_kept_over_a_reload_and_arrive_once_and_in_order(
    browser: Browser, door: Door
) -> None:
    async with station(browser, door) as tab:
        await tab.wedge("!ADD", "@opamp", "=1", "@bin")
        await _in_ledger(tab, door, 1)
        await tab.page.context.set_offline(True)
        await tab.wedge("@opamp", "=2", "@bin", "#bag")
        await tab.says("NOT TAKEN: offline: scan the PartsBox l…")
        await tab.shows("#link", "OFFLINE 1 waiting")
        await tab.page.reload()
        await tab.says("STATION ST-01 READY")
        await tab.wedge("!ADD", "@opamp", "=3", "@bin", "@opamp", "=4", "@bin", "!UNDO")
        await tab.says("UNDONE: ADDED 4 x LM358BIDDFR → B-11")
        await tab.wedge("@opamp", "=5", "@bin")
        await tab.shows("#link", "OFFLINE 3 waiting")
        await tab.page.context.set_offline(False)
        await tab.shows("#link", "all delivered")
        rows = await _in_ledger(tab, door, 4)
        states = {row["body"]["quantity"]: row["state"] for row in await tab.outbox()}

    accepted = sorted(rows, key=lambda row: (row["record"]["accepted_ms"], row["seq"]))
    assert [row["body"]["quantity"] for row in accepted] == [1, 2, 3, 5]
    assert all(row["record"]["kind"] == "stock.add" for row in rows)
    assert states == {1: "sent", 2: "sent", 3: "sent", 4: "withdrawn", 5: "sent"}
    moments = [row["stock_timestamp"] for row in rows]
    assert moments == sorted(set(moments))
    assert [text for text in tab.complaints if NETWORK_NEWS not in text] == []


async def test_two_tabs_share_one_outbox_and_only_one_of_them_sends(browser: Browser, door: Door) -> None:
    async with station(browser, door) as first:
        second = await open_tab(first.page.context, door)
        await second.says("STATION ST-01 READY")
        sent: list[Any] = []
        first.page.context.on(
            "request", lambda request: sent.append(request.post_data_json) if "/v1/scans" in request.url else None
        )
        for tab in (first, second):
            await tab.wedge("!ADD")
        for number in range(1, 5):
            await asyncio.gather(*(tab.wedge("@opamp", f"={number}", "@bin") for tab in (first, second)))
        rows = await _in_ledger(first, door, 8)
        senders = [any("/v1/scans" in url for url in tab.asked) for tab in (first, second)]
        await first.page.close()
        await second.wedge("@opamp", "=9", "@bin")
        rows = await _in_ledger(second, door, 9)

    moments = [row["stock_timestamp"] for row in rows]
    assert moments == sorted(set(moments))
    assert [body["stock_timestamp"] for batch in sent for body in batch] == moments
    assert senders == [True, False]
    assert sorted(row["body"]["quantity"] for row in rows) == [1, 1, 2, 2, 3, 3, 4, 4, 9]


async def test_the_moments_of_commands_only_grow_whatever_the_clock_does(browser: Browser, door: Door) -> None:
    take_moments = """
    async (clocks) => {
      const { Disk } = await import(new URL("disk.js", document.querySelector("script[type=module]").src));
      const moments = [];
      for (const now of clocks) {
        const disk = await Disk.open("moments");
        moments.push(await disk.change((change) => change.moment(now)));
        disk.close();
      }
      return moments;
    }
    """
    async with station(browser, door) as tab:
        moments = await tab.page.evaluate(take_moments, [100, 100, 50, 200, 0])

    assert moments == [100, 101, 102, 200, 201]


async def test_a_full_disk_is_said_loudly_and_the_same_scan_goes_on_once_there_is_room(
    browser: Browser, door: Door
) -> None:
    async with station(browser, door) as tab:
        await tab.wedge("!ADD", "@opamp", "=1")
        await tab.page.evaluate("diskIsFull = true")
        await tab.wedge("@bin")
        await tab.says("NOT STORED, CALL FOR HELP")
        heard = await tab.page.evaluate("heard")
        kept = await tab.outbox()
        await tab.page.evaluate("diskIsFull = false")
        await tab.wedge("@shelf")
        await tab.says("ADDED 1 x LM358BIDDFR → A-03-2")

    assert (heard, kept) == ([220, 220], [])


async def test_undo_cancels_what_nobody_began_and_books_the_opposite_of_what_is_booked(
    browser: Browser, door: Door, ledger: Redis
) -> None:
    hands = LedgerDesk.at(ledger)
    async with station(browser, door) as tab:
        await tab.wedge("!MOVE", "@shelf", "@opamp", "=1", "@bin", "@shelf", "@regulator", "=2", "@bin")
        await tab.wedge("@shelf", "@terminal", "=3", "@bin")
        booked, begun, free = await _in_ledger(tab, door, 3)
        await hands.finish(booked["key"], State.APPLIED)
        owner = await hands.sent(begun["key"])
        await tab.wedge("!UNDO")
        await tab.says(re.compile("^UNDONE: MOVED 3 x"))
        await tab.page.get_by_role("button", name="CANCEL").click()
        await tab.says("NOTHING TO CANCEL")
        await _undo_again(tab)
        await tab.says(re.compile("^UNDO WAITS: MOVED 2 x"))
        await _undo_again(tab)
        await tab.says(re.compile("^TAKING BACK: MOVED 1 x"))
        await _in_ledger(tab, door, 4)
        await hands.ledger.settle(begun["key"], owner, State.APPLIED, reason="")
        rows = await _in_ledger(tab, door, 5)
        _, _, cancelled = await door.get(f"/v1/commands/{free['key']}")

    opposites = {row["body"]["quantity"]: row["body"] for row in rows[3:]}
    assert cancelled["state"] == "cancelled"
    assert sorted(opposites) == [1, 2]
    for body in opposites.values():
        assert (body["from_storage_id"], body["to_storage_id"]) == (BIN, SHELF)
        assert body["comments"].startswith("UNDO MOVED")


async def _undo_again(tab: Tab) -> None:
    """Press the button, which bounces like a scanner's trigger: until it is taken."""
    before = await tab.page.evaluate("taken")
    while await tab.page.evaluate("taken") == before:
        await tab.page.get_by_role("button", name="UNDO").click()
        await tab.page.wait_for_timeout(800)


@pytest.mark.parametrize("separator", ["Control+]", "Alt+029", "\u241d"])
async def test_separators_come_as_keys_however_slowly_and_wherever_the_focus_is(
    browser: Browser, door: Door, separator: str
) -> None:
    async with station(browser, door) as tab:
        await tab.wedge("!ADD")
        await tab.page.get_by_role("button", name="MOVE", exact=True).focus()
        for part in raw_of("#bag").decode().strip("\x1e\x04").replace("\x1e", "").split("\x1d"):
            await tab.page.keyboard.type(part, delay=5)
            if separator == "Alt+029":
                await tab.page.keyboard.down("Alt")
                for digit in "029":
                    await tab.page.keyboard.press(f"Numpad{digit}")
                await tab.page.keyboard.up("Alt")
            elif separator == "Control+]":
                await tab.page.keyboard.press(separator)
            else:
                await tab.page.keyboard.insert_text(separator)
        await tab.page.keyboard.press("Enter")
        await tab.says("3 x MC34063ADR")


async def test_the_page_works_after_a_login_only_and_a_wrong_token_istold(browser: Browser, door: Door) -> None:
    context = await browser.new_context()
    try:
        tab = await open_tab(context, door)
        await tab.log_in("invented-token-of-nobody")
        await tab.shows("#login-problem", "This token is not known.")
        await tab.log_in()
        await tab.says("STATION ST-01 READY")
        (cookie,) = await context.cookies()
        seen_by_scripts = await tab.page.evaluate("document.cookie")
        await context.clear_cookies()
        await tab.page.reload()
        await tab.shows("#link", "LOG IN 0 waiting")
        await tab.page.get_by_role("button", name="Log in").click()
        await tab.log_in()
        await tab.shows("#link", "all delivered")
        await tab.page.get_by_role("button", name="Log out").click()
        await tab.page.wait_for_selector("#token:visible")
        left = await context.cookies()
    finally:
        await context.close()

    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert (seen_by_scripts, left) == ("", [])


async def test_the_policy_lets_no_script_or_connection_but_the_pages_own_through(browser: Browser, door: Door) -> None:
    async with station(browser, door) as tab:
        before = list(tab.complaints)
        ran = await tab.page.evaluate(
            """async () => {
              const script = document.createElement("script");
              script.text = "window.ran = 1";
              document.body.append(script);
              const sent = await fetch("http://127.0.0.2:9/").then(() => "sent", () => "held back");
              return [window.ran ?? null, sent];
            }"""
        )

    assert (before, ran) == ([], [None, "held back"])
    assert sum("Content Security Policy" in text for text in tab.complaints) >= 2
