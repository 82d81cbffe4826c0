"""`stockrelay-station` as a process: its arguments, its screen, its exit codes, and what it survives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest

from tests.acceptance.station_harness import (
    BIN,
    PATIENCE_SECONDS,
    SHELF,
    Bench,
    FakeRelay,
    moves,
    part,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_with_75_while_something_waits(
    bench: Bench, relay: FakeRelay, number: signal.Signals
) -> None:
    async with bench.station() as station:
        station.scan(moves(0, 1))
        await station.read_until(lambda station: len(station.stored) == 1)
        station.signal(number)
        code = await station.end()

    assert code == 75
    assert relay.arrivals == []
    assert [state for _, state in bench.rows()] == ["stored"]


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
    scans = b"\n".join([b"\xef\xbb\xbfCMD:MOVE", *junk, b"]Q1" + SHELF.encode(), *junk, part(3).encode(), *junk])
    scans += b"\n" + b"\r\n".join([b"Q5", *junk, BIN.upper().encode()])

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


async def test_a_screen_that_nobody_reads_any_more_ends_it_without_a_traceback(bench: Bench, relay: FakeRelay) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = await asyncio.to_thread(
            subprocess.run,
            bench.arguments(),
            input=moves(0, 3),
            env=bench.environment,
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


def test_the_text_screen_shows_mode_message_and_next_scan_and_rings(bench: Bench) -> None:
    scans = f"CMD:MOVE\n{SHELF}\njunk\n{part(1)}\n5\n{BIN}\n"

    ended = _run(bench, "--bell", "--drain-seconds", "0", scans=scans)

    lines = ended.stdout.splitlines()
    assert lines[:7] == [
        "[no mode] note: station ST-01 is ready | scan CMD:MOVE or CMD:RECEIVE",
        "[MOVE] ok: mode MOVE | scan the source location",
        "[MOVE] ok: source location aaaaaaaa… | scan the part",
        '[MOVE] ERROR: not a code of this station: "junk" | scan the part\a\a',
        "[MOVE] ok: part p0000000… | scan or type the quantity",
        "[MOVE] ok: quantity 5 | scan the destination location",
        "[MOVE] stored: move 5 of part p0000000… from aaaaaaaa… to bbbbbbbb… | scan the source location\a",
    ]
    assert ended.returncode == 75


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--deliver", "http://relay.example"], "STOCKRELAY_STATION_DELIVER_URL: must be https"),
        (["--station", "ST 01"], "STOCKRELAY_STATION_ID"),
        (["--code-pattern", "("], "STOCKRELAY_STATION_CODE_PATTERN"),
        (["--default-quantity", "0"], "--default-quantity"),
        (["--input", "evdev"], "--input"),
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
