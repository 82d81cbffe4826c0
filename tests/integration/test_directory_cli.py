"""`stockrelay directory`: counts and age, and what one id or part number stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tasks.errors import RejectedError
from tasks.lots import Lot
from tasks.parts import Part
from tasks.storage import Storage
from tests.integration.cli_harness import Operator, operator
from tests.integration.directory_harness import PART, PREFIX, SHELF, Room, vid

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey


@dataclass
class Desk:
    """An operator before a directory."""

    person: Operator
    room: Room


@pytest.fixture
def desk(valkey: SharedValkey, redis_client: Redis) -> Desk:
    return Desk(operator(valkey.url, redis_client), Room(redis_client))


async def test_an_empty_directory_is_said_to_be_one(desk: Desk) -> None:
    assert "empty: no worker has read it" in (await desk.person.run("directory")).stdout
    nothing = {"refreshed_ms": None, "age_seconds": None, "counts": None, "codes": None}
    assert await desk.person.json("directory") == nothing


async def test_counts_per_type_and_the_age_are_shown(desk: Desk) -> None:
    desk.room.vendor.part_list += (Part(vid(7), "Another"),)
    desk.room.vendor.troubles["lots"] = [RejectedError("not in this plan", code="forbidden")]
    await desk.room.refresh()

    shown = await desk.person.json("directory")
    lines = [line.split(maxsplit=1) for line in (await desk.person.run("directory")).stdout.splitlines()]

    assert shown["counts"] == {"part": 2, "storage": 1, "lot": None, "order": 1}
    assert shown["codes"] == 1
    assert shown["age_seconds"] >= 0
    assert shown["refreshed_ms"] == int(await desk.room.redis.hget(PREFIX + "head", "refreshed_ms") or 0)
    assert lines[:3] == [["parts", "2"], ["storage", "locations  1"], ["lots", "not shown to our key"]]
    assert [name for name, _ in lines[3:]] == ["open", "part", "age"]


async def test_an_id_or_a_part_number_is_resolved(desk: Desk) -> None:
    desk.room.vendor.storage_list = (Storage(SHELF, "Shelf 1", archived=True),)
    lettered = "0123456789abcdefghjkmnpqrs"
    desk.room.vendor.lot_list = (Lot(lettered, "Lot 8"),)
    await desk.room.refresh()
    part = {"id": PART, "type": "part", "name": "Resistor 10k", "archived": False, "manufacturer": "Yageo"}
    shelf = {"id": SHELF, "type": "storage", "name": "Shelf 1", "archived": True, "manufacturer": ""}
    assert await desk.person.json("directory", PART) == [part]
    assert [lot["name"] for lot in await desk.person.json("directory", lettered.upper())] == ["Lot 8"]
    assert await desk.person.json("directory", " rc-10k ") == [part]
    assert await desk.person.json("directory", SHELF) == [shelf]
    assert "Resistor 10k by Yageo" in (await desk.person.run("directory", PART)).stdout
    assert "Shelf 1 (archived)" in (await desk.person.run("directory", SHELF)).stdout


async def test_a_number_of_two_parts_shows_both(desk: Desk) -> None:
    desk.room.vendor.part_list += (Part(vid(7), "Another", mpn="RC-10K"),)
    await desk.room.refresh()

    result = await desk.person.run("directory", "RC-10K")

    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == [PART, vid(7)]
    assert "2 parts have this number" in result.stdout


@pytest.mark.parametrize("words", [("directory", "RC-99K"), ("directory", "RC-99K", "--json")])
async def test_a_miss_is_a_failure_and_asks_for_a_refresh(desk: Desk, words: tuple[str, ...]) -> None:
    await desk.room.refresh()

    result = await desk.person.run(*words, code=1)

    assert "RC-99K: not in the directory; a refresh is asked for" in result.stderr
    assert result.stdout == ""
    assert await desk.room.redis.exists(PREFIX + "wanted") == 1


@pytest.mark.parametrize("code", ["", "  ", "x" * 101, "bell\x07"])
async def test_what_is_no_code_is_wrong_usage(desk: Desk, code: str) -> None:
    assert "no id and no part number" in (await desk.person.run("directory", code, code=2)).stderr
