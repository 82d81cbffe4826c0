"""Part operations on the wire: the documented reads, and answers that become records or are refused by place."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tasks.errors import RejectedError, RetryableError
from tasks.parts import Part, StockSource
from tests.scripted_vendor import OK, Session, make
from workers.vendors.partsbox.parts import PartsBoxParts

PART, ONE, TWO, SHELF, LOT = "2" * 26, "3" * 26, "4" * 26, "5" * 26, "6" * 26


def answering(body: dict[str, Any]) -> tuple[Session, PartsBoxParts]:
    session = Session(body=json.dumps(OK | body).encode())
    return session, PartsBoxParts(make(session))


def asked(session: Session) -> tuple[str, str, Any]:
    (request,) = session.sent
    return request["method"], request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


READS: list[tuple[str, tuple[str, ...], str, dict[str, Any], dict[str, Any]]] = [
    ("parts", (), "part/all", {}, {"data": []}),
    ("part", (PART,), "part/get", {"part/id": PART}, {"data": {"part/id": PART}}),
    ("part_storage", (PART,), "part/storage", {"part/id": PART}, {"data": []}),
    ("part_lots", (PART,), "part/lots", {"part/id": PART}, {"data": []}),
    ("part_stock", (PART,), "part/stock", {"part/id": PART}, {"source/quantity": 1}),
    ("part_stock", (PART, SHELF), "part/stock", {"part/id": PART, "storage/id": SHELF}, {"source/quantity": 1}),
]


@pytest.mark.parametrize(("method", "arguments", "operation", "body", "answer"), READS)
async def test_a_read_sends_exactly_the_documents_fields(
    method: str, arguments: tuple[str, ...], operation: str, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    session, parts = answering(answer)

    await getattr(parts, method)(*arguments)

    assert asked(session) == ("POST", operation, body)


#: A real element of part/all, with invented ids and names; its stock history is not part of the record.
SEEN = json.loads(
    r'{"part\/id":"' + PART + r'","part\/description":"50V 10nF X7R","part\/manufacturer":"KEMET",'
    r'"part\/stock":[{"stock\/comments":"Imported","stock\/quantity":9,"stock\/storage-id":"' + SHELF + r'",'
    r'"stock\/timestamp":1775698680652,"stock\/user":"apiuser"}],"part\/owner":"' + ONE + r'",'
    r'"part\/mpn":"C0603C103J5RACTU","part\/linked-id":"' + TWO + r'","part\/low-stock":{"report":10},'
    r'"part\/name":"C0603C103J5RACTU","part\/type":"linked","part\/created":1775695308804}'
)
SEEN_PART = Part(
    PART,
    "C0603C103J5RACTU",
    "linked",
    description="50V 10nF X7R",
    manufacturer="KEMET",
    mpn="C0603C103J5RACTU",
    linked_id=TWO,
    created_ms=1775695308804,
    low_stock=10,
)


async def test_a_real_part_is_read_alone_and_in_the_list() -> None:
    _, one = answering({"data": SEEN})
    _, top = answering(SEEN)
    _, both = answering({"data": [SEEN, {"part/id": ONE}]})

    assert await one.part(PART) == SEEN_PART
    assert await top.part(PART) == SEEN_PART
    assert await both.parts() == (SEEN_PART, Part(ONE, ""))


async def test_every_field_of_a_part_arrives() -> None:
    full = {
        "part/id": PART,
        "part/name": "C",
        "part/type": "meta",
        "part/description": "50 V",
        "part/notes": "# N\n\nµ",
        "part/footprint": "0603",
        "part/tags": ["b", "a"],
        "part/attrition": {"percentage": 2.5, "quantity": 3},
        "part/low-stock": {"report": 10},
        "part/manufacturer": "M",
        "part/mpn": "P",
        "part/linked-id": ONE,
        "part/created": 7,
        "part/part-ids": [ONE],
        "part/substitute-ids": [TWO],
        "part/custom-fields": [{"key": "Lead time", "value": "6"}, {"key": "b", "value": ""}],
        "part/default-storage-id": {"in": ["the", "future"]},
    }
    _, parts = answering({"data": full})

    assert await parts.part(PART) == Part(
        PART,
        "C",
        "meta",
        description="50 V",
        notes="# N\n\nµ",
        footprint="0603",
        manufacturer="M",
        mpn="P",
        linked_id=ONE,
        created_ms=7,
        tags=("b", "a"),
        attrition_percentage=Decimal("2.5"),
        attrition_quantity=3,
        low_stock=10,
        member_ids=(ONE,),
        substitute_ids=(TWO,),
        custom_fields={"Lead time": "6", "b": ""},
    )


async def test_null_fields_are_absent_fields() -> None:
    names = ("name", "type", "description", "notes", "footprint", "manufacturer", "mpn", "linked-id", "created", "tags")
    more = ("attrition", "low-stock", "part-ids", "substitute-ids", "custom-fields")
    _, parts = answering({"data": {"part/id": PART, **{f"part/{name}": None for name in (*names, *more)}}})

    assert await parts.part(PART) == Part(PART, "")


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("id", 7, "part/id"),
        ("id", None, "part/id"),
        ("name", 7, "part/name"),
        ("tags", "smd", "part/tags"),
        ("tags", [7], "part/tags.0"),
        ("created", "2023", "part/created"),
        ("created", 1.5, "part/created"),
        ("attrition", [], "part/attrition"),
        ("attrition", {"percentage": "much"}, "part/attrition.percentage"),
        ("attrition", {"percentage": -1}, "part/attrition.percentage"),
        ("attrition", {"percentage": 10**40}, "part/attrition.percentage"),
        ("attrition", {"quantity": 1.5}, "part/attrition.quantity"),
        ("low-stock", 10, "part/low-stock"),
        ("low-stock", {"report": True}, "part/low-stock.report"),
        ("part-ids", {}, "part/part-ids"),
        ("substitute-ids", [None], "part/substitute-ids.0"),
    ],
)
async def test_a_malformed_part_is_tried_again_with_the_place_named(field: str, value: object, place: str) -> None:
    broken = {"part/id": PART, f"part/{field}": value}
    _, one = answering({"data": broken})
    _, listed = answering({"data": [{"part/id": PART}, broken]})

    with pytest.raises(RetryableError, match=rf"^part/get: answer not understood: {place} \w+"):
        await one.part(PART)
    with pytest.raises(RetryableError, match=rf"^part/all: answer not understood: data\.1\.{place} \w+"):
        await listed.parts()


@pytest.mark.parametrize("value", [{}, "x", 7, [7], [{"key": [], "value": "x"}], [{"key": "a"}], [{"value": "a"}]])
async def test_custom_fields_in_an_unknown_form_are_not_shown(value: object) -> None:
    _, parts = answering({"data": {"part/id": PART, "part/custom-fields": value}})

    part = await parts.part(PART)

    assert part is not None
    assert not part.custom_fields


async def test_a_custom_field_in_an_unknown_form_does_not_hide_the_others() -> None:
    fields = [{"key": "a", "value": 7}, "x", {"key": "b", "value": "2", "type": "text"}]
    _, parts = answering({"data": {"part/id": PART, "part/custom-fields": fields}})

    part = await parts.part(PART)

    assert part is not None
    assert part.custom_fields == {"b": "2"}


async def test_a_type_that_is_not_known_yet_stays_a_word() -> None:
    _, parts = answering({"data": {"part/id": PART, "part/type": "assembly"}})

    part = await parts.part(PART)

    assert part is not None
    assert part.part_type == "assembly"


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"data": "x"}, {"data": {}}])
async def test_an_answer_without_the_part_is_not_a_part(body: dict[str, Any]) -> None:
    _, parts = answering(body)

    with pytest.raises(RetryableError, match="part/get: answer not understood"):
        await parts.part(PART)


@pytest.mark.parametrize("method", ["parts", "part_storage", "part_lots"])
@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "x"}, {"data": [7]}])
async def test_a_list_that_says_nothing_is_not_an_empty_one(method: str, body: dict[str, Any]) -> None:
    _, parts = answering(body)

    with pytest.raises(RetryableError, match=r"answer not understood: data(\.0)? \w+"):
        await getattr(parts, method)(*([] if method == "parts" else [PART]))


@pytest.mark.parametrize(
    "session",
    [
        Session(status=404, body=b'{"partsbox.status/category": "not-found"}'),
        Session(status=200, body=b'{"partsbox.status/category": "status/not-found"}'),
    ],
)
async def test_a_part_that_is_not_found_is_none(session: Session) -> None:
    assert await PartsBoxParts(make(session)).part(PART) is None


async def test_another_refusal_is_not_a_missing_part() -> None:
    session = Session(status=403, body=b'{"partsbox.status/category": "forbidden"}')

    with pytest.raises(RejectedError) as caught:
        await PartsBoxParts(make(session)).part(PART)
    assert caught.value.code == "forbidden"


async def test_sources_are_read_with_what_was_asked_for_filled_in() -> None:
    full = {
        "source/part-id": ONE,
        "source/storage-id": SHELF,
        "source/lot-id": LOT,
        "source/quantity": 5.0,
        "source/status": "ordered",
        "source/first-timestamp": 1,
        "source/last-timestamp": 2,
    }
    bare = {"source/quantity": -3}
    for method in ("part_storage", "part_lots"):
        _, parts = answering({"data": [full, bare]})

        assert await getattr(parts, method)(PART) == (
            StockSource(5, ONE, SHELF, LOT, "ordered", 1, 2),
            StockSource(-3, PART),
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [("quantity", None), ("quantity", 1.5), ("quantity", "5"), ("first-timestamp", "then"), ("lot-id", 7)],
)
async def test_a_malformed_source_is_tried_again_with_the_place_named(field: str, value: object) -> None:
    _, parts = answering({"data": [{"source/quantity": 1, f"source/{field}": value}]})

    with pytest.raises(RetryableError, match=rf"^part/lots: answer not understood: data\.0\.source/{field} \w+"):
        await parts.part_lots(PART)


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"source/quantity": 7}, 7),
        ({"data": {"source/quantity": 7}}, 7),
        ({"data": {"source/quantity": 7}, "source/quantity": 8}, 7),
        ({"data": None, "source/quantity": 0}, 0),
        ({"source/quantity": 7.0}, 7),
    ],
)
async def test_the_total_is_under_data_or_at_the_top_level(body: dict[str, Any], total: int) -> None:
    _, parts = answering(body)

    assert await parts.part_stock(PART) == total


@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"source/quantity": "7"}, {"source/quantity": None}, {"data": {}, "source/quantity": 7}]
)
async def test_a_total_that_is_not_there_is_not_zero(body: dict[str, Any]) -> None:
    _, parts = answering(body)

    with pytest.raises(RetryableError, match="part/stock: answer not understood"):
        await parts.part_stock(PART)
