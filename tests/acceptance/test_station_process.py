"""`stockrelay-station` as a process: its arguments, its screen, its exit codes, and what it survives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest

from producers.scanner.words import line
from tests.acceptance.station_harness import (
    BIN,
    COMMAND,
    MOVE,
    PATIENCE_SECONDS,
    SHELF,
    Bench,
    FakeRelay,
    has,
    moves,
    part,
    pieces,
)
from tests.process import free_port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_75_while_something_waits(
    bench: Bench, relay: FakeRelay, number: signal.Signals
) -> None:
    await bench.learn(1)
    async with bench.station("--drain-seconds", "0.1") as station:
        station.scan(moves(0, 1))
        await station.read_until(lambda station: len(station.stored) == 1)
        station.signal(number)
        code = await station.end()

    assert code == 75
    assert relay.arrivals == []
    assert [state for _, state in bench.rows()] == ["stored"]


async def test_after_a_signal_it_delivers_what_it_has_before_it_ends(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving(), bench.station() as station:
        station.scan(moves(0, 5))
        await station.read_until(lambda station: len(station.stored) == 5)
        station.signal(signal.SIGTERM)
        code = await station.end()

    assert code == 0
    assert relay.parts == list(range(5))


async def test_a_second_signal_ends_it_at_once(bench: Bench) -> None:
    await bench.learn(1)
    async with bench.station() as station:
        station.scan(moves(0, 1))
        await station.read_until(lambda station: len(station.stored) == 1)
        station.signal(signal.SIGTERM)
        station.signal(signal.SIGINT)
        code = await station.end()

    assert code == 75


async def test_no_junk_stops_it_and_the_entry_around_the_junk_is_stored(bench: Bench, relay: FakeRelay) -> None:
    junk = [
        b"\xff\xfe",
        b"x" * 1_000_000,
        b"\x00\x01\x02",
        b"\x1b[2J",
        "ß€😀".encode(),
        b"]",
        b"-" * 5_000,
        b"\xed\xa0\x80",
    ]
    scans = b"\n".join(
        [b"\xef\xbb\xbf" + MOVE.encode(), *junk, b"]Q1" + SHELF.encode(), *junk, part(3).encode(), *junk]
    )
    scans += b"\n" + b"\r\n".join([pieces(5).encode(), *junk, BIN.upper().encode()])

    async with relay.serving():
        code, station = await bench.play(scans)

    assert code == 0
    assert relay.parts == [3]
    assert sum(line.get("tone") == "error" for line in station.lines) == 4 * len(junk)


async def test_a_second_station_on_the_same_outbox_is_refused(bench: Bench) -> None:
    async with bench.station() as station:
        await station.read_until(lambda station: bool(station.lines))
        ended = await asyncio.to_thread(_run, bench, "--json")

    assert ended.returncode == 1
    assert "another process uses it" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("program", ["run", "simulate"])
async def test_a_screen_that_nobody_reads_any_more_ends_it_without_a_traceback(
    bench: Bench, relay: FakeRelay, program: str
) -> None:
    await bench.learn(3)
    simulate = [*COMMAND, "simulate", "-", "--deliver", "--outbox", str(bench.folder / "outbox.sqlite3")]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = await asyncio.to_thread(
            subprocess.run,
            bench.arguments() if program == "run" else simulate,
            input=moves(0, 3),
            env={
                **bench.environment,
                "STOCKRELAY_STATION_ID": "ST-01",
                "STOCKRELAY_STATION_DELIVER_URL": relay.url,
            },
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    finally:
        os.close(writing)

    assert ended.returncode == 1
    assert ended.stderr == b""
    assert relay.arrivals == []


def _run(bench: Bench, *more: str, scans: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bench.arguments(*more),
        input=scans,
        env={**bench.environment, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


async def test_the_text_screen_shows_mode_message_and_next_scan(bench: Bench) -> None:
    await bench.learn(2)
    junk = '"junk" is no label that is known here'
    scans = f"{MOVE}\n{SHELF}\njunk\n{part(1)}\n{pieces(5)}\n{BIN}\n"

    ended = await asyncio.to_thread(_run, bench, "--drain-seconds", "0", scans=scans)

    lines = ended.stdout.splitlines()
    assert lines[:7] == [
        "[no mode] note: STATION ST-01 READY | scan a mode: RECEIVE, MOVE, ADD, REMOVE",
        "[MOVE] ok: MODE MOVE | scan the source location",
        "[MOVE] ok: SOURCE LOCATION storage Aaaaa | scan the part or destination",
        f"[MOVE] ERROR: {line('not_taken', reason=junk)} ({junk}) | scan the part or destination",
        "[MOVE] ok: PART part P1 | scan the quantity",
        "[MOVE] ok: QUANTITY 5 | scan the destination",
        "[MOVE] stored: MOVED 5 x part P1 -> storage Bbbbb | scan the source location",
    ]
    assert ended.returncode == 75


async def test_it_shows_nothing_with_ui_none(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving():
        ended = await asyncio.to_thread(
            _run, bench, "--ui", "none", "--results-seconds", "0", scans=moves(0, 1).decode()
        )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert relay.parts == [0]


async def test_several_inputs_feed_one_station(bench: Bench, relay: FakeRelay) -> None:
    port = free_port()
    async with relay.serving(), bench.station("--input", f"tcp:127.0.0.1:{port}") as station:
        await station.read_until(lambda station: any("listening" in line.get("message", "") for line in station.lines))
        station.scan(f"{MOVE}\n{SHELF}\n".encode())
        await station.read_until(lambda station: len(station.tones("ok")) == 2)
        _, scanner = await asyncio.open_connection("127.0.0.1", port)
        scanner.write(f"{part(2)}\r{pieces(9)}\r{BIN}\r".encode())
        await station.read_until(has(stored=1, sent=1))
        scanner.close()
        await scanner.wait_closed()
        station.signal(signal.SIGTERM)
        code = await station.end()

    assert code == 0
    assert relay.parts == [2]
    devices = [scan["device"].partition(":")[0] for scan in bench.look()]
    assert devices == ["stdin", "stdin", "tcp", "tcp", "tcp"]


async def test_an_input_that_cannot_be_used_is_named(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving():
        ended = await asyncio.to_thread(_run, bench, "--input", f"tcp:127.0.0.1:{relay.port}")

    assert ended.returncode == 1
    assert f"tcp:127.0.0.1:{relay.port}" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_program_is_told_every_sound_by_its_name(bench: Bench, relay: FakeRelay) -> None:
    program = bench.folder / "beep"
    program.write_text(f'#!/bin/sh\necho "$@" >> {bench.folder}/heard\n')
    program.chmod(0o700)
    scans = moves(0, 1) + f"junk\n{SHELF}\n{'s' * 26}\n".encode()
    async with relay.serving():
        arguments = ("--sound", f"cmd:{program} -v", "--results-seconds", "0")
        ended = await asyncio.to_thread(_run, bench, *arguments, scans=scans.decode())

    assert ended.returncode == 0
    assert sorted((bench.folder / "heard").read_text().split("\n")) == ["", "-v confirm", "-v refused", "-v stored"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--deliver", "http://relay.example"], "STOCKRELAY_STATION_DELIVER_URL: must be https"),
        (["--station", "ST 01"], "STOCKRELAY_STATION_ID"),
        (["--code-pattern", "("], "STOCKRELAY_STATION_CODE_PATTERN"),
        (["--command-prefix", "ST-"], "STOCKRELAY_STATION_COMMAND_PREFIX"),
        (["--sound", "cmd:"], "STOCKRELAY_STATION_SOUND: names no program"),
        (["--bounce-seconds", "11"], "STOCKRELAY_STATION_BOUNCE_SECONDS"),
        (["--repeat-seconds", "soon"], "STOCKRELAY_STATION_REPEAT_SECONDS"),
        (["--input", "evdev"], "STOCKRELAY_STATION_INPUT"),
    ],
)
def test_wrong_usage_is_named_and_exits_with_2(bench: Bench, arguments: list[str], named: str) -> None:
    ended = _run(bench, "--check", *arguments)

    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_token_is_named(bench: Bench) -> None:
    ended = _run(bench, STOCKRELAY_STATION_TOKEN="")

    assert ended.returncode == 2
    assert "STOCKRELAY_STATION_TOKEN: shorter than 16 characters" in ended.stderr


def test_check_of_good_settings_leaves_nothing_behind(bench: Bench) -> None:
    ended = _run(bench, "--check")

    assert (ended.returncode, ended.stdout) == (0, f"settings are good: station ST-01, relay {bench.relay.url}\n")
    assert list(bench.folder.iterdir()) == []
