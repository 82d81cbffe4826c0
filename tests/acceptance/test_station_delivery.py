"""`stockrelay-station` as a process: killed, cut off, refused, restarted; every stored entry arrives exactly once."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tasks.registry import parse_command
from tests.acceptance.station_harness import (
    BIN,
    COMMAND,
    CONFIRM,
    MOVE,
    ORDER,
    RECEIVE,
    SHELF,
    TOKEN,
    UNDO,
    Bench,
    FakeRelay,
    moves,
    part,
    pieces,
)
from tests.process import Process, accepts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import SharedValkey


async def test_every_entry_arrives_once_and_in_order_and_the_exit_code_is_0(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving():
        code, station = await bench.play(moves(0, 50))

    assert code == 0
    assert relay.parts == list(range(50))
    assert len(relay.arrivals) == 50
    assert station.stored == station.news("sent") == list(relay.accepted)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_station_killed_25_times_under_load_loses_and_doubles_nothing(bench: Bench, relay: FakeRelay) -> None:
    program = (sys.executable, "-m", "tests.acceptance.station_kills", "25")
    arguments = bench.arguments("--json", "--results-seconds", "0")[len(COMMAND) :]
    async with relay.serving():
        async with bench.process(*program, *arguments) as killer:
            told, _ = await killer.communicate()
        code, last = await bench.play(b"")

    rounds = [json.loads(line) for line in told.splitlines()]
    stored = [key for keys in rounds for key in keys]
    assert (killer.returncode, len(rounds)) == (0, 25)
    assert all(rounds)
    assert code == 0
    assert set(stored) <= set(relay.accepted)
    assert [key for key, _ in bench.rows()] == list(relay.accepted)
    assert {state for _, state in bench.rows()} == {"sent"}
    assert max(Counter(relay.parts).values()) == 1
    assert relay.parts == sorted(relay.parts)
    assert last.stored == []
    scans = bench.look()
    assert [scan["seq"] for scan in scans] == list(range(1, len(scans) + 1))
    assert [scan["key"] for scan in scans if scan["key"]] == list(relay.accepted)


async def test_a_kill_between_the_relays_answer_and_its_note_repeats_the_same_command(
    bench: Bench, relay: FakeRelay
) -> None:
    async with bench.station() as station:

        async def take_and_kill(request: web.Request) -> None:
            (body,) = await request.json()
            relay.accepted[parse_command("stock.move", {k: body[k] for k in body if k != "kind"}).key()] = body
            station.signal(signal.SIGKILL)

        relay.behave = take_and_kill
        async with relay.serving():
            station.scan(moves(7, 8))
            assert await station.end() == -signal.SIGKILL
            relay.behave = None
            code, _ = await bench.play(b"")

    assert code == 0
    assert relay.parts == [7]
    assert len(relay.arrivals) == 2
    assert relay.arrivals[0] == relay.arrivals[1]


async def test_scans_go_on_while_the_relay_is_down_and_all_arrive_when_it_is_back(
    bench: Bench, relay: FakeRelay
) -> None:
    await bench.learn(12)
    async with bench.station() as station:
        station.scan(moves(0, 10))
        await station.read_until(lambda station: len(station.stored) == 10 and len(station.news("stored")) >= 2)
        assert station.news("sent") == []
        async with relay.serving():
            station.scan(moves(10, 12), end=True)
            code = await station.end()

    assert code == 0
    assert sorted(relay.parts) == list(range(12))


async def test_a_relay_in_trouble_gets_each_command_once(bench: Bench, relay: FakeRelay) -> None:
    troubles = ["503", "cut", "503 later", "html", "401", "cut after taking"]

    async def trouble(request: web.Request) -> web.Response | None:
        match troubles.pop(0) if troubles else None:
            case "503":
                return web.Response(status=503, headers={"Retry-After": "0"})
            case "cut":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            case "503 later":
                return web.Response(status=503, headers={"Retry-After": "1"})
            case "cut after taking":
                assert request.transport is not None
                request.transport.close()
            case "html":
                return web.Response(text="<html>guest network</html>", content_type="text/html")
            case "401":
                return web.Response(status=401)
        return None

    relay.behave = trouble
    async with relay.serving():
        code, station = await bench.play(moves(0, 3))

    assert code == 0
    # three parts are three lanes: the troubles may change their order
    assert sorted(relay.parts) == [0, 1, 2]
    assert len(station.news("stored")) >= 6
    assert troubles == []


async def test_what_is_undelivered_at_the_end_gives_75_and_goes_out_at_the_next_start(
    bench: Bench, relay: FakeRelay
) -> None:
    await bench.learn(5)
    code, first = await bench.play(moves(0, 4), "--drain-seconds", "0.2")
    async with relay.serving():
        again, second = await bench.play(moves(4, 5))

    assert (code, again) == (75, 0)
    assert relay.parts == [0, 1, 2, 3, 4]
    waiting = [line["key"] for line in second.lines if line.get("reason") == "from before this start"]
    assert waiting == first.stored == list(relay.accepted)[:4]


async def test_a_refusal_is_told_with_its_reason_and_the_others_go_on(bench: Bench, relay: FakeRelay) -> None:
    def refuse_part_1(body: dict[str, Any]) -> dict[str, Any] | None:
        if body["part_id"] != part(1):
            return None
        problem = {"status": 422, "errors": [{"field": "part_id", "value": "…", "message": "not ours"}]}
        return {"status": "refused", "problem": problem}

    relay.judge = refuse_part_1
    async with relay.serving():
        code, station = await bench.play(moves(0, 3))

    assert code == 1
    assert relay.parts == [0, 2]
    (line,) = [line for line in station.lines if line.get("state") == "refused"]
    assert line["reason"] == "part_id: not ours"
    assert [state for _, state in bench.rows()] == ["sent", "refused", "sent"]


async def test_what_became_of_a_command_is_told_when_the_vendor_has_spoken(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving(), bench.station("--results-seconds", "60") as station:
        station.scan(moves(0, 2))
        await station.read_until(lambda station: len(station.news("sent")) == 2)
        applied, rejected = station.stored
        await relay.decide(applied, "applied")
        await relay.decide(rejected, "rejected", "not enough stock")
        station.scan(b"", end=True)
        code = await station.end()

    assert code == 0
    assert station.news("applied") == [applied]
    (line,) = [line for line in station.lines if line.get("state") == "rejected"]
    assert (line["key"], line["reason"]) == (rejected, "not enough stock")


async def test_undo_of_a_delivered_entry_follows_once_the_vendor_has_booked_it(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving(), bench.station("--results-seconds", "60") as station:
        station.scan(moves(4, 5))
        await station.read_until(lambda station: bool(station.news("sent")))
        (moved,) = station.stored
        station.scan(f"{UNDO}\n".encode())
        await station.read_until(lambda station: bool(station.tones("undone")))
        assert len(relay.accepted) == 1
        await relay.decide(moved, "applied")
        await station.read_until(lambda station: len(station.news("sent")) == 2)
        back = list(relay.accepted)[1]
        await relay.decide(back, "applied")
        station.scan(b"", end=True)
        code = await station.end()

    assert code == 0
    waits, done = station.tones("undone")
    assert (waits["message"][:11], waits["key"]) == ("UNDO WAITS:", None)
    assert done["key"] == back
    body = relay.accepted[back]
    assert (body["from_storage_id"], body["to_storage_id"], body["quantity"]) == (BIN, SHELF, 5)


async def test_undo_before_the_delivery_sends_nothing(bench: Bench, relay: FakeRelay) -> None:
    await bench.learn(2)
    code, station = await bench.play(moves(0, 2) + f"{UNDO}\n".encode(), "--drain-seconds", "0")
    async with relay.serving():
        again, _ = await bench.play(b"")

    assert (code, again) == (75, 0)
    assert len(station.tones("undone")) == 1
    assert relay.parts == [0]


async def test_ids_that_were_looked_up_once_are_known_offline(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving():
        await bench.play(moves(0, 1))
    _, offline = await bench.play(moves(0, 1) + f"{SHELF}\n{part(1)}\n".encode(), "--drain-seconds", "0")

    assert len(offline.stored) == 1
    assert [line["detail"] for line in offline.tones("ask")] == ["the directory cannot be asked now"]


async def test_scans_reach_the_real_ledger_once(bench: Bench, valkey: SharedValkey, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "REDIS_URL": valkey.url,
        "STOCKRELAY_WEBHOOKS_PORT": str(bench.relay.port),
        "STOCKRELAY_WEBHOOKS_TOKENS": f"ST-01:{TOKEN}",
    }
    command = (sys.executable, "-m", "producers.webhooks.main", "run")
    webhooks = Process(
        "webhooks",
        command,
        log=tmp_path / "webhooks.log",
        ready=lambda: accepts(bench.relay.port),
        environment=environment,
    )
    # Nobody has filled the directory: every id is confirmed, or chosen to be a part.
    entries = [
        f"{SHELF}\n{CONFIRM}\n{part(number)}\n{pieces(1)}\n{pieces(number + 1)}\n{BIN}\n{CONFIRM}\n"
        for number in range(10)
    ]
    order = f"{RECEIVE}\n{ORDER}\n{pieces(3)}\n{BIN}\n{CONFIRM}\n"
    scans = "".join([f"{MOVE}\n", *entries, order]).encode()

    with webhooks:
        code, station = await bench.play(scans)

    log = webhooks.log.read_text()
    assert code == 0
    assert len(station.news("sent")) == 11
    assert [key for key in station.stored if log.count(f'key="{key}"') != 1] == []
    assert log.count('duplicate=false client="ST-01"') == 11
    assert TOKEN not in log
