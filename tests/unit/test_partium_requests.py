"""Commands become Partium requests: the document's fields and headers, a DELETE with a body, pages to the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tasks.catalog import DeletePart
from tasks.errors import RetryableError
from tasks.registry import parse_command
from tests.scripted_vendor import Limiter, raw_server
from tests.unit.batching_harness import API_KEY, NOW_MS, Bench, Reply, Request, Sender, bench, done, outcomes, part
from workers.packing import Item
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partium import Partium, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["bench"]

SCREW: dict[str, Any] = {
    "part_id": "part1",
    "name": {"en": "Screw X", "de": "Schraube X"},
    "attributes": [
        {
            "attribute_id": "screw-type",
            "values": [{"organization": "", "value": {"en": "Metric", "de": "Metrisch"}}],
        }
    ],
}


async def listed(records: AsyncIterator[Any]) -> list[Any]:
    return [record async for record in records]


async def test_a_part_is_sent_as_the_document_shows_it(bench: Bench) -> None:
    bench.limiter.open = True
    command: Any = parse_command("catalog.upsert_part", SCREW | {"stock_timestamp": NOW_MS})

    await bench.partium.upsert_part(command, Sender())

    (request,) = bench.session.sent
    assert (request.method, request.path, request.body) == ("POST", "/1/catalog/parts", [SCREW])
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert request.headers["Content-Type"] == "application/json"


async def test_a_part_without_attributes_is_sent_whole_all_the_same(bench: Bench) -> None:
    bench.limiter.open = True

    await bench.partium.upsert_part(part("a"), Sender())

    assert bench.session.sent[0].body == [{"part_id": "a", "name": {"en": "Screw"}, "attributes": []}]


async def test_an_assembly_is_sent_as_the_document_shows_it(bench: Bench) -> None:
    bench.limiter.open = True

    await outcomes([bench.upsert_assembly("ass1"), bench.upsert_assembly("ass2", "ass1")])

    (request,) = bench.session.sent
    assert (request.method, request.path) == ("POST", "/1/catalog/assemblies")
    assert request.body == [
        {"ass_id": "ass1", "parent_id": "", "name": {"en": "Engine"}},
        {"ass_id": "ass2", "parent_id": "ass1", "name": {"en": "Engine"}},
    ]


async def test_parents_are_written_before_their_children_and_deleted_behind_them(bench: Bench) -> None:
    bench.limiter.open = True
    hierarchy = [("leaf", "branch"), ("other", ""), ("branch", "root"), ("root", "")]

    await outcomes([bench.upsert_assembly(*one) for one in hierarchy])
    await outcomes([bench.delete_assembly(*one) for one in hierarchy])

    assert bench.session.writes == [["root", "branch", "leaf", "other"], ["other", "leaf", "branch", "root"]]


async def test_deletes_are_lists_of_ids(bench: Bench) -> None:
    bench.limiter.open = True

    await outcomes([bench.delete("part1"), bench.delete("part2"), bench.delete_assembly("ass1")])

    assert [(one.method, one.path, one.body) for one in bench.session.sent] == [
        ("DELETE", "/1/catalog/parts", ["part1", "part2"]),
        ("DELETE", "/1/catalog/assemblies", ["ass1"]),
    ]


async def test_a_delete_has_its_length_and_is_sent_once_although_the_connection_breaks() -> None:
    """aiohttp sends a DELETE again by itself, and the second answer would be the only one seen."""
    async with raw_server(b"") as (url, received), open_session() as session:
        endpoint = Endpoint(url, Partium.secret_headers(SecretStr(API_KEY)), timeout_seconds=5, settle_seconds=0)
        partium = Partium(session, Limiter(), endpoint)
        command = DeletePart(stock_timestamp=NOW_MS, part_id="part1")
        await outcomes([asyncio.ensure_future(partium.delete_part(command, Sender()))])

    (head,) = received
    assert head.startswith(b"DELETE /api/1/1/catalog/parts HTTP/1.1")
    assert b"content-length: %d" % len('["part1"]') in head.lower()


async def test_records_are_selected_with_every_field(bench: Bench) -> None:
    bench.limiter.open = True

    await outcomes([bench.read("part1"), asyncio.ensure_future(bench.partium.assembly("ass1"))])

    assert [(one.method, one.path, one.body) for one in bench.session.sent] == [
        ("POST", "/1/catalog/parts/select", {"part_ids": ["part1"], "projection": ["name", "attributes"]}),
        ("POST", "/1/catalog/assemblies/select", {"ass_ids": ["ass1"], "projection": ["parent_id", "name"]}),
    ]


# listings


def pages(*replies: dict[str, Any]) -> Any:
    left = list(replies)
    return lambda _: Reply(body=left.pop(0))


def page(*ids: str, following: str | None = None, more: object = True) -> dict[str, Any]:
    result = [{"part_id": one, "name": {}, "attributes": []} for one in ids]
    return {"result": result, "more_data": more if following else False, "last_object_id": following}


async def test_a_listing_goes_on_until_there_is_no_more(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = pages(page("a", "b", following="x"), page(following="y"), page("c"))

    records = await listed(bench.partium.parts())

    assert [record.record_id for record in records] == ["a", "b", "c"]
    assert [request.body["paging"].get("last_object_id") for request in bench.session.sent] == [None, "x", "y"]
    assert bench.session.sent[0].path == "/1/catalog/parts/list"
    assert bench.session.sent[0].body == {"paging": {"limit": 100}, "projection": ["name", "attributes"]}
    assert len({entry[1] for entry in bench.limiter.log if entry[0] == "acquire"}) == 3


async def test_assemblies_are_listed_below_their_parents(bench: Bench) -> None:
    bench.limiter.open = True
    child = {"ass_id": "c", "parent_id": "p", "name": {"en": "x"}}
    bench.session.answer = pages({"result": [child], "more_data": False, "last_object_id": "c"})

    (record,) = await listed(bench.partium.assemblies(("", "p")))

    assert (record.record_id, record.fields) == ("c", {"parent_id": "p", "name": {"en": "x"}})
    assert bench.session.sent[0].body["query"] == {"parent_ids": ["", "p"]}


async def test_all_assemblies_are_listed_without_a_query(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = pages({"result": [], "more_data": False})

    assert await listed(bench.partium.assemblies()) == []
    assert "query" not in bench.session.sent[0].body


def forever(request: Request) -> Reply:
    last = request.body["paging"].get("last_object_id", "0")
    return Reply(body=page("a", following=str(int(last) + 1)))


@pytest.mark.parametrize(
    "answer",
    [
        pages(page("a", following="x"), page("b", following="x"), page("c")),
        pages({"result": [], "more_data": True}),
        pages({"result": [], "more_data": True, "last_object_id": ""}),
        pages({"result": []}),
        pages({"result": [], "more_data": "true", "last_object_id": "x"}, page("c")),
        pages({"result": ["a"], "more_data": False}),
        pages({"result": [{"name": {}}], "more_data": False}),
        pages({"result": [{"part_id": "a", "name": "x"}], "more_data": False}),
        forever,
    ],
)
async def test_a_listing_that_cannot_end_or_be_read_is_an_error(
    bench: Bench, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.vendors.partium.records.MAX_PAGES", 5)
    bench.limiter.open = True
    bench.session.answer = answer

    with pytest.raises(RetryableError):
        await listed(bench.partium.parts())
    assert len(bench.session.sent) <= 5


async def test_an_assembly_below_another_parent_is_no_answer_to_the_question(bench: Bench) -> None:
    bench.limiter.open = True
    stranger = {"ass_id": "c", "parent_id": "other", "name": {}}
    bench.session.answer = pages({"result": [stranger], "more_data": False})

    with pytest.raises(RetryableError, match="another parent"):
        await listed(bench.partium.assemblies(("p",)))


# the key


@pytest.mark.parametrize("key", [API_KEY, "eyJhbGciOi.eyJzdWIi.c2ln", "a" * 8, "abc.def~ghi+jk/l=="])
def test_a_bearer_token_is_taken(key: str) -> None:
    assert Partium.secret_headers(SecretStr(key))["Authorization"].get_secret_value() == f"Bearer {key}"


@pytest.mark.parametrize(
    "key", ["", "short", f"Bearer {API_KEY}", f"{API_KEY}\r\nX: y", f"{API_KEY}ä", "a b c d e f g"]
)
def test_what_is_no_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        Partium.secret_headers(SecretStr(key))
    assert "0123456789" not in str(caught.value)


async def test_a_body_is_counted_as_it_is_sent(bench: Bench) -> None:
    bench.limiter.open = True
    command = part("é☃", text='"\\\u2028 ß')

    await bench.partium.upsert_part(command, Sender())

    assert len(bench.session.sent[0].payload) == len("[]") + Item.of("x", wire.part(command)).size
    assert done(bench.session.sent[0]).body["created"] == ["é☃"]
