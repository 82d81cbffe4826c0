"""`stockrelay-station` as a process: killed, cut off, refused, restarted; every stored entry arrives exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tasks.registry import parse_command
from tests import reaper
from tests.process import Process, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.conftest import SharedValkey

TOKEN = "invented-token-of-st01"
SHELF, BIN = ("a" * 26, "b" * 26)
COMMAND = (sys.executable, "-m", "producers.scanner.main")
#: Longer than any of these tests takes on a busy machine.
PATIENCE_SECONDS = 60.0


def _part(number: int) -> str:
    return f"p{number:025d}"


def _moves(first: int, last: int) -> bytes:
    """Scan the moves of parts `first` to `last`."""
    scans = [f"{SHELF}\r\n{_part(number)}\r\nQ{number + 1}\r\n{BIN}\r\n" for number in range(first, last)]
    return "".join(["CMD:MOVE\r\n", *scans]).encode()


@dataclass
class FakeRelay:
    """Takes commands as the real one does, by their identity; answers as `behave` says when it is set."""

    port: int = field(default_factory=free_port)
    #: Every arrival of a body, in order.
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    behave: Callable[[web.Request], Awaitable[web.Response | None]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def parts(self) -> list[int]:
        """The parts of the accepted commands in the order of their first arrival."""
        return [int(body["part_id"][1:]) for body in self.accepted.values()]

    async def submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.arrivals.append(body)
        forced = None if self.behave is None else await self.behave(request)
        if forced is not None:
            return forced
        fields = dict(body)
        key = parse_command(fields.pop("kind"), fields).key()
        duplicate = key in self.accepted
        self.accepted.setdefault(key, body)
        answer = {"key": key, "kind": body["kind"], "state": "ready", "duplicate": duplicate}
        return web.json_response(answer, status=200 if duplicate else 202)

    async def show(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        return web.json_response({"key": key, **self.states.get(key, {"state": "ready"})})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/v1/commands", self.submit)
        app.router.add_get("/v1/commands/{key}", self.show)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield
        finally:
            await runner.cleanup()


class StationProcess:
    """A running station whose screen is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []

    @property
    def stored(self) -> list[str]:
        return [line["key"] for line in self.lines if line.get("tone") == "stored"]

    def news(self, state: str) -> list[str]:
        return [line["key"] for line in self.lines if line["event"] == "command" and line["state"] == state]

    def scan(self, scans: bytes, *, end: bool = False) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(scans)
        if end:
            self._process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def read_until(self, is_enough: Callable[[StationProcess], bool]) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_enough(self):
                line = await self._process.stdout.readline()
                assert line, f"the station ended early: {self.lines[-3:]}"
                self.lines.append(json.loads(line))

    async def end(self) -> int:
        """Read what is left and give the exit code."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            rest = await self._process.stdout.read()
            # a killed station may leave half a line
            self.lines += [json.loads(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
            return await self._process.wait()


@dataclass
class Bench:
    """A station's settings: the same outbox over all its starts."""

    folder: Path
    relay: FakeRelay

    def arguments(self, *more: str) -> list[str]:
        outbox = str(self.folder / "outbox.sqlite3")
        own = ["--input", "stdin", "--station", "ST-01", "--deliver", self.relay.url, "--outbox", outbox]
        return [*COMMAND, *own, "--bounce-seconds", "0", *more]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "STOCKRELAY_STATION_TOKEN": TOKEN}

    @contextlib.asynccontextmanager
    async def station(self, *more: str) -> AsyncIterator[StationProcess]:
        process = await asyncio.create_subprocess_exec(
            *self.arguments("--json", "--results-seconds", "0", *more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        )
        reaper.register(process.pid)
        try:
            yield StationProcess(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.communicate()
            reaper.forget(process.pid)

    async def play(self, scans: bytes, *more: str) -> tuple[int, StationProcess]:
        """Run a station over the scans until it ends by itself."""
        async with self.station(*more) as station:
            station.scan(scans, end=True)
            return await station.end(), station

    def rows(self) -> list[tuple[str, str]]:
        with contextlib.closing(sqlite3.connect(self.folder / "outbox.sqlite3")) as database:
            return database.execute("SELECT key, state FROM outbox ORDER BY seq").fetchall()


def _has(*, stored: int, sent: int) -> Callable[[StationProcess], bool]:
    return lambda station: len(station.stored) >= stored and len(station.news("sent")) >= sent


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def bench(tmp_path: Path, relay: FakeRelay) -> Bench:
    return Bench(tmp_path, relay)


async def test_every_entry_arrives_once_and_in_order_and_the_exit_code_is_0(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving():
        code, station = await bench.play(_moves(0, 50))

    assert code == 0
    assert relay.parts == list(range(50))
    assert len(relay.arrivals) == 50
    assert station.stored == station.news("sent") == list(relay.accepted)


@pytest.mark.slow
async def test_a_station_killed_again_and_again_loses_and_doubles_nothing(bench: Bench, relay: FakeRelay) -> None:
    stored: list[str] = []
    async with relay.serving():
        for round_ in range(8):
            async with bench.station() as station:
                station.scan(_moves(round_ * 20, round_ * 20 + 20))
                # a different moment every round: while scanning, while delivering, after the last scan
                await station.read_until(_has(stored=round_ * 2 + 1, sent=round_ % 4))
                station.signal(signal.SIGKILL)
                assert await station.end() == -signal.SIGKILL
                stored += station.stored
        code, last = await bench.play(b"")

    assert code == 0
    assert set(stored) <= set(relay.accepted)
    assert [key for key, _ in bench.rows()] == list(relay.accepted)
    assert {state for _, state in bench.rows()} == {"sent"}
    assert max(Counter(relay.parts).values()) == 1
    assert relay.parts == sorted(relay.parts)
    assert last.stored == []


async def test_a_kill_between_the_relays_answer_and_its_note_repeats_the_same_command(
    bench: Bench, relay: FakeRelay
) -> None:
    async with bench.station() as station:

        async def take_and_kill(request: web.Request) -> None:
            body = await request.json()
            relay.accepted[parse_command("stock.move", {k: body[k] for k in body if k != "kind"}).key()] = body
            station.signal(signal.SIGKILL)

        relay.behave = take_and_kill
        async with relay.serving():
            station.scan(_moves(7, 8))
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
    async with bench.station() as station:
        station.scan(_moves(0, 10))
        await station.read_until(lambda station: len(station.stored) == 10 and len(station.news("stored")) >= 2)
        assert station.news("sent") == []
        async with relay.serving():
            station.scan(_moves(10, 12), end=True)
            code = await station.end()

    assert code == 0
    assert relay.parts == list(range(12))


async def test_a_relay_that_answers_503_and_then_cuts_connections_gets_each_command_once(
    bench: Bench, relay: FakeRelay
) -> None:
    troubles = {_part(0): ["503", "cut"], _part(1): ["503 later", "cut after taking"], _part(2): ["html", "401"]}

    async def trouble(request: web.Request) -> web.Response | None:
        left = troubles[(await request.json())["part_id"]]
        match left.pop(0) if left else None:
            case "503":
                return web.Response(status=503, headers={"Retry-After": "0"})
            case "cut":
                assert request.transport is not None
                request.transport.close()
            case "503 later":
                return web.Response(status=503, headers={"Retry-After": "1"})
            case "cut after taking":
                assert request.transport is not None
                request.transport.close()
                return None
            case "html":
                return web.Response(text="<html>guest network</html>", content_type="text/html")
            case "401":
                return web.Response(status=401)
        return None

    relay.behave = trouble
    async with relay.serving():
        code, station = await bench.play(_moves(0, 3))

    assert code == 0
    assert relay.parts == [0, 1, 2]
    assert len(station.news("stored")) == 6
    assert not any(troubles.values())


async def test_what_is_undelivered_at_the_end_gives_75_and_goes_out_at_the_next_start(
    bench: Bench, relay: FakeRelay
) -> None:
    code, first = await bench.play(_moves(0, 4), "--drain-seconds", "0.2")
    async with relay.serving():
        again, second = await bench.play(_moves(4, 5))

    assert (code, again) == (75, 0)
    assert relay.parts == [0, 1, 2, 3, 4]
    waiting = [line["key"] for line in second.lines if line.get("reason") == "from before this start"]
    assert waiting == first.stored == list(relay.accepted)[:4]


async def test_a_refusal_is_told_with_its_reason_and_the_next_command_goes_on(bench: Bench, relay: FakeRelay) -> None:
    async def refuse_part_1(request: web.Request) -> web.Response | None:
        body = await request.json()
        if body["part_id"] != _part(1):
            return None
        problem = {"status": 422, "errors": [{"field": "part_id", "value": "…", "message": "not ours"}]}
        return web.json_response(problem, status=422, content_type="application/problem+json")

    relay.behave = refuse_part_1
    async with relay.serving():
        code, station = await bench.play(_moves(0, 3))

    assert code == 1
    assert relay.parts == [0, 2]
    (line,) = [line for line in station.lines if line.get("state") == "refused"]
    assert line["reason"] == "status 422: part_id: not ours"
    assert [state for _, state in bench.rows()] == ["sent", "refused", "sent"]


async def test_what_became_of_a_command_is_told_when_the_vendor_has_spoken(bench: Bench, relay: FakeRelay) -> None:
    async with relay.serving(), bench.station("--results-seconds", "60") as station:
        station.scan(_moves(0, 2))
        await station.read_until(lambda station: len(station.news("sent")) == 2)
        applied, rejected = station.stored
        relay.states[applied] = {"state": "applied"}
        relay.states[rejected] = {"state": "rejected", "reason": "not enough stock"}
        station.scan(b"", end=True)
        code = await station.end()

    assert code == 0
    assert station.news("applied") == [applied]
    (line,) = [line for line in station.lines if line.get("state") == "rejected"]
    assert (line["key"], line["reason"]) == (rejected, "not enough stock")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_with_75_while_something_waits(
    bench: Bench, relay: FakeRelay, number: signal.Signals
) -> None:
    async with bench.station() as station:
        station.scan(_moves(0, 1))
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
    scans = b"\n".join([b"\xef\xbb\xbfCMD:MOVE", *junk, b"]Q1" + SHELF.encode(), *junk, _part(3).encode(), *junk])
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
            input=_moves(0, 3),
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
    scans = f"CMD:MOVE\n{SHELF}\njunk\n{_part(1)}\n5\n{BIN}\n"

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


async def test_scans_reach_the_real_ledger_once(bench: Bench, valkey: SharedValkey, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "REDIS_URL": valkey.url,
        "STOCKRELAY_WEBHOOKS_PORT": str(bench.relay.port),
        "STOCKRELAY_WEBHOOKS_TOKENS": f"ST-01:{TOKEN}",
    }
    command = (sys.executable, "-m", "producers.webhooks.main")
    webhooks = Process(
        "webhooks",
        command,
        log=tmp_path / "webhooks.log",
        ready=lambda: accepts(bench.relay.port),
        environment=environment,
    )
    scans = _moves(0, 10) + f"CMD:RECEIVE\n{SHELF}\n{BIN}\n".encode()

    with webhooks:
        code, station = await bench.play(scans)

    log = webhooks.log.read_text()
    assert code == 0
    assert len(station.news("sent")) == 11
    assert [key for key in station.stored if log.count(f'key="{key}"') != 1] == []
    assert log.count('duplicate=false client="ST-01"') == 11
    assert TOKEN not in log
