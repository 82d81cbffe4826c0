"""`stockrelay status`: who waits behind whom, which processes are there, and the screen that is shown anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import redis
from rich.console import Console

from tasks.presence import KEY, Process, Seen
from tasks.records import State
from tests.integration.cli_harness import LEASE_SECONDS, OTHER_PART, OWNER, STORAGE, VENDOR, Operator, command, operator
from tests.process import free_port
from workers.cli.relay import open_relay
from workers.cli.standing import Status, read_status
from workers.cli.watch import LANES_SHOWN, PROCESSES_SHOWN, frame

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import MakeValkey, SharedValkey

STOCKRELAY: Final = Path(sys.executable).with_name("stockrelay")


@pytest.fixture
def person(valkey: SharedValkey, redis_client: Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def standing(person: Operator) -> Status:
    relay = open_relay({"REDIS_URL": person.url})
    try:
        return await read_status(relay)
    finally:
        await relay.redis.aclose()


def drawn(found: Status, before: Status | None = None) -> str:
    console = Console(width=140, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(frame(found, before))
    return captured.get()


# blocked lanes


async def test_lanes_behind_what_is_stuck_are_listed_the_longest_first(person: Operator) -> None:
    held = await person.dead(command(1), State.HELD)
    doubted = await person.claimed(command(2, part_id=OTHER_PART))
    await person.ledger.doubt(doubted, OWNER, 60, reason="answer lost")
    delayed = await person.claimed(command(3, part_id=STORAGE))
    await person.ledger.delay(delayed, OWNER, 60, spent=True, reason="no connection")
    await person.admit(command(4), command(5), command(6, part_id=OTHER_PART), command(7, part_id=STORAGE))
    await person.admit(command(8, part_id=OTHER_PART), command(9, part_id=OTHER_PART))

    (vendor, *_) = (await person.json("status"))["vendors"]
    text = (await person.run("status", env={"COLUMNS": "200"})).stdout

    found = [(lane["key"], lane["state"], lane["behind"]) for lane in vendor["blocked_lanes"]]
    assert found == [(doubted, "in_doubt", 3), (held, "held", 2), (delayed, "delayed", 1)]
    lane = vendor["blocked_lanes"][0]["lane"]
    assert re.search(rf"blocked lanes +3, the longest: {lane}: 3 behind {doubted} \(in doubt for \d+ s\)\n", text)


async def test_what_runs_or_was_rejected_blocks_nobody(person: Operator) -> None:
    await person.dead(command(1), State.REJECTED)
    await person.claimed(command(2))
    await person.admit(command(3))
    await person.dead(command(4, part_id=OTHER_PART), State.HELD)

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert vendor["blocked_lanes"] == []


async def test_more_than_a_page_of_stuck_commands_is_looked_at(person: Operator) -> None:
    keys = await person.admit(*(command(number, part_id=f"{number:026d}") for number in range(600)))
    for key in keys:
        await person.ledger.claim(key, OWNER, LEASE_SECONDS)
        await person.ledger.settle(key, OWNER, State.HELD, reason="unknown")
    await person.admit(*(command(number + 1000, part_id=f"{number:026d}") for number in (3, 599)))

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert {lane["key"] for lane in vendor["blocked_lanes"]} == {keys[3], keys[599]}


async def test_a_record_that_cannot_be_read_hides_no_other_lane(person: Operator, redis_client: Redis) -> None:
    first, second = (
        await person.dead(command(1), State.HELD),
        await person.dead(command(2, part_id=OTHER_PART), State.HELD),
    )
    await person.admit(command(3), command(4, part_id=OTHER_PART))
    await redis_client.hset(f"sr:{{{VENDOR}}}:cmd:{first}", "lanes", "not json")

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert [lane["key"] for lane in vendor["blocked_lanes"]] == [second]


# processes


async def test_a_silent_process_is_told_from_one_that_is_there(person: Operator, redis_client: Redis) -> None:
    now, _ = await redis_client.time()
    there, silent = Process.of_this("webhooks", ("erp",)), Process.of_this("worker", (VENDOR,))
    await redis_client.zadd(KEY, {there.to_json(): now * 1000, silent.to_json(): (now - 30) * 1000})

    shown = (await person.json("status"))["processes"]
    text = (await person.run("status", env={"COLUMNS": "200"})).stdout

    assert [(one["role"], one["serves"], one["silent"]) for one in shown] == [
        ("webhooks", ["erp"], False),
        ("worker", [VENDOR], True),
    ]
    assert re.search(rf"  webhooks erp on \S+, process {os.getpid()}, release \S+: there, started \d+ s ago\n", text)
    assert re.search(rf"  worker {VENDOR} on .*: silent for 3\d s, ", text)
    assert set(shown[0]) <= set(re.findall(r"\w+", (await person.run("status", "--help")).stdout))


async def test_nobody_there_is_said(person: Operator) -> None:
    assert (await person.run("status")).stdout.endswith("processes\n  none seen within the last minute\n")


# the screen


async def test_requests_a_second_are_counted_between_two_looks(person: Operator) -> None:
    before = await standing(person)
    vendors = [replace(one, limits=replace(one.limits, granted_total=7)) for one in before.vendors]
    after = replace(before, now_ms=before.now_ms + 2000, vendors=vendors)

    assert re.search(rf"{VENDOR} +- ", drawn(before))
    assert re.search(rf"{VENDOR} +3.5 ", drawn(after, before))


async def test_the_screen_shows_pause_probing_dead_and_doubt(person: Operator) -> None:
    await person.dead(command(1))
    key = await person.claimed(command(2, part_id=OTHER_PART))
    await person.ledger.doubt(key, OWNER, 60, reason="answer lost")
    relay = open_relay({"REDIS_URL": person.url})
    await relay.limiter(VENDOR).penalise(30)
    await relay.redis.aclose()

    (line,) = [line for line in drawn(await standing(person)).splitlines() if line.startswith(VENDOR)]

    assert re.search(r"at 50%.* 1 +1 +0 s +1 +0 +for (29|30) s$", line)


async def test_long_lists_are_counted_not_shown(person: Operator) -> None:
    for number in range(LANES_SHOWN + 2):
        await person.dead(command(number, part_id=f"{number:026d}"), State.HELD)
        await person.admit(command(number + 100, part_id=f"{number:026d}"))
    found = await standing(person)
    many = [Seen(replace(Process.of_this("worker"), pid=number), 0.0) for number in range(PROCESSES_SHOWN + 3)]

    text = drawn(replace(found, processes=many))

    assert text.count(" behind ") == LANES_SHOWN
    assert "and 2 more\n" in text
    assert "and 3 more\n" in text


def watching(url: str, *words: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [STOCKRELAY, "status", "--watch", "--every", "0.2", *words],
        env={"REDIS_URL": url, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_with_json_it_prints_a_line_each_time_until_it_is_told_to_stop(
    person: Operator, number: signal.Signals
) -> None:
    program = watching(person.url, "--json")
    assert program.stdout is not None
    lines = [json.loads(program.stdout.readline()) for _ in range(2)]
    program.send_signal(number)
    rest, _ = program.communicate(timeout=60)

    assert lines[0]["now_ms"] < lines[1]["now_ms"]
    assert lines[1]["vendors"][0]["vendor"] == VENDOR
    assert program.returncode == 0
    assert b"Traceback" not in rest


def test_on_a_terminal_each_look_is_drawn_over_the_last(person: Operator) -> None:
    ours, theirs = pty.openpty()
    program = watching(person.url, stdout=theirs)
    os.close(theirs)
    shown = b""
    while shown.count(b"vendor") < 3:
        shown += os.read(ours, 4096)
    program.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)

    assert program.wait(60) == 0
    assert shown.count(b"\x1b[?1049h") == shown.count(b"\x1b[?1049l") == 1


async def test_a_redis_that_is_away_does_not_end_it(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    program = await asyncio.to_thread(watching, server.url, "--json")
    stdout = program.stdout
    assert stdout is not None

    async def line() -> str:
        return (await asyncio.to_thread(stdout.readline)).decode()

    try:
        assert "vendors" in await line()
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(60):
            while "error" not in (said := await line()):
                pass
        assert "Redis cannot be used now, tried again every 0.2 s" in said
        await asyncio.to_thread(server.restart)
        async with asyncio.timeout(60):
            while "vendors" not in await line():
                pass
    finally:
        program.send_signal(signal.SIGTERM)
        await asyncio.to_thread(program.communicate)
    assert program.returncode == 0


async def test_a_wrong_address_ends_it_as_it_ends_every_command(person: Operator) -> None:
    result = await person.run("status", "--watch", code=2, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/x"})

    assert "REDIS_URL" in result.stderr


def test_a_refused_login_was_tried_for_ever(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "another")
    program = watching(server.url.replace("//", "//:invented@"), "--json")
    told, _ = program.communicate(timeout=60)

    assert program.returncode == 2
    assert b"refuses this login" in told
