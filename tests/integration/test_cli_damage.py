"""`stockrelay` in front of damaged records: every command goes on, names them, and lets a person close them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.envelope import PARKED_STREAM
from tasks.ledger import prefix_of
from tasks.records import State
from tests.integration.cli_harness import OTHER_PART, VENDOR, Operator, command, operator

if TYPE_CHECKING:
    import redis.asyncio

    from tests.conftest import SharedValkey

PREFIX = prefix_of(VENDOR)


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def test_one_damaged_dead_letter_does_not_hide_the_others(
    person: Operator, redis_client: redis.asyncio.Redis
) -> None:
    damaged, sound = await person.dead(command(1)), await person.dead(command(2, part_id=OTHER_PART))
    await redis_client.hdel(PREFIX + "cmd:" + damaged, "kind", "updated_ms")

    listed = await person.json("dead-letters", "list")
    text = (await person.run("dead-letters", "list")).stdout

    assert {letter["key"]: letter["state"] for letter in listed["dead_letters"]} == {
        damaged: "damaged",
        sound: "rejected",
    }
    assert "damaged" in text
    assert "field kind: missing" in text


async def test_a_damaged_dead_letter_is_shown_as_it_is_kept_with_the_only_way_out(
    person: Operator, redis_client: redis.asyncio.Redis
) -> None:
    key = await person.dead(command(1), State.HELD, evidence={"what": "held", "note": "seen at the vendor"})
    await redis_client.hset(PREFIX + "cmd:" + key, mapping={"image": "{", "summary": b"add \xff"})

    for words in (("show", key), ("dead-letters", "show", key)):
        text = (await person.run(*words)).stdout
        assert "field image: not a JSON object" in text
        assert "add \\xff" in text
        assert "seen at the vendor" in text
        shown = await person.json(*words)
        assert (shown["state"], shown["fields"]["image"]) == ("damaged", "{")
    advice = (await person.run("dead-letters", "show", key)).stdout
    assert f"stockrelay dead-letters discard {key} --reason TEXT" in advice
    assert "dead-letters replay" not in advice
    assert "field image" in (await person.run("dead-letters", "replay", key, code=1)).stderr


@pytest.mark.parametrize("damage", ["field", "type", "gone"])
async def test_discarding_a_damaged_dead_letter_frees_its_lane(
    person: Operator, redis_client: redis.asyncio.Redis, damage: str
) -> None:
    key = await person.dead(command(1), State.HELD)
    (behind,) = await person.admit(command(2))
    name = PREFIX + "cmd:" + key
    await (redis_client.hdel(name, "kind", "lanes") if damage == "field" else redis_client.delete(name))
    if damage == "type":
        await redis_client.set(name, "something else")

    assert key in (await person.run("dead-letters", "list")).stdout
    await person.run("dead-letters", "show", key)
    await person.run("dead-letters", "discard", key, "--reason", "counted by hand")

    record = await person.ledger.find(behind)
    assert record is not None
    assert record.state is State.READY
    assert (await person.run("dead-letters", "list")).stdout == "No dead letters.\n"


async def test_status_goes_on_with_a_command_of_the_wrong_type_and_one_that_cannot_be_read(
    person: Operator, redis_client: redis.asyncio.Redis
) -> None:
    other, damaged = await person.admit(command(1), command(2, part_id=OTHER_PART))
    await redis_client.set(PREFIX + "cmd:" + other, "no hash")
    await redis_client.hdel(PREFIX + "cmd:" + damaged, "kind")

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert (vendor["oldest"]["key"], vendor["oldest"]["state"]) == (damaged, "damaged")
    assert f"{damaged} (damaged: field kind: missing)" in (await person.run("status")).stdout


async def test_status_names_an_index_of_the_wrong_type(person: Operator, redis_client: redis.asyncio.Redis) -> None:
    await redis_client.set(PREFIX + "dead", "no index")

    assert f"{PREFIX}dead is a string" in (await person.run("status", code=1)).stderr


async def test_status_goes_on_when_parked_messages_cannot_be_counted(
    person: Operator, redis_client: redis.asyncio.Redis
) -> None:
    await redis_client.set(PARKED_STREAM, "no stream")

    assert (await person.json("status"))["parked"] is None
    assert "sr:parked is not a stream" in (await person.run("status")).stdout


async def test_a_command_behind_a_damaged_one_tells_so(person: Operator, redis_client: redis.asyncio.Redis) -> None:
    damaged = await person.dead(command(1), State.HELD)
    (behind,) = await person.admit(command(2))
    await redis_client.hset(PREFIX + "cmd:" + damaged, "receipt", "{")

    assert f"{damaged} (damaged)" in (await person.run("show", behind)).stdout
