"""Bombs of size, depth and repetition: refused with a word, at little cost, and what comes behind them is served."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from tasks.submit import Submitter
from tests.backing import ROOT
from tests.integration.command_api_harness import move, serving
from tests.security.bombs import FILES

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

#: All of them together take a few seconds; each alone took minutes, gigabytes or the process.
PROCESSOR_SECONDS: Final = 100
MEMORY_BYTES: Final = 3 * 2**30


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def test_a_dropped_file_of_one_long_number_ended_the_process_and_others_took_it_for_minutes(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.security.bombs", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit,
    )
    found = dict(json.loads(line) for line in ended.stdout.splitlines())

    assert (ended.returncode, ended.stderr) == (0, "")
    assert found.pop("a vendor's answer of long words") == "2 KiB of evidence"
    assert found.keys() == FILES.keys()
    assert {name: said for name, said in found.items() if not said.startswith("refused: ")} == {}


BODIES: Final[dict[str, tuple[dict[str, str], bytes]]] = {
    "lists without an end": ({}, b"[" * 200_000),
    "objects without an end": ({}, b'{"a":' * 40_000),
    "a number of 200,000 digits": ({}, b'{"kind": "stock.move", "quantity": ' + b"9" * 200_000 + b"}"),
    "an exponent that nothing has": ({}, b'{"kind": "stock.move", "quantity": 1e999999999}'),
    "40,000 fields": ({}, json.dumps({f"f{number}": 1 for number in range(40_000)}).encode()[:250_000] + b"1}"),
    "fields that nobody knows": ({}, json.dumps(move() | {f"f{number}": number for number in range(9_000)}).encode()),
    "a text of 200 KiB": ({}, json.dumps(move(comments="a" * 200_000)).encode()),
    "a compressed body": ({"Content_Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 100),
    "a body in layers": ({"Content_Encoding": "gzip, gzip, gzip, br"}, b"\x1f\x8b"),
    "more than is taken": ({}, b" " * 400_000),
}


@pytest.mark.parametrize("path", ["/v1/commands", "/v1/scans", "/v1/labels"])
async def test_no_bomb_in_a_body_is_more_than_a_refusal(redis_client: Redis, path: str) -> None:
    answers: dict[str, Any] = {}
    async with serving(Submitter(redis_client), redis=redis_client) as door:
        for name, (headers, body) in BODIES.items():
            status, _, problem = await door.post(body, path, **headers)
            answers[name] = (status, len(json.dumps(problem)) < 4_096 + 10 * len(body))
        good = await door.post(move())

    wrong = {name: answer for name, answer in answers.items() if answer[0] not in (400, 413, 415, 422) or not answer[1]}
    assert wrong == {}
    assert good[0] == 202
