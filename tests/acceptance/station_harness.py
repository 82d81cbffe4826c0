"""A station as a process, and the relay that it delivers to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from producers.scanner.commands import Instruction, QuantityCode, encode
from tasks.registry import parse_command
from tests import reaper
from tests.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


TOKEN = "invented-token-of-st01"
SHELF, BIN, ORDER = ("a" * 26, "b" * 26, "r" * 26)
COMMAND = (sys.executable, "-m", "producers.scanner.main")
#: Longer than any of these tests takes on a busy machine.
PATIENCE_SECONDS = 60.0

MOVE, RECEIVE, CONFIRM, UNDO = (
    encode(each) for each in (Instruction.MOVE, Instruction.RECEIVE, Instruction.CONFIRM, Instruction.UNDO)
)


def part(number: int) -> str:
    return f"p{number:025d}"


def pieces(number: int) -> str:
    return encode(QuantityCode(number))


def moves(first: int, last: int) -> bytes:
    """Scan the moves of parts `first` to `last`."""
    scans = [f"{SHELF}\r\n{part(number)}\r\n{pieces(number + 1)}\r\n{BIN}\r\n" for number in range(first, last)]
    return "".join([f"{MOVE}\r\n", *scans]).encode()


@dataclass
class FakeRelay:
    """Takes commands as the real one does, by their identity, and knows every id by its first letter.

    `behave` may answer a whole request (or cut it), `judge` a single command: a result without its key.
    """

    port: int = field(default_factory=free_port)
    #: Every arrival of a command, in order.
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    behave: Callable[[web.Request], Awaitable[web.Response | None]] | None = None
    judge: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
    #: Grows with every state that is told; streams wait for it.
    told: asyncio.Condition = field(default_factory=asyncio.Condition)
    events: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def parts(self) -> list[int]:
        """The parts of the accepted commands in the order of their first arrival."""
        return [int(body["part_id"][1:]) for body in self.accepted.values()]

    async def submit(self, request: web.Request) -> web.Response:
        bodies = await request.json()
        self.arrivals += bodies
        forced = None if self.behave is None else await self.behave(request)
        if forced is not None:
            return forced
        return web.json_response({"results": [self._result(body) for body in bodies]})

    def _result(self, body: dict[str, Any]) -> dict[str, Any]:
        fields = dict(body)
        key = parse_command(fields.pop("kind"), fields).key()
        judged = self.judge(body)
        if judged is not None:
            return {"key": key, **judged}
        status = "duplicate" if key in self.accepted else "stored"
        self.accepted.setdefault(key, body)
        return {"key": key, "status": status, "state": "ready"}

    async def decide(self, key: str, state: str, reason: str = "") -> None:
        """Let the vendor have spoken: in the answers and on the stream."""
        self.states[key] = {"state": state, "reason": reason}
        async with self.told:
            self.events.append(json.dumps({"key": key, "state": state, "reason": reason}))
            self.told.notify_all()

    async def show(self, request: web.Request) -> web.Response:
        keys = request.query["keys"].split(",")
        return web.json_response({"commands": {key: self.states.get(key, {"state": "ready"}) for key in keys}})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        position = int(request.headers.get("Last-Event-ID", len(self.events)))
        with contextlib.suppress(ConnectionResetError):
            while True:
                for number, data in enumerate(self.events[position:], start=position + 1):
                    await answer.write(f"id: {number}\nevent: command.state\ndata: {data}\n\n".encode())
                    position = number
                async with self.told:
                    await self.told.wait()
        return answer

    async def thing(self, request: web.Request) -> web.Response:
        vendor_id = request.match_info["id"]
        kinds = {"a": "storage", "b": "storage", "p": "part", "r": "order"}
        kind = kinds.get(vendor_id[0])
        if kind is None:
            return web.json_response({"status": 404}, status=404)
        name = f"{kind} {vendor_id[0].upper()}{vendor_id[1:].lstrip('0')[:4]}"
        return web.json_response({"id": vendor_id, "type": kind, "name": name, "archived": False, "manufacturer": ""})

    async def parts_of(self, request: web.Request) -> web.Response:
        return web.json_response({"parts": [], "known": request.query["code"] == ""})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/v1/scans", self.submit)
        app.router.add_get("/v1/commands", self.show)
        app.router.add_get("/v1/stream", self.stream)
        app.router.add_get("/v1/directory/ids/{id}", self.thing)
        app.router.add_get("/v1/directory/parts", self.parts_of)
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

    def tones(self, tone: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("tone") == tone]

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
        return [*COMMAND, "run", *own, "--bounce-seconds", "0", *more]

    def look(self, condition: str = "TRUE") -> list[dict[str, Any]]:
        """Read the station's own records of scans."""
        with contextlib.closing(sqlite3.connect(self.folder / "outbox.sqlite3")) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM scan WHERE {condition} ORDER BY seq")]  # noqa: S608

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "STOCKRELAY_STATION_TOKEN": TOKEN}

    @contextlib.asynccontextmanager
    async def station(self, *more: str) -> AsyncIterator[StationProcess]:
        async with self.process(*self.arguments("--json", "--results-seconds", "0", *more)) as process:
            yield StationProcess(process)

    @contextlib.asynccontextmanager
    async def process(self, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a program in the station's environment; it and its children are gone afterwards."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        )
        reaper.register(process.pid)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()
            reaper.forget(process.pid)

    async def play(self, scans: bytes, *more: str) -> tuple[int, StationProcess]:
        """Run a station over the scans until it ends by itself."""
        async with self.station(*more) as station:
            station.scan(scans, end=True)
            return await station.end(), station

    async def learn(self, last: int) -> None:
        """Let the station look up the places and the parts below `last` while the relay is there."""
        async with self.relay.serving():
            await self.play("\n".join([SHELF, BIN, *map(part, range(last))]).encode())

    def rows(self) -> list[tuple[str, str]]:
        with contextlib.closing(sqlite3.connect(self.folder / "outbox.sqlite3")) as database:
            return database.execute("SELECT key, state FROM outbox ORDER BY seq").fetchall()


def has(*, stored: int, sent: int) -> Callable[[StationProcess], bool]:
    return lambda station: len(station.stored) >= stored and len(station.news("sent")) >= sent
