"""The routes a station asks for names and labels: what is known, what is not yet, and what is no label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.directory import MAX_CODE, Thing, ThingType, code_of, directory_prefix
from tests.integration.command_api_harness import PROBLEM, Door

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = directory_prefix("partsbox")
PART = Thing("p" * 26, ThingType.PART, "LM358", manufacturer="TI")
TWIN = Thing("q" * 26, ThingType.PART, "LM358", archived=True)
SHELF = Thing("s" * 26, ThingType.STORAGE, "A-03-2")
SHOWN = {"id": "p" * 26, "type": "part", "name": "LM358", "archived": False, "manufacturer": "TI"}


@pytest.fixture
async def stocked(redis_client: Redis) -> None:
    """A directory of two parts of one number and a shelf, as a worker writes it."""
    await redis_client.hset(
        PREFIX + "head", mapping={"generation": "g", "refreshed_ms": "1", "counts": "{}", "codes": 1}
    )
    await redis_client.hset(PREFIX + "g:things", mapping={each.id: each.to_json() for each in (PART, TWIN, SHELF)})
    await redis_client.hset(PREFIX + "g:codes", code_of("LM358 N"), f'["{PART.id}", "{TWIN.id}"]')


async def _wanted(redis: Redis) -> int:
    return int(await redis.get(PREFIX + "wanted") or 0)


@pytest.mark.usefixtures("stocked")
async def test_an_id_is_told_with_what_it_stands_for(door: Door, redis_client: Redis) -> None:
    status, _, part = await door.get(f"/v1/directory/ids/{PART.id}")
    _, _, shelf = await door.get(f"/v1/directory/ids/{SHELF.id}")

    assert (status, part) == (200, SHOWN)
    assert shelf == {"id": SHELF.id, "type": "storage", "name": "A-03-2", "archived": False, "manufacturer": ""}
    assert await _wanted(redis_client) == 0


@pytest.mark.usefixtures("stocked")
async def test_a_part_number_gives_all_its_parts_however_it_is_written(door: Door) -> None:
    status, _, found = await door.get("/v1/directory/parts?code=lm358%20%20n")

    assert status == 200
    assert found == {"parts": [SHOWN, {**SHOWN, "id": TWIN.id, "archived": True, "manufacturer": ""}], "known": True}


async def test_what_is_not_known_is_asked_of_the_vendor_soon(door: Door, redis_client: Redis) -> None:
    status, headers, problem = await door.get(f"/v1/directory/ids/{PART.id}")
    after_id = await _wanted(redis_client)
    _, _, found = await door.get("/v1/directory/parts?code=LM358")

    assert (status, headers["Content-Type"], problem["code"]) == (404, PROBLEM, "unknown-id")
    assert (after_id, found) == (1, {"parts": [], "known": False})
    assert await _wanted(redis_client) == 2


@pytest.mark.parametrize("query", ["", "?code=", "?code=%20", "?code=" + "x" * (MAX_CODE + 1)])
async def test_no_part_number_at_all_is_refused(door: Door, redis_client: Redis, query: str) -> None:
    status, _, problem = await door.get("/v1/directory/parts" + query)

    assert (status, problem["code"], await _wanted(redis_client)) == (400, "malformed", 0)


async def test_a_directory_that_is_away_is_said(fake_door: Door) -> None:
    status, headers, _ = await fake_door.get(f"/v1/directory/ids/{PART.id}")

    assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_label_is_read_as_the_station_reads_it(fake_door: Door) -> None:
    scan = "[)>\x1e06\x1dK4500012345\x1d1PLM358BIDDFR\x1dQ10\x1e\x04"

    status, _, answer = await fake_door.post({"scan": scan}, "/v1/labels")

    assert (status, answer["refusal"]) == (200, None)
    label = answer["label"]
    assert (label["mpn"], label["quantity"], label["customer_po"]) == ("LM358BIDDFR", 10, "4500012345")
    assert label["fields"] == {"K": "4500012345", "1P": "LM358BIDDFR", "Q": "10"}


async def test_what_is_no_label_is_told_with_the_reason(fake_door: Door) -> None:
    status, _, answer = await fake_door.post({"scan": "4711"}, "/v1/labels")

    assert (status, answer["label"]) == (200, None)
    assert answer["refusal"]["reason"]


@pytest.mark.parametrize("body", [{}, {"scan": 5}, {"scan": ""}, {"scan": "x" * 4_097}, {"scan": "x", "more": 1}])
async def test_what_is_no_scan_is_refused_without_repeating_it(fake_door: Door, body: dict[str, object]) -> None:
    status, headers, problem = await fake_door.post(body, "/v1/labels")

    assert (status, headers["Content-Type"], problem["code"]) == (422, PROBLEM, "invalid-command")
    assert "xxx" not in str(problem)


async def test_the_lookups_ask_for_a_token(fake_door: Door) -> None:
    for path in ("/v1/directory/ids/x", "/v1/directory/parts?code=x"):
        async with fake_door.session.get(fake_door.url + path) as answer:
            assert answer.status == 401
    async with fake_door.session.post(fake_door.url + "/v1/labels", json={"scan": "x"}) as answer:
        assert answer.status == 401
