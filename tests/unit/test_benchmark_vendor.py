"""The books of the benchmarks' vendor: what they count is what every figure stands on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.benchmarks.vendor import MAINTENANCE, Books, serve
from tests.process import free_port
from workers.vendors.partium import wire
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def _add(books: Books, part: str, comment: str) -> None:
    wanted = {"stock/part-id": part, "stock/quantity": 1, "stock/comments": comment}
    books.answer("/partsbox/stock/add", json.dumps(wanted).encode())


def test_each_kind_of_effect_is_counted_and_a_read_is_not() -> None:
    books = Books()

    _add(books, "a", "[cmd:1]")
    _add(books, "a", "[cmd:2]")
    books.answer("/partium/1/catalog/parts", b'[{"part_id": "x"}, {"part_id": "y"}, {"part_id": "z"}]')
    books.answer("/work?task=1-0", b"")
    books.answer("/partsbox/part/get", b'{"part/id": "a"}')

    told = books.told()
    assert (told["additions"], told["upserts"], told["work"]) == (2, 3, 1)
    assert told["repeated"] == []


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("kind", ["addition", "upsert", "work"])
def test_what_comes_again_is_found_once_however_often_it_comes(kind: str, times: int) -> None:
    books = Books()

    for _ in range(times):
        match kind:
            case "addition":
                _add(books, "a", "[cmd:1]")
            case "upsert":
                books.answer("/partium/1/catalog/parts", b'[{"part_id": "[cmd:1]"}]')
            case _:
                books.answer("/work?[cmd:1]", b"")
    _add(books, "a", "[cmd:2]")

    assert books.told()["repeated"] == ["[cmd:1]"]


def test_a_parts_history_holds_its_own_additions() -> None:
    books = Books()

    _add(books, "a", "[cmd:1]")
    _add(books, "b", "[cmd:2]")

    _, text = books.answer("/partsbox/part/get", b'{"part/id": "a"}')
    assert [entry["stock/comments"] for entry in json.loads(text)["data"]["part/stock"]] == ["[cmd:1]"]


def test_the_answer_to_an_upsert_is_one_that_our_client_understands() -> None:
    _, text = Books().answer("/partium/1/catalog/parts", b'[{"part_id": "x"}]')

    assert wire.outcome_of(Call.post("1/catalog/parts", []), json.loads(text)).done() == {"x": "created"}


def test_maintenance_refuses_writes_in_partiums_words_and_counts_none() -> None:
    books = Books(maintenance=True)

    status, text = books.answer("/partium/1/catalog/parts", b'[{"part_id": "x"}]')

    assert (status, json.loads(text)["detail"]) == (503, wire.MAINTENANCE)
    assert wire.MAINTENANCE == MAINTENANCE
    assert books.told()["upserts"] == 0


@contextlib.asynccontextmanager
async def _served() -> AsyncIterator[str]:
    port = free_port()
    server = asyncio.create_task(serve(port, 0.0))
    try:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                await asyncio.sleep(0)
        writer.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


async def _books(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(f"{url}/books") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_requests_on_kept_connections_are_all_counted_and_looking_counts_for_nothing() -> None:
    async with _served() as url, aiohttp.ClientSession() as session:
        for number in range(3):
            async with session.get(f"{url}/work?task={number}") as answer:
                assert await answer.json() == {}
        body = json.dumps({"stock/part-id": "a", "stock/comments": "x" * 200_000})  # arrives in several pieces
        async with session.post(f"{url}/stock/add", data=body) as answer:
            assert (await answer.json())["partsbox.status/category"] == "ok"
        first, second = await _books(session, url), await _books(session, url)

    assert first == second
    assert (first["work"], first["additions"], first["most_in_flight"]) == (3, 1, 1)
    assert first["fullest_second"] <= 4


async def test_requests_at_the_same_time_are_seen_in_flight() -> None:
    async with _served() as url, aiohttp.ClientSession() as session:

        async def work(number: int) -> None:
            async with session.get(f"{url}/work?task={number}") as answer:
                await answer.read()

        await asyncio.gather(*map(work, range(20)))
        told = await _books(session, url)

    assert told["work"] == 20
    assert 1 <= told["most_in_flight"] <= 20
