"""A station as a process, and the relay that it delivers to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tasks.registry import parse_command
from tests import reaper
from tests.process import free_port

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


TOKEN = "invented-token-of-st01"
SHELF, BIN = ("a" * 26, "b" * 26)
COMMAND = (sys.executable, "-m", "producers.scanner.main")
#: Longer than any of these tests takes on a busy machine.
PATIENCE_SECONDS = 60.0


def part(number: int) -> str:
    return f"p{number:025d}"


def moves(first: int, last: int) -> bytes:
    """Scan the moves of parts `first` to `last`."""
    scans = [f"{SHELF}\r\n{part(number)}\r\nQ{number + 1}\r\n{BIN}\r\n" for number in range(first, last)]
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


def has(*, stored: int, sent: int) -> Callable[[StationProcess], bool]:
    return lambda station: len(station.stored) >= stored and len(station.news("sent")) >= sent
