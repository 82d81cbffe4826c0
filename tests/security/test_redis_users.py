"""The Redis users of docs/security.md: each program works as its own, and none can do what is another's."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests

from tests.backing import ROOT
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.security.redis_users import GuardedStack, GuardedValkey, documented_users
from tests.stack import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGIN: Final = {"Authorization": f"Bearer {API_TOKEN}"}
PATIENCE_SECONDS: Final = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedValkey]:
    with GuardedValkey(tmp_path_factory.mktemp("guarded") / "valkey") as running:
        yield running


#: Denied to each: the OpenBOM token, the workers' pauses, the queues' reading, remote control, the server itself.
SESSION, LIMITS, HINTS = "sr:{openbom}:session:x", "sr:{partsbox}:limit:state", "vendor.partsbox"
DENIED: Final[dict[str, list[tuple[str, ...]]]] = {
    "producer": [
        ("GET", SESSION),
        ("HSET", LIMITS, "paused", "1"),
        ("RPOP", HINTS),
        ("LRANGE", HINTS, "0", "-1"),
        ("HSET", "sr:{partsbox}:directory:head", "generation", "x"),
        ("DEL", "unacked"),
        ("PUBLISH", "/0.celery.pidbox", "{}"),
        ("SUBSCRIBE", "/0.celeryev/worker.heartbeat"),
    ],
    "worker": [("SET", "elsewhere", "1"), ("PUBLISH", "elsewhere", "x")],
    "flower": [
        ("HGETALL", "sr:{partsbox}:cmd:x"),
        ("GET", SESSION),
        ("LPUSH", HINTS, "{}"),
        ("HGETALL", "unacked"),
        ("XRANGE", "sr:{partsbox}:events", "-", "+"),
    ],
    "operator": [("GET", SESSION), ("PUBLISH", "/0.celery.pidbox", "{}"), ("DEL", "unacked")],
    "reader": [
        ("GET", SESSION),
        ("HSET", "sr:{partsbox}:cmd:x", "state", "applied"),
        ("DEL", "sr:{partsbox}:cmd:x"),
        ("LPUSH", HINTS, "{}"),
        ("EVAL", "return 1", "0"),
    ],
}
#: Of the server itself, to nobody but its administrator.
SERVER_COMMANDS: Final = [
    ("FLUSHALL",),
    ("CONFIG", "SET", "appendonly", "no"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("DEBUG", "SLEEP", "0"),
    ("KEYS", "*"),
    ("MONITOR",),
    ("MODULE", "LIST"),
    ("REPLICAOF", "NO", "ONE"),
    ("FUNCTION", "LOAD", "x"),
    ("SCRIPT", "FLUSH"),
    ("CLIENT", "KILL", "ID", "1"),
    ("SWAPDB", "0", "1"),
]


@pytest.mark.parametrize("user", DENIED)
def test_a_user_can_do_nothing_that_is_not_its_own(server: GuardedValkey, user: str) -> None:
    with server.client("admin") as admin:
        answers = {
            words: str(admin.execute_command("ACL", "DRYRUN", user, *words))
            for words in (*DENIED[user], *SERVER_COMMANDS)
        }

    assert [words for words, answer in answers.items() if answer == "OK"] == []


def test_nobody_comes_in_without_a_user(server: GuardedValkey) -> None:
    assert documented_users().keys() == {"default", *DENIED}
    with server.client("admin") as admin:
        users = {line.split()[1]: line for line in admin.execute_command("ACL", "LIST")}

    assert users["default"].split()[2] == "off"
    allowed = {user: line.split() for user, line in users.items() if user in DENIED}
    assert all(not {"nopass", "~*", "&*", "+@all"} & set(words) for words in allowed.values())


def test_the_producer_may_write_every_key_of_the_ledger(server: GuardedValkey) -> None:
    header = (ROOT / "tasks" / "ledger_state.lua").read_text().partition("local prefix")[0]
    names = re.findall(r"^--   ([a-z_]+(?::<?[a-z]+>?)*) +(?:HASH|LIST|ZSET|STRING|STREAM|any) ", header, re.MULTILINE)
    keys = ["sr:{partsbox}:" + re.sub("<[a-z]+>", "x", name) for name in names]

    assert len(keys) >= 12
    with server.client("admin") as admin:
        answers = {key: str(admin.execute_command("ACL", "DRYRUN", "producer", "DEL", key)) for key in keys}
    assert {key: answer for key, answer in answers.items() if answer != "OK"} == {}


def _operate(stack: GuardedStack, url: str, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("stockrelay")), *words]
    environment = {**stack.environment, "REDIS_URL": url}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_every_program_does_its_work_as_its_own_user(server: GuardedValkey, tmp_path: Path) -> None:
    settings = {"REDIS_URL": server.url_of("worker"), "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1"}
    with GuardedStack(tmp_path, server, flower=True, settings=settings, environment={}) as stack:
        body = {"kind": "stock.add", "part_id": id_for("part", "R-1K"), "storage_id": id_for("storage", "shelf-3")}
        body |= {"quantity": 5, "stock_timestamp": time.time_ns() // 1_000_000}  # type: ignore[dict-item]  # JSON
        accepted = requests.post(f"{stack.api_url}/v1/commands", json=body, headers=LOGIN, timeout=PATIENCE_SECONDS)
        key = accepted.json()["key"]

        def is_applied() -> bool:
            answer = requests.get(f"{stack.api_url}/v1/commands/{key}", headers=LOGIN, timeout=PATIENCE_SECONDS)
            return bool(answer.json()["state"] == "applied")

        user, _, password = stack.flower_login.partition(":")

        def is_seen() -> bool:
            answer = requests.get(f"{stack.flower_url}/api/tasks", auth=(user, password), timeout=PATIENCE_SECONDS)
            return key in answer.json()

        wait_until(is_applied, "the command was applied", PATIENCE_SECONDS)
        wait_until(is_seen, "Flower shows the command", PATIENCE_SECONDS)
        shown = _operate(stack, server.url_of("reader"), "show", key)
        _operate(stack, server.url_of("operator"), "pause", "partsbox")
        status = _operate(stack, server.url_of("operator"), "status")
        with server.client("admin") as admin:
            refused = {(entry["username"], entry["object"]) for entry in admin.acl_log()}

    assert "applied" in shown
    assert "paused" in status
    assert "  worker partsbox on " in status
    assert "  webhooks on " in status
    assert refused == set()
