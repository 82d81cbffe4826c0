"""Lot operations on the wire: the documented requests, and answers that become records or are refused by place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import InDoubtError, RejectedError, RetryableError
from tasks.lots import Lot, UpdateLot
from tests.scripted_vendor import OK, Limiter, Permission, Session, make
from workers.vendors.partsbox.lots import PartsBoxLots

LOT, PART, ORDER, PARENT = "2" * 26, "3" * 26, "4" * 26, "5" * 26
NOW_MS = 1_700_000_000_000
FULL = {
    "lot/id": LOT,
    "lot/name": "L-7",
    "lot/description": "second reel",
    "lot/comments": "counted",
    "lot/created": NOW_MS,
    "lot/expiration-date": NOW_MS + 1,
    "lot/tags": ["b", "a"],
}


def answering(body: dict[str, Any]) -> tuple[Session, PartsBoxLots]:
    session = Session(body=json.dumps(OK | body).encode())
    return session, PartsBoxLots(make(session))


def asked(session: Session) -> tuple[str, str, Any]:
    (request,) = session.sent
    return request["method"], request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"name": "L-7"}, {"lot/name": "L-7"}),
        (
            {"name": "", "description": "", "new_comments": "", "tags": ()},
            {"lot/name": "", "lot/description": "", "lot/comments": "", "lot/tags": []},
        ),
        (
            {
                "name": "L-7",
                "description": "second reel",
                "new_comments": "counted",
                "created_ms": NOW_MS,
                "expiration_ms": NOW_MS + 1,
                "tags": ("b", "a"),
                "comments": "not for the vendor",
            },
            {name: value for name, value in FULL.items() if name != "lot/id"},
        ),
    ],
)
async def test_an_update_sends_exactly_the_fields_given(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    session, lots = answering({})

    exchange = await lots.update_lot(UpdateLot(stock_timestamp=NOW_MS, lot_id=LOT, **fields), Permission(Limiter()))

    assert asked(session) == ("POST", "lot/update", {"lot/id": LOT, **sent})
    assert (exchange.operation, exchange.status) == ("lot/update", 200)


async def test_an_update_without_a_confirmation_is_in_doubt() -> None:
    lots = PartsBoxLots(make(Session(body=b"{}")))

    with pytest.raises(InDoubtError):
        await lots.update_lot(UpdateLot(stock_timestamp=NOW_MS, lot_id=LOT, name="L"), Permission(Limiter()))


async def test_every_field_of_a_lot_arrives_alone_and_in_the_list() -> None:
    links = {"lot/part-id": PART, "lot/order-id": ORDER, "lot/previous-id": PARENT, "lot/build-id": "later"}
    lot = Lot(LOT, "L-7", "second reel", "counted", NOW_MS, NOW_MS + 1, ("b", "a"), PART, ORDER, PARENT)
    one_session, one = answering({"data": {**FULL, **links}})
    _, top = answering({**FULL, **links})
    all_session, listed = answering({"data": [{**FULL, **links}, {"lot/id": PART}]})

    assert await one.lot(LOT) == await top.lot(LOT) == lot
    assert await listed.lots() == (lot, Lot(PART))
    assert asked(one_session) == ("POST", "lot/get", {"lot/id": LOT})
    assert asked(all_session) == ("POST", "lot/all", {})


async def test_null_fields_are_absent_fields() -> None:
    names = (*FULL, "lot/part-id", "lot/order-id", "lot/previous-id")
    _, lots = answering({"data": {**dict.fromkeys(names), "lot/id": LOT}})

    assert await lots.lot(LOT) == Lot(LOT)


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("lot/id", None, "lot/id"),
        ("lot/name", 7, "lot/name"),
        ("lot/created", "then", "lot/created"),
        ("lot/expiration-date", 1.5, "lot/expiration-date"),
        ("lot/tags", ["a", 7], "lot/tags.1"),
        ("lot/part-id", {}, "lot/part-id"),
    ],
)
async def test_a_malformed_lot_is_tried_again_with_the_place_named(field: str, value: object, place: str) -> None:
    _, one = answering({"data": {**FULL, field: value}})
    _, listed = answering({"data": [{**FULL, field: value}]})

    with pytest.raises(RetryableError, match=rf"^lot/get: answer not understood: {place} \w+"):
        await one.lot(LOT)
    with pytest.raises(RetryableError, match=rf"^lot/all: answer not understood: data\.0\.{place} \w+"):
        await listed.lots()


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "x"}])
async def test_an_answer_that_says_nothing_is_neither_a_lot_nor_an_empty_list(body: dict[str, Any]) -> None:
    _, lots = answering(body)

    with pytest.raises(RetryableError, match="lot/get: answer not understood"):
        await lots.lot(LOT)
    with pytest.raises(RetryableError, match="lot/all: answer not understood: data"):
        await lots.lots()


@pytest.mark.parametrize("status", [200, 404])
async def test_a_lot_that_is_not_found_is_none(status: int) -> None:
    session = Session(status=status, body=b'{"partsbox.status/category": "not-found"}')

    assert await PartsBoxLots(make(session)).lot(LOT) is None


async def test_another_refusal_is_not_a_missing_lot() -> None:
    session = Session(status=400, body=b"{}")

    with pytest.raises(RejectedError) as caught:
        await PartsBoxLots(make(session)).lot(LOT)
    assert caught.value.code == "invalid"
