"""No secret leaves the environment: the real system on a vendor that echoes our key, then every place is searched."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
import requests

from producers.scanner.commands import Instruction, QuantityCode, encode
from tests.backing import ROOT
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.stack import Stack, read_procfile
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Each is found by a plain search, whatever stands around it.
SECRETS: Final = {
    "API key": "partsboxapi_canaryApiKey0001",
    "API token": "canaryApiToken0002",
    "station token": "canaryStation0003",
    "Flower password": "canaryFlower0004",
    "Redis password": "canaryRedis0005",
}
#: What a vendor, a proxy or a debugging page may do with the header it got, by the part it is asked about.
ECHOES: Final = ("refused", "blocked", "proxy", "cut", "entry", "order", "envelope", "status line")
CATEGORY, MESSAGE = "partsbox.status/category", "partsbox.status/message"


class EchoingVendor(BaseHTTPRequestHandler):
    """Answers every request with the Authorization header it got, in as many ways as there are ECHOES."""

    def do_POST(self) -> None:
        """Answer one request."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        header = self.headers["Authorization"]
        text = json.dumps(asked)
        echo = next((name for name in ECHOES if id_for("part", name) in text), "order")
        if "/order/" in self.path:
            data = [] if self.path.endswith("-entries") else {"order/status": f"closed {header}"}
            self._say(200, {CATEGORY: "ok", "data": data})
        elif self.path.endswith("/part/get"):
            self._say(200, self._part(asked, echo, header))
        else:
            self._refuse(echo, header, asked)

    def _part(self, asked: dict[str, Any], echo: str, header: str) -> dict[str, Any]:
        entry = {"stock/quantity": 1, "stock/timestamp": 1_700_000_000_000, "stock/storage-id": id_for("storage", "a")}
        entry |= {"stock/comments": f"{self.server.comments.get(echo, '')} by {header}", "stock/user": header}  # type: ignore[attr-defined]  # set below
        written = echo in self.server.comments  # type: ignore[attr-defined]  # set below
        return {CATEGORY: "ok", "data": {"part/id": asked["part/id"], "part/stock": [entry] if written else []}}

    def _refuse(self, echo: str, header: str, asked: dict[str, Any]) -> None:
        words = f"no such key: {header}"
        match echo:
            case "entry":
                self.server.comments[echo] = asked["stock/comments"]  # type: ignore[attr-defined]  # set below
                self._say(200, {CATEGORY: "ok", MESSAGE: words})
            case "refused":
                self._say(200, {CATEGORY: "conflict", MESSAGE: words, header: header})
            case "blocked":
                self._say(401, {CATEGORY: "error", MESSAGE: words})
            case "proxy":
                self._say(502, None, f"<pre>Authorization: {header}</pre>")
            case "status line":
                self.wfile.write(f"HTTP/1.1 {header} 200\r\n\r\n".encode())
                self.close_connection = True
            case "cut":
                self._say(200, None, json.dumps({MESSAGE: words})[:-4])
            case _:
                self._say(400, {CATEGORY: f"error/{header}", MESSAGE: words})

    def _say(self, status: int, body: dict[str, Any] | None, text: str = "") -> None:
        raw = (text if body is None else json.dumps(body)).encode()
        self.send_response(status, f"as {self.headers['Authorization']}")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Retry-After", self.headers["Authorization"])
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing: it is not this server's log that is searched."""


@pytest.fixture
def vendor_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), EchoingVendor)
    server.comments = {}  # type: ignore[attr-defined]  # what was written, by the echo it was written under
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def stack(tmp_path: Path, vendor_url: str) -> Iterator[Stack]:
    with ValkeyServer(tmp_path / "redis") as server:
        with contextlib.closing(redis.Redis(port=server.port)) as client:
            client.config_set("requirepass", SECRETS["Redis password"])
        settings = {
            "REDIS_URL": server.url.replace("//", f"//:{SECRETS['Redis password']}@"),
            "STOCKRELAY_PARTSBOX_URL": vendor_url,
            "STOCKRELAY_PARTSBOX_API_KEY": SECRETS["API key"],
            "STOCKRELAY_PARTSBOX_RATES": "100/1s+50",
            "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1",
            "STOCKRELAY_WEBHOOKS_TOKENS": f"api:{SECRETS['API token']},st01:{SECRETS['station token']}",
            "FLOWER_BASIC_AUTH": f"operator:{SECRETS['Flower password']}",
        }
        with Stack(tmp_path, flower=True, settings=settings) as running:
            running.api_token = SECRETS["API token"]
            yield running


def _found(name: str, text: str) -> list[str]:
    """Name the secrets in a text, in clear or with the header's word before it."""
    return [f"{secret} in {name}" for secret, value in SECRETS.items() if value in text]


def _submit(stack: Stack, kind: str, **fields: Any) -> str:
    body = {"kind": kind, "stock_timestamp": time.time_ns() // 1_000_000, **fields}
    login = {"Authorization": f"Bearer {stack.api_token}"}
    answer = requests.post(f"{stack.api_url}/v1/commands", json=body, headers=login, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["key"])


def _scan(stack: Stack, folder: Path) -> str:
    environment = {**stack.environment, "STOCKRELAY_STATION_TOKEN": SECRETS["station token"]}
    command = [sys.executable, "-m", "producers.scanner.main", "run", "--station", "st01", "--deliver", stack.api_url]
    command += ["--outbox", str(folder / "st01.sqlite3"), "--results-seconds", "0"]
    # no directory knows these ids, so each is confirmed
    sure = encode(Instruction.CONFIRM)
    scans = [encode(Instruction.MOVE), id_for("storage", "a"), sure, id_for("part", "envelope"), sure]
    scans += [encode(QuantityCode(3)), id_for("storage", "b"), sure, "Q?", "\0"]
    ended = subprocess.run(
        command, input="\n".join(scans), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def _operate(stack: Stack, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("stockrelay")), *words]
    ended = subprocess.run(
        command, env=dict(stack.environment), capture_output=True, text=True, timeout=60, check=False
    )
    return ended.stdout + ended.stderr


def _redis_dump(stack: Stack) -> str:
    """Give everything in the server as text, whatever its type."""
    parts: list[str] = []
    with contextlib.closing(redis.Redis.from_url(stack.redis_url, decode_responses=True)) as client:
        for key in client.scan_iter():
            readers: dict[str, Any] = {
                "string": client.get,
                "hash": client.hgetall,
                "set": client.smembers,
                "stream": client.xrange,
                "list": lambda name: client.lrange(name, 0, -1),
                "zset": lambda name: client.zrange(name, 0, -1),
            }
            kind = str(client.type(key))
            parts.append(f"{key}={readers[kind](key)}")
    return "\n".join(parts)


def _flower(stack: Stack) -> str:
    user, _, password = f"operator:{SECRETS['Flower password']}".partition(":")
    pages = ("api/tasks", "api/workers?refresh=1", "workers", "tasks", "broker", "metrics", "worker/partsbox-1@host")
    answers = [requests.get(f"{stack.flower_url}/{page}", auth=(user, password), timeout=60) for page in pages]
    assert all(answer.status_code in (200, 404) for answer in answers)
    return "\n".join(answer.text for answer in answers)


def _files(folder: Path) -> dict[str, str]:
    """Read every file under the folder: logs, append-only files, outbox, Flower's memory."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().decode("latin-1") for path in files}


def _command_lines(stack: Stack) -> str:
    """Read what `ps` shows of every process of the system to every user of the machine."""
    groups = {process.pid for process in stack.processes.values()}
    shown = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(folder.name)) in groups:
                shown.append((folder / "cmdline").read_text())
    assert shown
    return "\n".join(shown)


@pytest.mark.slow
def test_no_secret_is_written_down_though_the_vendor_echoes_its_key(stack: Stack, tmp_path: Path) -> None:
    shelf = id_for("storage", "a")
    keys = {
        echo: _submit(stack, "stock.add", part_id=id_for("part", echo), storage_id=shelf, quantity=1)
        for echo in ECHOES
        if echo not in ("order", "blocked")
    }
    keys["order"] = _submit(stack, "order.receive", order_id=id_for("order", "order"), storage_id=shelf)
    screen = _scan(stack, tmp_path)
    login = {"Authorization": f"Bearer {stack.api_token}"}

    def state(key: str) -> str:
        return str(requests.get(f"{stack.api_url}/v1/commands/{key}", headers=login, timeout=60).json()["state"])

    ended = ("applied", "rejected", "held", "in_doubt")
    wait_until(lambda: all(state(key) in ended for key in keys.values()), "every command was answered", 30)
    blocked = _submit(stack, "stock.add", part_id=id_for("part", "blocked"), storage_id=shelf, quantity=1)
    wait_until(lambda: state(blocked) == "delayed", "the vendor is closed after a 401", 30)
    wrong = {"Authorization": f"Bearer {SECRETS['station token']}x"}
    refused = requests.get(f"{stack.api_url}/v1/commands/{blocked}", headers=wrong, timeout=60).text
    everything = keys | {"blocked": blocked}
    answers = [
        requests.get(f"{stack.api_url}/v1/commands/{key}", headers=login, timeout=60).text
        for key in everything.values()
    ]
    operator = [["status"], ["limits"], ["dead-letters", "list"], ["--check"], ["status", "--json"]]
    operator += [[*words, key] for key in everything.values() for words in (["show"], ["show", "--json"])]
    shown = "\n".join(_operate(stack, *words) for words in operator)
    flower = _flower(stack)
    places = {
        "the station's screen": screen,
        "the API's answers": "\n".join([*answers, refused]),
        "what the operator sees": shown,
        "Redis": _redis_dump(stack),
        "Flower": flower,
        "the command lines": _command_lines(stack),
    }
    stack.processes["flower"].stop()
    places |= _files(tmp_path)

    assert "[removed]" in places["Redis"]
    assert "[removed]" in shown
    assert everything["refused"] in flower
    assert {name for name in places if name.endswith(".log")} >= {"partsbox-1.log", "webhooks.log", "flower.log"}
    assert any("appendonly" in name for name in places)
    assert [found for name, text in places.items() for found in _found(name, text)] == []


@pytest.mark.parametrize("program", ["partsbox", "webhooks", "flower", "stockrelay"])
def test_a_redis_address_that_cannot_be_read_is_refused_without_its_password(program: str) -> None:
    # an unescaped # or / ends the host, so that what stands before it reads as the port
    commands = {**read_procfile(), "stockrelay": "exec stockrelay status"}
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "REDIS_URL": "redis://:canaryRedis#0005@127.0.0.1:6379/0",
        "STOCKRELAY_PARTSBOX_API_KEY": SECRETS["API key"],
        "STOCKRELAY_WEBHOOKS_TOKENS": f"api:{SECRETS['API token']}",
        "FLOWER_BASIC_AUTH": f"operator:{SECRETS['Flower password']}",
        "FLOWER_PORT": "0",
    }
    ended = subprocess.run(
        ["/bin/sh", "-c", commands[program]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = ended.stdout + ended.stderr

    assert "canary" not in shown
    assert "REDIS_URL" in shown
    assert ended.returncode == 2
