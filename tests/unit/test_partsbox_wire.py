"""PartsBox answers become plain records and commands become documented requests."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tasks.ports import StockEntry
from workers.vendors.partsbox.wire import stock as wire

PART, BOX, SHELF = "2" * 26, "3" * 26, "4" * 26
ORDER, LINE, LOT = "5" * 26, "6" * 26, "7" * 26
KEY = "abcdefghijklmnopqrst"
MARKER = f"[cmd:{KEY}]"
SCANNED_MS = 1_775_698_680_652
OK = {"partsbox.status/category": "ok", "partsbox.status/message": "OK"}

#: The example at the top of the vendor's document, slashes escaped as the real server does.
DOCUMENT_SAMPLE = r"""
{
  "data": {"part\/id": "1pbqre1cfg4f59azmvsyftqsxe",
           "part\/description": "Noninverting Buffer \/ CMOS Logic Level Shifter",
           "part\/stock": [{"stock\/currency": "usd",
                           "stock\/price": 0.1673,
                           "stock\/quantity": 200,
                           "stock\/storage-id": "1pbr3bmcfg4f59azmvsyftqsxq",
                           "stock\/timestamp": 1400928853000},
                          {"stock\/quantity": -2,
                           "stock\/storage-id": "1pbr3bmcfg4f59azmvsyftqsxq",
                           "stock\/timestamp": 1421068653000},
                          {"stock\/comments": "LED Bracelet 2.0",
                           "stock\/quantity": -1,
                           "stock\/storage-id": "1pbr3bmcfg4f59azmvsyftqsxq",
                           "stock\/timestamp": 1451661746344}],
           "part\/owner": "411k7fb41agesa0tgcbcjbc46q",
           "part\/created": 1400928853000},
  "partsbox.status\/category": "ok",
  "partsbox.status\/message": "OK"
}
"""


def entry(**fields: Any) -> dict[str, Any]:
    shown = {"quantity": 1, "timestamp": 1000} | fields
    return {f"stock/{name.replace('_', '-')}": value for name, value in shown.items()}


def part_answer(*entries: dict[str, Any]) -> dict[str, Any]:
    return OK | {"data": {"part/id": PART, "part/stock": list(entries)}}


def only(answer: dict[str, Any]) -> StockEntry:
    (found,) = wire.stock_entries(answer, PART)
    return found


# answers


def test_the_documents_sample_is_read() -> None:
    bought, used, built = wire.stock_entries(json.loads(DOCUMENT_SAMPLE), PART)

    box = "1pbr3bmcfg4f59azmvsyftqsxq"
    assert bought == StockEntry(PART, 1400928853000, 200, storage_id=box, price=Decimal("0.1673"), currency="usd")
    assert used == StockEntry(PART, 1421068653000, -2, storage_id=box)
    assert built == StockEntry(PART, 1451661746344, -1, storage_id=box, comments="LED Bracelet 2.0")


def test_a_real_move_pair_is_read_with_its_user_and_without_unknown_fields() -> None:
    moved = {"comments": "Moved from box01 to box01-bag1", "linked?": True, "user": "u"}
    out = entry(quantity=-12, storage_id=BOX, timestamp=1684342334450, **moved)
    into = entry(quantity=12, storage_id=SHELF, timestamp=1684342334451, **moved, arriving={"in": ["the", "future"]})

    source, target = wire.stock_entries(part_answer(out, into), PART)

    assert (source.quantity, source.storage_id, source.timestamp_ms) == (-12, BOX, 1684342334450)
    assert (target.quantity, target.storage_id, target.timestamp_ms) == (12, SHELF, 1684342334451)
    assert source.comments == target.comments == "Moved from box01 to box01-bag1"
    assert source.user == "u"


def test_a_price_keeps_the_digits_the_vendor_sent() -> None:
    raw = '{"data":{"part/id":"p","part/stock":[{"stock/currency":"cad","stock/price":0.06280000000000001,'
    answer = json.loads(raw + '"stock/quantity":25,"stock/timestamp":1775698680652}]}}')

    assert only(answer).price == Decimal("0.06280000000000001")


@pytest.mark.parametrize("price", [True, "much", float("nan"), float("inf"), [], {}])
def test_what_is_no_price_is_refused(price: object) -> None:
    with pytest.raises(ValueError, match="price"):
        wire.stock_entries(part_answer(entry(price=price)), PART)


def test_every_field_of_an_entry_arrives() -> None:
    full = entry(
        quantity=5,
        timestamp=7,
        id=LINE,
        part_id=PART,
        storage_id=BOX,
        lot_id=LOT,
        status="ordered",
        comments=f"text {MARKER}",
        user="station-1",
        order_id=ORDER,
        price=2,
        currency="eur",
    )

    assert only(part_answer(full)) == StockEntry(
        PART, 7, 5, BOX, LOT, "ordered", f"text {MARKER}", "station-1", LINE, ORDER, Decimal(2), "eur"
    )


def test_null_fields_are_absent_fields() -> None:
    names = ("id", "part_id", "storage_id", "lot_id", "status", "comments", "user", "order_id", "price", "currency")

    assert only(part_answer(entry(**dict.fromkeys(names)))) == StockEntry(PART, 1000, 1)


@pytest.mark.parametrize("quantity", [12, 12.0, -3.0])
def test_whole_numbers_are_read_as_integers_or_floats(quantity: float) -> None:
    found = only(part_answer(entry(quantity=quantity)))

    assert found.quantity == quantity
    assert isinstance(found.quantity, int)


@pytest.mark.parametrize("value", [12.5, True, "12", None, [], {}, 1e300, float("inf"), float("nan"), 2**53 + 1])
@pytest.mark.parametrize("field", ["quantity", "timestamp"])
def test_what_is_no_whole_number_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        wire.stock_entries(part_answer(entry(**{field: value})), PART)


@pytest.mark.parametrize("field", ["quantity", "timestamp"])
def test_an_entry_without_quantity_or_timestamp_is_refused(field: str) -> None:
    broken = entry()
    del broken[f"stock/{field}"]

    with pytest.raises(ValueError, match=field):
        wire.stock_entries(part_answer(broken), PART)


@pytest.mark.parametrize("status", ["held", "reserved", "status/ordered", "", 5, False, {"a": 1}])
def test_an_unknown_status_stays_a_word_and_never_means_on_hand(status: object) -> None:
    found = only(part_answer(entry(status=status)))

    assert found.status == str(status)
    assert found.status is not None


def test_entries_come_oldest_first_whatever_the_order_on_the_wire() -> None:
    times = [entry(timestamp=3), entry(timestamp=1), entry(timestamp=2)]

    assert [found.timestamp_ms for found in wire.stock_entries(part_answer(*times), PART)] == [1, 2, 3]


def test_a_comment_with_half_an_emoji_can_be_stored() -> None:
    found = only(json.loads(json.dumps(part_answer(entry(comments=f"wow \ud83d {MARKER}")))))

    assert found.comments == f"wow ? {MARKER}"


@pytest.mark.parametrize("data", [{"part/id": PART}, {"part/id": PART, "part/stock": None}])
def test_a_part_that_never_had_stock_has_no_entries(data: dict[str, Any]) -> None:
    assert wire.stock_entries(OK | {"data": data}, PART) == ()


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {}}, {"data": []}, {"data": "x"}, {"data": [{}]}])
def test_an_answer_without_the_part_is_not_a_part_without_stock(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"data|part/id|_Part"):
        wire.stock_entries(OK | data, PART)


def test_data_comes_before_the_top_level_and_the_top_level_before_nothing() -> None:
    outer = {"part/id": PART, "part/stock": [entry(quantity=9)]}

    assert only(OK | outer).quantity == 9
    assert only(OK | outer | {"data": None}).quantity == 9
    assert only(OK | outer | part_answer(entry(quantity=8))).quantity == 8


def test_order_entries_are_read_with_their_own_part_ids() -> None:
    line = entry(quantity=10, timestamp=5, id=LINE, part_id=PART, order_id=ORDER, status="ordered", vendor_sku="S-1")
    here = entry(quantity=4, timestamp=6, part_id=PART, order_id=ORDER, storage_id=BOX)

    entries = wire.order_entries(OK | {"data": [line, here]})
    order = wire.order(ORDER, "ordered", entries)

    assert [found.part_id for found in entries] == [PART, PART]
    assert (order.order_id, order.status) == (ORDER, "ordered")
    assert [(found.stock_id, found.quantity) for found in order.open_lines] == [(LINE, 10)]


@pytest.mark.parametrize("status", [None, "planned", "being-ordered", "Ordered", "status/ordered"])
def test_only_lines_with_status_ordered_are_open(status: str | None) -> None:
    entries = wire.order_entries(OK | {"data": [entry(part_id=PART, status=status)]})

    assert wire.order(ORDER, "ordered", entries).open_lines == ()


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {}}, {"data": [entry()]}, {"data": "x"}])
def test_order_entries_that_say_nothing_are_not_an_order_without_lines(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"data|stock/part-id|tuple"):
        wire.order_entries(OK | data)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": {"order/status": "ordered"}}, "ordered"),
        ({"data": {"order/id": ORDER}}, None),
        ({"data": {}}, None),
        ({"order/status": "received"}, "received"),
        ({"data": {"order/status": "open"}, "order/status": "received"}, "open"),
    ],
)
def test_an_orders_status_is_found_or_none(body: dict[str, Any], status: str | None) -> None:
    assert wire.order_status(OK | body) == status


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": "ordered"}, {"data": []}])
def test_an_answer_without_an_order_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"data|_OrderHead"):
        wire.order_status(OK | body)
