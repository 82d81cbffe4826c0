"""Build operations of PartsBox, and the list of orders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tasks.builds import Build, UpdateBuild
from tasks.directory import OrderHead
from tasks.errors import RejectedError, RetryableError
from tests.scripted_vendor import OK, Limiter, Permission, Session, make
from workers.vendors.partsbox.builds import PartsBoxBuilds
from workers.vendors.partsbox.orders import PartsBoxOrders

if TYPE_CHECKING:
    from workers.vendors.partsbox.client import PartsBoxClient

PROJECT, BUILD, PART, ORDER, LINE = "2" * 26, "5" * 26, "3" * 26, "6" * 26, "7" * 26

#: The shape of a real build, its values replaced.
REAL_BUILD = {
    "build/id": BUILD,
    "build/project-id": PROJECT,
    "build/quantity": 6,
    "build/timestamp": 1_700_000_000_000,
    "build/user": "u",
    "build/owner": "8" * 26,
    "build/comments": "first run",
    "build/stock-comments": "Project Lamp (6 units)",
    "build/completed?": True,
}


def answering(answer: dict[str, Any], status: int = 200) -> tuple[PartsBoxClient, Session]:
    session = Session(status=status, body=json.dumps(OK | answer).encode())
    return make(session), session


def asked(session: Session) -> tuple[str, Any]:
    (request,) = session.sent
    return request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


async def test_a_build_is_read() -> None:
    client, session = answering({"data": REAL_BUILD})

    assert await PartsBoxBuilds(client).build(BUILD) == Build(BUILD, PROJECT, 6, "first run")
    assert asked(session) == ("build/get", {"build/id": BUILD})


async def test_the_builds_of_a_project_are_read() -> None:
    client, session = answering({"data": [REAL_BUILD, {"build/id": PART, "build/quantity": 0.5}]})

    found = await PartsBoxBuilds(client).project_builds(PROJECT)

    assert found == (Build(BUILD, PROJECT, 6, "first run"), Build(PART, quantity=0.5))
    assert asked(session) == ("project/get-builds", {"project/id": PROJECT})


@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_not_found_is_none(status: int) -> None:
    client, _ = answering({"partsbox.status/category": "not-found"}, status)

    assert await PartsBoxBuilds(client).build(BUILD) is None
    assert await PartsBoxBuilds(client).project_builds(PROJECT) is None


async def test_another_refusal_is_none_of_that() -> None:
    client, _ = answering({}, 403)

    with pytest.raises(RejectedError, match="forbidden"):
        await PartsBoxBuilds(client).build(BUILD)
    with pytest.raises(RejectedError, match="forbidden"):
        await PartsBoxBuilds(client).project_builds(PROJECT)


async def test_a_comment_is_sent_as_it_is_without_a_marker() -> None:
    client, session = answering({})
    command = UpdateBuild(stock_timestamp=1_775_698_680_652, build_id=BUILD, new_comments="", comments="for us")

    await PartsBoxBuilds(client).update_build(command, Permission(Limiter()))

    assert asked(session) == ("build/update", {"build/id": BUILD, "build/comments": ""})


# order/all: neither document says what it shows of an order


@pytest.mark.parametrize(
    ("shown", "head"),
    [
        ({}, OrderHead(ORDER)),
        ({"order/status": "ordered"}, OrderHead(ORDER, "ordered")),
        ({"order/number": 77, "order/po-number": "P"}, OrderHead(ORDER, name="77")),
        ({"order/vendor-name": "Acme", "order/po-number": "P"}, OrderHead(ORDER, name="Acme P")),
        ({"order/entries": [LINE, {"stock/part-id": PART}, {}, 7]}, OrderHead(ORDER)),
        ({"order/entries": {"unforeseen": True}}, OrderHead(ORDER)),
        ({"order/entries": 3}, OrderHead(ORDER)),
        ({"order/entries": None}, OrderHead(ORDER)),
        (
            {"order/entries": [{"order-entry/part-id": PART, "order-entry/vendor-sku": "SKU-1", "order-entry/id": 1}]},
            OrderHead(ORDER, skus=(("SKU-1", PART),)),
        ),
        (
            {"order/entries": [{"stock/part-id": PART, "stock/vendor-sku": 4711}]},
            OrderHead(ORDER, skus=(("4711", PART),)),
        ),
    ],
)
async def test_an_order_in_the_list_is_read_as_far_as_it_is_shown(shown: dict[str, Any], head: OrderHead) -> None:
    client, session = answering({"data": [{"order/id": ORDER} | shown]})

    assert await PartsBoxOrders(client).orders() == (head,)
    assert asked(session) == ("order/all", {})


async def test_a_list_of_no_orders_is_empty_and_no_list_is_none() -> None:
    assert await PartsBoxOrders(answering({"data": []})[0]).orders() == ()
    for answer in ({}, {"data": [{"order/number": "n"}]}):
        with pytest.raises(RetryableError, match="order/all: answer not understood"):
            await PartsBoxOrders(answering(answer)[0]).orders()


async def test_the_skus_of_an_orders_lines_are_read() -> None:
    line = {"stock/id": LINE, "stock/part-id": PART, "stock/quantity": 5, "stock/timestamp": 1}
    client, session = answering({"data": [line | {"stock/vendor-sku": "SKU-1"}, line, {"stock/vendor-sku": "SKU-2"}]})

    assert await PartsBoxOrders(client).order_skus(ORDER) == (("SKU-1", PART),)
    assert asked(session) == ("order/get-entries", {"order/id": ORDER})
