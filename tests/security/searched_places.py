"""Everywhere that a secret could be written down, as text, and the search in it: every spelling of every canary."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import redis
import requests

from tests.security.echoing_vendors import ACCESS_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.stack import Stack

#: Each is found by a plain search, whatever stands around it, in any case of its letters.
SECRETS: Final = {
    "PartsBox API key": "partsboxapi_canaryApiKey0001",
    "API token": "canaryApiToken0002",
    "station token": "canaryStation0003",
    "Flower password": "canaryFlower0004",
    "Redis password": "canaryRedis0005",
    "Partium API key": "canaryPartium+key/0006==",
    "OpenBOM app key": "canaryAppKey0007",
    "OpenBOM user": "canary.user+0008@example.test",
    "OpenBOM password": 'canary "pass" word/0009',
    "PartBolt token": "partbolt_token_canary0010",
    "OpenBOM access token": ACCESS_TOKEN,
    "webhook secret": "canaryHookSecret00000000012",
    "bearer of events": "canaryBearer000000000000013",
    "desk token": "canaryDeskToken0014",
    "collector header": "canaryCollector0015",
}
#: The one place that a secret is kept in, so that all workers share a login.
SESSION_KEY: Final = "sr:{openbom}:session:"


def spellings(secret: str) -> set[str]:
    """Give what a secret looks like in a text, an address, JSON, a basic login and a repr, in small letters."""
    forms = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    forms |= {base64.b64encode(secret.encode()).decode().rstrip("="), secret.encode().hex(), secret[::-1]}
    return {form.lower() for form in forms}


def found_in(places: Mapping[str, str]) -> list[str]:
    """Name the secrets and where each was found."""
    return [
        f"{secret} in {name}"
        for name, text in places.items()
        for lowered in [text.lower()]
        for secret, value in SECRETS.items()
        if any(form in lowered for form in spellings(value))
    ]


def redis_dump(url: str) -> dict[str, str]:
    """Give everything in the server as text by key, whatever its type; what OpenBOM's session is kept under apart."""
    found: dict[str, str] = {}
    with contextlib.closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        for key in client.scan_iter():
            readers: dict[str, Any] = {
                "string": client.get,
                "hash": client.hgetall,
                "set": client.smembers,
                "stream": client.xrange,
                "list": lambda name: client.lrange(name, 0, -1),
                "zset": lambda name: client.zrange(name, 0, -1),
            }
            found[f"Redis key {key}"] = f"{key}={readers[str(client.type(key))](key)}"
    return found


def files_under(folder: Path) -> dict[str, str]:
    """Read every file: logs, append-only files, outboxes, spools, reports, Flower's memory."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"file {path.relative_to(folder)}": path.read_bytes().decode("latin-1") for path in files}


def flower_pages(stack: Stack) -> str:
    """Read what people who watch Flower can see, and its API."""
    pages = ("api/tasks", "api/workers?refresh=1", "workers", "tasks", "broker", "metrics", "worker/partsbox-1@host")
    login = ("operator", SECRETS["Flower password"])
    answers = [requests.get(f"{stack.flower_url}/{page}", auth=login, timeout=60) for page in pages]
    assert all(answer.status_code in (200, 404) for answer in answers)
    return "\n".join(answer.text for answer in answers)


def command_lines(stack: Stack) -> str:
    """Read what `ps` shows of every process of the system to every user of the machine."""
    groups = {process.pid for process in stack.processes.values()}
    shown = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(folder.name)) in groups:
                shown.append((folder / "cmdline").read_text())
    assert shown
    return "\n".join(shown)
