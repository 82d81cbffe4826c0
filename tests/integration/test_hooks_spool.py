"""Webhooks and commands while Redis is away: on disk before the answer, in the ledger afterwards, once and in order."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from producers.outbox import Outbox, OutboxState
from producers.webhooks import spool as spool_module
from producers.webhooks.spool import Intake
from tests.integration.hooks_harness import BEARER, CONFIG, PATIENCE_SECONDS, TOKEN, part_number, picked, serving_hooks
from tests.unit.webhook_senders import github

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeValkey
    from tests.integration.hooks_harness import HookDoor
    from tests.valkey import ValkeyServer

AT_MS = 1_790_000_000_000
MOVE = {
    "kind": "stock.move",
    "part_id": "p" * 26,
    "from_storage_id": "a" * 26,
    "to_storage_id": "b" * 26,
    "quantity": 5,
    "stock_timestamp": AT_MS,
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/rack", "type": "picked"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.results.BACKOFF_MAX_SECONDS", 0.5)


async def ask(door: HookDoor, **changes: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    key = changes.pop("idempotency_key", None)
    if key:
        headers["Idempotency-Key"] = key
    return await door.request("/v1/commands", json.dumps({**MOVE, **changes}).encode(), headers)


def starts(server: ValkeyServer) -> asyncio.Future[Any]:
    return asyncio.ensure_future(asyncio.to_thread(server.start))


async def test_every_202_is_in_the_ledger_once_and_in_order_when_redis_is_back(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    sent: dict[str, list[int]] = defaultdict(list)
    stopped, enough = asyncio.Event(), asyncio.Event()

    async def send(door: HookDoor, part: str) -> None:
        quantity = 0
        while not enough.is_set():
            quantity += 1
            status = 0
            while status not in (200, 202):
                status, _, _ = await door.repo(picked(quantity, part), f"{part}-{quantity}")
            sent[part].append(quantity)
            if quantity == 5:
                stopped.set()

    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        senders = [asyncio.create_task(send(door, part_number(number))) for number in range(8)]
        await stopped.wait()
        server.kill()
        while door.intake.waiting < 40:  # noqa: ASYNC110  the spool has no event for it
            await asyncio.sleep(0.02)
        await starts(server)
        await door.until_drained()
        enough.set()
        await asyncio.gather(*senders)
        await door.until_drained()
        accepted = await door.accepted()
        laned = {part: await door.lane(part) for part in sent}

    assert sum(map(len, sent.values())) == len(accepted)
    assert {part: [accepted[key]["quantity"] for key in keys] for part, keys in laned.items()} == sent


async def test_an_event_that_came_before_redis_went_is_the_same_command_after_it(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        _, _, before = await door.repo(picked(), "first")
        server.kill()
        status, _, spooled = await door.repo(picked(), "first")
        again, headers, twice = await door.repo(picked(), "first")
        await starts(server)
        await door.until_drained()
        back, _, after = await door.repo(picked(), "first")
        accepted = await door.accepted()
        shown = await door.command(spooled["commands"][0]["key"])

    assert (status, spooled["commands"][0]["state"]) == (202, "spooled")
    assert (again, headers["Idempotency-Replayed"]) == (200, "true")
    assert twice["commands"][0]["key"] == spooled["commands"][0]["key"]
    assert (back, after["commands"][0]["key"]) == (200, before["commands"][0]["key"])
    assert list(accepted) == [before["commands"][0]["key"]]
    # what was told while Redis was away leads to the command all the same
    assert (shown[0], shown[1]["key"]) == (200, before["commands"][0]["key"])


async def test_a_spooled_command_says_so_until_the_ledger_has_it(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        status, headers, answer = await ask(door)
        waiting = await door.command(answer["key"])
        again, _, second = await ask(door)
        other, _, problem = await ask(door, comments="something else")
        await starts(server)
        await door.until_drained()
        shown = await door.command(answer["key"])

    assert (status, answer["state"], answer["duplicate"]) == (202, "spooled", False)
    assert headers["Location"] == f"/v1/commands/{answer['key']}"
    assert (waiting[0], waiting[1]["state"], waiting[1]["kind"]) == (200, "spooled", "stock.move")
    assert (again, second["duplicate"]) == (200, True)
    assert (other, problem["code"]) == (422, "key-reused")
    assert (shown[0], shown[1]["state"]) == (200, "ready")


async def test_what_comes_while_the_spool_is_not_empty_goes_behind_it(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    part = part_number(1)
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        for number in range(1, 4):
            await door.repo(picked(number, part), str(number))
        frozen = door.intake._delivery
        frozen_most, frozen._most = frozen._most, 0  # it looks at nothing until it is let go
        await starts(server)
        status, _, answer = await door.repo(picked(4, part), "4")
        frozen._most = frozen_most
        frozen.wake()
        await door.until_drained()
        status_after, _, direct = await door.repo(picked(5, part), "5")
        keys = await door.lane(part)
        accepted = await door.accepted()

    assert (status, answer["commands"][0]["state"]) == (202, "spooled")
    assert (status_after, direct["commands"][0]["state"]) == (202, "waiting")
    assert [accepted[key]["quantity"] for key in keys] == [1, 2, 3, 4, 5]


async def test_a_full_spool_says_when_to_come_again_and_keeps_what_it_has(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    server.kill()
    taken = 0
    async with serving_hooks(tmp_path, server.url, spool_bytes=200_000) as door, asyncio.timeout(PATIENCE_SECONDS):
        status = 202
        while status == 202:
            status, headers, problem = await door.repo(picked(1, part_number(taken)), str(taken))
            taken += status == 202
        held, _, _ = await door.repo(b"not json" * 500, "held")
        await starts(server)
        await door.until_drained()
        accepted = await door.accepted()
        again, _, _ = await door.repo(picked(1, part_number(taken)), str(taken))

    assert (status, problem["code"], headers["Retry-After"]) == (503, "spool-full", "5")
    assert held == 503
    assert len(accepted) == taken > 10
    assert again == 202


async def test_what_is_held_while_redis_is_away_is_held_afterwards(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        status, _, answer = await door.repo(b"not json", "h-1")
        again, _, _ = await door.repo(b"not json", "h-1")
        unknown, _ = await door.command(answer["held"][0])
        await starts(server)
        await door.until_drained()
        (held,) = await door.held.all()

    assert (status, again) == (202, 200)
    assert unknown in (404, 503)
    assert (held.id, held.body) == (answer["held"][0], b"not json")


async def test_a_delivery_that_says_something_else_while_redis_is_away_is_held_and_not_called_a_duplicate(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    told = CONFIG.replace('"event.quantity" }', '"event.quantity", comments = "event.note" }')
    async with serving_hooks(tmp_path, server.url, config=told) as door:
        server.kill()
        first = await door.repo(picked(1, note="first"))
        other = await door.repo(picked(1, note="second"))
        again = await door.repo(picked(1, note="first"))
        await starts(server)
        await door.until_drained()

        assert (first[0], other[0], again[0]) == (202, 202, 200)
        assert [command["comments"] for command in (await door.accepted()).values()] == ["first"]
        (held,) = await door.held.all()
        assert (other[2]["held"], json.loads(held.body)["note"]) == ([held.id], "second")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (
            json.dumps({**EVENT, "data": {"kind": "picked", "part": "p" * 26, "quantity": ["\ud800"]}}),
            "+json",
        ),
        ("{}", "+json\udcff"),
    ],
    ids=["half a character in the event", "a header that is no text"],
)
async def test_words_that_no_database_takes_are_held_while_redis_is_away(
    tmp_path: Path, make_valkey: MakeValkey, body: str, content_type: str
) -> None:
    server = make_valkey()
    config = CONFIG.replace('"event.data.quantity"', '"sum(event.data.quantity)"')
    headers = {"Authorization": f"Bearer {BEARER}", "Content-Type": f"application/cloudevents{content_type}"}
    async with serving_hooks(tmp_path, server.url, config=config) as door:
        server.kill()
        status, _, answer = await door.request("/v1/events", body.encode(), headers)
        await starts(server)
        await door.until_drained()

        assert (status, answer["held"]) == (202, [held.id for held in await door.held.all()])


async def test_the_ledgers_refusal_of_a_spooled_command_is_shown_and_the_others_go_on(
    tmp_path: Path, make_valkey: MakeValkey, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_valkey()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        await ask(door, idempotency_key="k-1")
        server.kill()
        _, _, conflicting = await ask(door, idempotency_key="k-1", stock_timestamp=AT_MS + 1)
        _, _, good = await ask(door, stock_timestamp=AT_MS + 2)
        await starts(server)
        await door.until_drained()
        refused, shown = await door.command(conflicting["key"])
        accepted = await door.accepted()

    assert (refused, shown["state"]) == (200, "refused")
    assert "used for a different command" in shown["reason"]
    assert good["key"] in accepted
    assert conflicting["key"] not in accepted
    assert any(record.getMessage() == "spool.refused" for record in caplog.records)


async def test_a_server_that_dies_with_a_spool_goes_on_with_it(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        _, _, first = await door.repo(picked(), "a")
    nobody: Any = None
    with Outbox(tmp_path / "spool.sqlite3", "webhooks", min_free_bytes=0) as outbox:
        assert outbox.counts() == {OutboxState.STORED: 1}
        # before anything is asked of it: what is new must go behind that
        assert Intake(nobody, nobody, nobody, nobody, outbox).waiting == 1

    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        status, _, again = await door.repo(picked(), "a")
        assert door.intake.waiting == 1
        await starts(server)
        await door.until_drained()
        accepted = await door.accepted()

    assert (status, again["commands"][0]["key"]) == (200, first["commands"][0]["key"])
    assert list(accepted) == [first["commands"][0]["key"]]


async def test_a_redis_that_hangs_makes_nobody_wait_for_long(
    tmp_path: Path, make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "LEDGER_SECONDS", 0.2)
    server = make_valkey()
    async with serving_hooks(tmp_path, server.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        await door.repo(picked(), "a")
        server.stop_signal()
        body = picked()
        answers = await asyncio.gather(
            *[door.request("/v1/hooks/repo", body, github(body, id_=str(number))) for number in range(20)]
        )
        server.cont()
        await door.until_drained()
        accepted = await door.accepted()

    assert [status for status, _, _ in answers] == [202] * 20
    assert len(accepted) == 21
