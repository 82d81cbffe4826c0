"""`stockrelay submit` on a real server: accepted once, or refused as a whole."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tasks.ledger import Ledger
from tasks.records import State
from tasks.registry import parse_command
from tests.integration.cli_harness import EVENT_MS, PART, STORAGE, Operator, operator
from tests.integration.submit_harness import ADD, KEY, WORDS, a_file, numbered
from tests.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import redis.asyncio

    from tests.conftest import MakeValkey, SharedValkey


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def test_a_command_is_accepted_once_under_the_key_of_its_event(person: Operator) -> None:
    first = await person.run("submit", *WORDS, "--by", "mara")
    second = await person.run("submit", *WORDS)

    record = await person.ledger.find(KEY)
    assert first.stdout == f"{KEY} accepted, now ready: add 5 of part {PART[:8]}… to {STORAGE[:8]}…\n"
    assert second.stdout.startswith(f"{KEY} was accepted before, now ready: ")
    assert record is not None
    assert (record.state, record.client) == (State.READY, "mara")
    assert (await person.ledger.counts())[State.READY] == 1


async def test_json_tells_key_state_and_whether_it_is_a_repetition(person: Operator) -> None:
    first = await person.json("submit", *WORDS)
    second = await person.json("submit", *WORDS)

    summary = f"add 5 of part {PART[:8]}… to {STORAGE[:8]}…"
    told = {"key": KEY, "kind": "stock.add", "vendor": "partsbox", "summary": summary, "state": "ready"}
    assert first == {"commands": [{**told, "duplicate": False}]}
    assert second == {"commands": [{**told, "duplicate": True}]}


async def test_values_are_text_where_text_is_meant_and_json_elsewhere(person: Operator) -> None:
    words = (
        "part.upsert",
        "name=1206",
        'tags=["smd"]',
        "low_stock=5",
        "description=null",
        f"stock_timestamp={EVENT_MS}",
    )
    ((listed,),) = (await person.json("submit", *words)).values()

    record = await person.ledger.find(listed["key"])
    assert record is not None
    asked = json.loads(record.command)
    assert {name: asked[name] for name in ("name", "tags", "low_stock", "description")} == {
        "name": "1206",
        "tags": ["smd"],
        "low_stock": 5,
        "description": "null",
    }


@pytest.mark.parametrize("form", ["lines", "a list", "one object"])
async def test_a_file_is_submitted_in_its_order(person: Operator, tmp_path: Path, form: str) -> None:
    commands = [numbered(number) for number in range(1 if form == "one object" else 3)]
    text = {
        "lines": "\n\n".join(map(json.dumps, commands)),
        "a list": json.dumps(commands, indent=1),
        "one object": json.dumps(commands[0], indent=1),
    }[form]
    (tmp_path / "commands").write_text(text)

    told = await person.json("submit", "--file", str(tmp_path / "commands"))

    keys = [parse_command("stock.add", {**ADD, "stock_timestamp": EVENT_MS + n}).key() for n in range(len(commands))]
    assert [each["key"] for each in told["commands"]] == keys
    assert [each["state"] for each in told["commands"]] == ["ready", "waiting", "waiting"][: len(commands)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([numbered(1), {**numbered(2), "quantity": 0}, {"kind": "stock.fly"}], ["line 2: quantity:", "line 3: kind:"]),
        ([numbered(1), numbered(2, stock_timestamp=4_000_000_000_000)], ["line 2: stock_timestamp: more than a day"]),
        (
            [numbered(1), {"kind": "part.create", "name": "R", "stock_timestamp": EVENT_MS}],
            ["line 2: kind: not for clients"],
        ),
        ([numbered(1), ["stock.add"]], ["line 2: (body): not an object"]),
        ([numbered(1), {"part_id": PART}], ["line 2: kind: missing or not a text"]),
    ],
    ids=["wrong fields", "another century", "an internal kind", "no object", "no kind"],
)
async def test_nothing_of_a_file_is_submitted_when_one_command_is_wrong(
    person: Operator, tmp_path: Path, lines: list[Any], told: list[str]
) -> None:
    result = await person.run("submit", "--file", a_file(tmp_path, *lines), code=2)

    assert [text for text in told if text not in result.stderr] == []
    assert "nothing was submitted" in result.stderr
    assert sum((await person.ledger.counts()).values()) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the file has no command"),
        (b"[]", "the file has no command"),
        (b"\xff", "not UTF-8"),
        (b'{"kind": "stock.add"', "the file is not JSON"),
        (b'{"kind": "a", "kind": "b"}', "a name occurs twice"),
        (b'{"kind": "stock.add", "quantity": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "the file nests deeper than 16 levels"),
        (b'{"kind": "a"}\n{"kind"', "line 2 is not JSON"),
        (b"[{}" + b",{}" * 10_000 + b"]", "more than 10000 commands"),
        (b" " * (16 * 1024 * 1024 + 1), "larger than 16 MiB"),
    ],
    ids=["empty", "no item", "not UTF-8", "cut", "a name twice", "NaN", "deep", "a cut line", "too many", "too large"],
)
async def test_a_file_that_cannot_be_read_is_refused(person: Operator, tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "commands").write_bytes(text)

    result = await person.run("submit", "--file", str(tmp_path / "commands"), code=2)

    assert told in result.stderr


async def test_a_file_as_other_systems_write_it_is_read(person: Operator, tmp_path: Path) -> None:
    """With a byte order mark, and with a line separator of Unicode inside a text."""
    lines = [json.dumps({**numbered(number), "comments": "a\u2028b"}, ensure_ascii=False) for number in (1, 2)]
    (tmp_path / "commands").write_bytes("\r\n".join(lines).encode("utf-8-sig"))

    answer = await person.json("submit", "--file", str(tmp_path / "commands"))

    assert [each["duplicate"] for each in answer["commands"]] == [False, False]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name the KIND of command"),
        (("stock.fly",), "kind: unknown; send one of"),
        (("stock.add", "quantity"), "'quantity' is not FIELD=VALUE"),
        (("stock.add", "quantity=5", "quantity=6"), "a field is given twice"),
        (WORDS[:-1], "stock_timestamp: missing; UTC milliseconds of the event"),
        ((*WORDS[:-1], "stock_timestamp=1790000000"), "check the unit"),
        ((*WORDS, "colour=blue"), "colour: Extra inputs are not permitted"),
        ((*WORDS, "--file", os.devnull), "give either KIND with its fields, or a file"),
        ((*WORDS, "--assume", os.devnull), "--assume goes with --dry-run only"),
        ((*WORDS, "--by", " "), "is empty"),
    ],
    ids=[
        "nothing",
        "an unknown kind",
        "no value",
        "twice",
        "no moment",
        "seconds",
        "a field",
        "both",
        "assume",
        "nobody",
    ],
)
async def test_wrong_words_are_refused_with_what_to_do(person: Operator, words: tuple[str, ...], told: str) -> None:
    result = await person.run("submit", *words, code=2)

    assert told in result.stderr


async def test_another_command_of_the_same_event_is_refused_and_what_follows_waits(
    person: Operator, tmp_path: Path
) -> None:
    file = a_file(tmp_path, numbered(0), numbered(0, comments="another one"), numbered(2))

    result = await person.run("submit", "--file", file, code=1)

    assert result.stdout.startswith(f"{KEY} accepted")
    assert f"line 2: {KEY}: the key is used for a different command" in result.stderr
    assert sum((await person.ledger.counts()).values()) == 1


async def test_a_routed_part_is_submitted_by_its_parent(
    person: Operator, tmp_path: Path, redis_client: redis.asyncio.Redis
) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text('[routes.catalog_part.partsbox]\nname = "name.en"\n')
    words = ("catalog.upsert_part", "part_id=P-1", 'name={"en": "Screw"}', f"stock_timestamp={EVENT_MS}")

    result = await person.run("submit", *words, "--json", env={"STOCKRELAY_ROUTING_CONFIG": str(routes)})

    ((listed,),) = json.loads(result.stdout).values()
    parent = await Ledger(redis_client, "routing").find(listed["key"])
    assert (listed["kind"], parent and parent.kind) == ("catalog.route_part", "catalog.route_part")


async def test_a_server_that_would_lose_commands_is_refused(make_valkey: MakeValkey, person: Operator) -> None:
    server = make_valkey({"appendfsync": "everysec"})
    words = ("submit", *WORDS)
    person = Operator(server.url, person.ledger)

    refused = await person.run(*words, code=2)
    allowed = await person.run(*words, env={"STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS": "1"})

    assert "would lose accepted commands: appendfsync" in refused.stderr
    assert allowed.stdout.startswith(f"{KEY} accepted")


async def test_a_server_that_is_away_promises_nothing(person: Operator, tmp_path: Path) -> None:
    away = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}

    result = await person.run("submit", "--file", a_file(tmp_path, numbered(0), numbered(1)), code=75, env=away)

    assert "try again later" in result.stderr
    assert "accepted, now" not in result.stdout
