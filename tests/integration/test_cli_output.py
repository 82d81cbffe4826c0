"""What `stockrelay` prints where: terminals, pipes, narrow screens, encodings, hostile words."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.cli_harness import EXCHANGE, Operator, command, operator
from tests.process import free_port

if TYPE_CHECKING:
    import redis.asyncio

    from tests.conftest import SharedValkey

STOCKRELAY: Final = Path(sys.executable).with_name("stockrelay")


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def test_what_others_wrote_cannot_steer_the_terminal(person: Operator) -> None:
    evidence = {"what": "rejected", "note": "no\x1b]0;stock\x07\u202e", "exchange": {**EXCHANGE, "answer": "\x9b31m"}}
    key = await person.dead(command(1), reason="no \x1b[31mstock\x1b[0m", evidence=evidence)

    for words in (("show", key), ("dead-letters", "list"), ("dead-letters", "show", key)):
        text = (await person.run(*words)).stdout
        assert not [character for character in text if not character.isprintable() and character != "\n"]
        assert "\\x1b[31mstock" in text


async def test_wide_values_wrap_and_lose_nothing(person: Operator) -> None:
    answer = "x" * 500
    key = await person.dead(command(1), evidence={"what": "rejected", "exchange": {**EXCHANGE, "answer": answer}})

    text = (await person.run("show", key, env={"COLUMNS": "72"})).stdout

    assert max(len(line) for line in text.splitlines()) <= 72
    assert text.count("x") >= 500
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def on_terminal(url: str, **environment: str) -> str:
    """Run the real program with a terminal for its output."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [STOCKRELAY, "dead-letters", "list"],
        stdout=theirs,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        env={"REDIS_URL": url, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
        code = program.wait(60)
    assert code == 0, shown
    return shown.decode()


async def test_colours_are_for_terminals_that_want_them(person: Operator) -> None:
    key = await person.dead(command(1))

    coloured = await asyncio.to_thread(on_terminal, person.url)
    plain = await asyncio.to_thread(on_terminal, person.url, NO_COLOR="1")
    piped = (await person.run("dead-letters", "list", env={"FORCE_COLOR": "1"})).stdout

    assert "\x1b[31mrejected" in coloured
    assert "\x1b" not in plain
    assert "\x1b" not in piped
    assert all(key in text for text in (coloured, plain, piped))


async def test_the_program_runs_as_a_process_in_any_encoding(person: Operator) -> None:
    key = await person.dead(command(1, comments="Größe"))
    environment = {"REDIS_URL": person.url, "PYTHONIOENCODING": "latin-1"}

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([STOCKRELAY, *words], env=environment, capture_output=True, check=False)

    shown = await asyncio.to_thread(run, "show", key)
    missing = await asyncio.to_thread(run, "show", "a" * 20)

    assert (shown.returncode, shown.stderr) == (0, b"")
    assert re.search(rb"comments +Gr\xf6\xdfe", shown.stdout)
    assert rb"part 01234567\u2026" in shown.stdout
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert missing.stderr.startswith(b"Error: aaaaaaaaaaaaaaaaaaaa: no such command")


async def test_version_and_help_need_no_redis(person: Operator) -> None:
    nowhere = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}

    assert "stockrelay, version " in (await person.run("--version", env=nowhere)).stdout
    help_text = (await person.run("--help", env=nowhere)).stdout
    for name in ("status", "show", "dead-letters", "cancel", "pause", "resume", "limits", "directory"):
        assert name in help_text
        assert (await person.run(name, "--help", env=nowhere)).stdout.startswith("Usage: ")
    assert (await person.run("statsu", env=nowhere, code=2)).stderr != ""


async def test_the_help_names_every_key_of_the_json(person: Operator) -> None:
    key = await person.dead(command(1))
    (vendor, *_) = (status := await person.json("status"))["vendors"]
    (limits, *_) = await person.json("limits")
    listed = await person.json("dead-letters", "list")
    printed = {
        ("status",): {*status, *status["redis"], *vendor},
        ("limits",): {*limits},
        ("show",): {*await person.json("show", key)},
        ("dead-letters", "list"): {*listed, *listed["dead_letters"][0]},
    }

    for words, keys in printed.items():
        named = set(re.findall(r"\w+", (await person.run(*words, "--help")).stdout))
        assert keys - named == set(), words


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_behind_the_output_is_said_in_one_line(person: Operator) -> None:
    for words in (("dead-letters", "list"), ("dead-letters", "list", "--json")):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [STOCKRELAY, *words],
                stdout=full,
                stderr=subprocess.PIPE,
                env={**os.environ, "REDIS_URL": person.url, "PYTHONUNBUFFERED": ""},
                check=False,
                timeout=60,
            )
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr.decode()
        assert b"look before you ask again" in ended.stderr
