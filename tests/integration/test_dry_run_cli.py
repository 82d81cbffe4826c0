"""`stockrelay submit --dry-run`: what it prints, how it ends, and that it asks nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.integration.cli_harness import EVENT_MS, PART, STORAGE, Operator, operator
from tests.integration.submit_harness import KEY, WORDS, a_file, numbered

if TYPE_CHECKING:
    from pathlib import Path

    import redis.asyncio

    from tests.conftest import SharedValkey

#: Keeps a program from the network: whoever asks for an address, or connects, ends it.
GUARD: Final = """
import sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        sys.stderr.write(f"{event} {arguments}")
        sys.exit(99)
    if event == "open" and "canary" in str(arguments[0]):
        sys.exit(98)
sys.addaudithook(guard)
"""
GUARDED: Final = f"{GUARD}\nfrom workers.cli import main\nmain()"


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def test_a_dry_run_shows_each_request_and_the_stock_after_it(person: Operator, tmp_path: Path) -> None:
    entry = {"stock/quantity": 10, "stock/timestamp": 1, "stock/storage-id": STORAGE}
    assume = a_file(tmp_path, {"partsbox": {"parts": [{"part/id": PART, "part/stock": [entry]}]}})

    told = await person.json("submit", *WORDS, "--dry-run", "--assume", assume)

    ((run,), (place,)) = told["commands"], told["stock"]
    write = next(request for request in run["requests"] if request["changes"])
    assert (run["key"], run["outcome"], run["effect"], run["lanes"]) == (KEY, "sent", "relative", [f"part:{PART}"])
    assert (write["method"], write["url"]) == ("POST", "https://api.partsbox.com/api/1/stock/add")
    assert write["headers"]["Authorization"] == "APIKey ***"
    assert write["body"] == (
        f'{{"stock/part-id":"{PART}","stock/storage-id":"{STORAGE}","stock/quantity":5,"stock/comments":"[cmd:{KEY}]"}}'
    )
    assert place == {"part_id": PART, "storage_id": STORAGE, "lot_id": None, "before": 10, "delta": 5, "after": 15}
    assert run["limits"] == {"rates": ["2/1s+5"], "concurrency": 4, "settle_seconds": 60.0}
    assert "marker" in run["look_up"]


async def test_the_stock_of_several_commands_is_added_up_from_the_first_to_the_last(
    person: Operator, tmp_path: Path
) -> None:
    entry = {"stock/quantity": 10, "stock/timestamp": 1, "stock/storage-id": STORAGE}
    assume = a_file(tmp_path, {"partsbox": {"parts": [{"part/id": PART, "part/stock": [entry]}]}}, name="assume.json")
    file = a_file(tmp_path, numbered(0), numbered(1, kind="stock.remove", quantity=7))

    told = await person.json("submit", "--file", file, "--dry-run", "--assume", assume)

    (place,) = told["stock"]
    assert (place["before"], place["delta"], place["after"]) == (10, -2, 8)


async def test_a_dry_run_for_people_tells_requests_rests_and_stock(person: Operator, tmp_path: Path) -> None:
    file = a_file(tmp_path, numbered(0), numbered(1, quantity=2))

    text = (await person.run("submit", "--file", file, "--dry-run")).stdout

    assert f"{KEY}  stock.add  would be sent" in text
    assert "Sent: POST https://api.partsbox.com/api/1/stock/add" in text
    assert f"supposed  part {PART} is there" in text
    assert "rates 2/1s+5, 4 at once" in text
    assert text.splitlines()[-1].split() == [PART, STORAGE, "not", "known", "+7", "not", "known"]


async def test_a_dry_run_stores_nothing(person: Operator, redis_client: redis.asyncio.Redis) -> None:
    await person.run("submit", *WORDS, "--dry-run")

    assert await redis_client.dbsize() == 0


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ([numbered(0, kind="stock.remove", quantity=11)], "rejected"),
        (
            [{"kind": "order.receive", "order_id": PART, "storage_id": STORAGE, "stock_timestamp": EVENT_MS}],
            "not_known",
        ),
        (
            [
                {
                    "kind": "order.receive",
                    "order_id": PART,
                    "storage_id": STORAGE,
                    "lines": [{"stock_id": PART, "quantity": 1}],
                    "stock_timestamp": EVENT_MS,
                }
            ],
            "expanded",
        ),
    ],
    ids=["refused", "not known", "its part not known"],
)
async def test_a_dry_run_ends_with_1_where_a_command_would_not_be_applied(
    person: Operator, tmp_path: Path, lines: list[dict[str, Any]], outcome: str
) -> None:
    # of the parts only where something is taken away: the others are about what nobody knows
    known = {"parts": [{"part/id": PART}]} if outcome == "rejected" else {}
    assume = a_file(tmp_path, {"partsbox": known}, name="assume.json")

    told = await person.json("submit", "--file", a_file(tmp_path, *lines), "--dry-run", "--assume", assume, code=1)

    assert [run["outcome"] for run in told["commands"]] == [outcome]


async def test_assumptions_that_cannot_be_used_are_refused(person: Operator, tmp_path: Path) -> None:
    assume = a_file(tmp_path, {"partsbox": {"stock": []}})

    result = await person.run("submit", *WORDS, "--dry-run", "--assume", assume, code=2)

    assert "--assume: partsbox: 'stock' is unknown; known are parts" in result.stderr


async def test_a_wrong_setting_ends_a_dry_run(person: Operator) -> None:
    result = await person.run(
        "submit", *WORDS, "--dry-run", code=2, env={"STOCKRELAY_PARTSBOX_URL": "http://a.example"}
    )

    assert "STOCKRELAY_PARTSBOX_URL: must be https" in result.stderr


def test_a_dry_run_opens_no_connection_and_reads_no_secret(tmp_path: Path) -> None:
    commands = [
        numbered(0),
        {"kind": "cad.import_part", "item_id": "I-1", "stock_timestamp": EVENT_MS},
        {"kind": "catalog.delete_part", "part_id": "P-1", "stock_timestamp": EVENT_MS},
        {
            "kind": "bom.set_property",
            "bom_id": "b-1",
            "part_number": "R-1",
            "property": "Bin",
            "value": "A",
            "stock_timestamp": EVENT_MS,
        },
    ]
    routes = tmp_path / "routes.toml"
    routes.write_text('[imports.partbolt.name]\nen = "name"\n')
    assume = a_file(tmp_path, {"partbolt": {"parts": [{"id": "I-1", "name": "Screw"}]}}, name="assume.json")
    secrets = {"PARTSBOX_API_KEY": "", "PARTIUM_API_KEY": "", "OPENBOM_PASSWORD": "_FILE", "PARTBOLT_TOKEN": "_FILE"}
    environ = {f"STOCKRELAY_{name}{form}": f"/nowhere/canary-{name}" for name, form in secrets.items()}

    ended = subprocess.run(
        [sys.executable, "-c", GUARDED, "submit", "-", "--dry-run", "--assume", assume, "--json"],
        input="\n".join(map(json.dumps, commands)),
        env={**os.environ, **environ, "STOCKRELAY_ROUTING_CONFIG": str(routes), "REDIS_URL": "redis://nowhere.invalid"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [run["outcome"] for run in json.loads(ended.stdout)["commands"]] == ["sent", "expanded", "sent", "sent"]
    assert "canary" not in ended.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(('127.0.0.1', 1))", 99),
        ("import socket; socket.getaddrinfo('nowhere.invalid', 443)", 99),
        ("open('canary')", 98),
    ],
    ids=["a connection", "a name", "a secret"],
)
def test_the_guard_of_that_test_ends_who_does_it(words: str, code: int) -> None:
    program = [sys.executable, "-S", "-c", f"{GUARD}\n{words}"]

    assert subprocess.run(program, capture_output=True, timeout=60, check=False).returncode == code
