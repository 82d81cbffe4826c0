"""Commands become PartsBox requests: the document's fields, our marker, exact prices."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.commands import Currency
from tasks.errors import Exchange
from tasks.orders import ReceiveLine
from tasks.stock import AddStock, CorrectStock, MoveStock, NewLot, NewOrder, RemoveStock
from workers.vendors.partsbox.orders import PartsBoxOrders
from workers.vendors.partsbox.stock import PartsBoxStock
from workers.vendors.request import json_text

if TYPE_CHECKING:
    from tasks.ports import Sending
    from workers.vendors.models import Request
    from workers.vendors.partsbox.client import PartsBoxClient

PART, BOX, SHELF = "2" * 26, "3" * 26, "4" * 26
ORDER, LINE, LOT = "5" * 26, "6" * 26, "7" * 26
KEY = "abcdefghijklmnopqrst"
MARKER = f"[cmd:{KEY}]"
SCANNED_MS = 1_775_698_680_652


class Recorder:
    """Stands where the client stands and keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def change(self, operation: str, request: Request, sending: Sending) -> Exchange:
        assert sending.key == KEY
        self.sent.append((operation, json.loads(json_text(request.body()))))
        return Exchange(operation)


class Permission:
    key = KEY

    def may_leave(self) -> bool:
        return True

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        pass


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def stock(recorder: Recorder) -> PartsBoxStock:
    return PartsBoxStock(cast("PartsBoxClient", recorder))


async def test_a_plain_addition_sends_the_required_fields_only(recorder: Recorder, stock: PartsBoxStock) -> None:
    command = AddStock(stock_timestamp=SCANNED_MS, part_id=PART, storage_id=BOX, quantity=5)

    await stock.add_stock(command, Permission())

    fields = {"stock/part-id": PART, "stock/storage-id": BOX, "stock/quantity": 5, "stock/comments": MARKER}
    assert recorder.sent == [("stock/add", fields)]


async def test_an_addition_with_everything_sends_everything(recorder: Recorder, stock: PartsBoxStock) -> None:
    lot = NewLot(name="L1", description="d", comments="c", created_ms=SCANNED_MS, expiration_ms=SCANNED_MS, tags=("a",))
    order = NewOrder(
        vendor_name="V",
        number="n",
        invoice_number="i",
        comments="oc",
        notes="on",
        tags=("t", "u"),
        created_ms=SCANNED_MS,
        arriving_ms=SCANNED_MS,
    )
    command = AddStock(
        stock_timestamp=SCANNED_MS,
        part_id=PART,
        storage_id=BOX,
        quantity=5,
        comments="from the van",
        price=Decimal("0.0628"),
        currency=Currency.EUR,
        vendor_sku="S-1",
        order=order,
        lot=lot,
    )

    await stock.add_stock(command, Permission())

    ((_, body),) = recorder.sent
    assert body == {
        "stock/part-id": PART,
        "stock/storage-id": BOX,
        "stock/quantity": 5,
        "stock/comments": f"from the van {MARKER}",
        "stock/price": 0.0628,
        "stock/currency": "eur",
        "stock/vendor-sku": "S-1",
        "order": {
            "order/po-number": KEY,
            "order/vendor-name": "V",
            "order/number": "n",
            "order/invoice-number": "i",
            "order/comments": "oc",
            "order/notes": "on",
            "order/created": SCANNED_MS,
            "order/arriving": SCANNED_MS,
            "order/tags": ["t", "u"],
        },
        "lot": {
            "lot/comments": f"c {MARKER}",
            "lot/name": "L1",
            "lot/description": "d",
            "lot/created": SCANNED_MS,
            "lot/expiration-date": SCANNED_MS,
            "lot/tags": ["a"],
        },
    }


@pytest.mark.parametrize(("given_number", "sent"), [("PO-7", "PO-7"), ("  ", KEY), (None, KEY)])
async def test_a_blank_po_number_becomes_the_key(
    recorder: Recorder, stock: PartsBoxStock, given_number: str | None, sent: str
) -> None:
    order = NewOrder(po_number=given_number)
    command = AddStock(
        stock_timestamp=SCANNED_MS, part_id=PART, storage_id=BOX, quantity=5, vendor_sku="S", order=order
    )

    await stock.add_stock(command, Permission())

    assert recorder.sent[0][1]["order"] == {"order/po-number": sent}


async def test_an_addition_to_an_order_names_it(recorder: Recorder, stock: PartsBoxStock) -> None:
    command = AddStock(
        stock_timestamp=SCANNED_MS, part_id=PART, storage_id=BOX, quantity=5, vendor_sku="S", order_id=ORDER
    )

    await stock.add_stock(command, Permission())

    body = recorder.sent[0][1]
    assert body["stock/order-id"] == ORDER
    assert "order" not in body


@pytest.mark.parametrize("lot_id", [None, LOT])
async def test_a_removal_names_its_source_by_what_identifies_it(
    recorder: Recorder, stock: PartsBoxStock, lot_id: str | None
) -> None:
    command = RemoveStock(stock_timestamp=SCANNED_MS, part_id=PART, storage_id=BOX, lot_id=lot_id, quantity=2)

    await stock.remove_stock(command, Permission())

    source = {"source/part-id": PART, "source/storage-id": BOX} | ({"source/lot-id": lot_id} if lot_id else {})
    assert recorder.sent == [
        ("stock/remove", {"stock/source": source, "stock/quantity": 2, "stock/comments": MARKER}),
    ]


async def test_a_move_names_source_and_target(recorder: Recorder, stock: PartsBoxStock) -> None:
    command = MoveStock(
        stock_timestamp=SCANNED_MS, part_id=PART, from_storage_id=BOX, to_storage_id=SHELF, quantity=2, comments="up"
    )

    await stock.move_stock(command, Permission())

    body = {
        "stock/source": {"source/part-id": PART, "source/storage-id": BOX},
        "stock/quantity": 2,
        "stock/comments": f"up {MARKER}",
        "stock/storage-id": SHELF,
    }
    assert recorder.sent == [("stock/move", body)]


async def test_a_move_that_splits_a_lot_marks_the_new_lot(recorder: Recorder, stock: PartsBoxStock) -> None:
    command = MoveStock(
        stock_timestamp=SCANNED_MS,
        part_id=PART,
        from_storage_id=BOX,
        to_storage_id=SHELF,
        lot_id=LOT,
        quantity=2,
        split_lot=True,
        lot=NewLot(),
    )

    await stock.move_stock(command, Permission())

    body = recorder.sent[0][1]
    assert body["split-lot?"] is True
    assert body["lot"] == {"lot/comments": MARKER}
    assert body["stock/source"]["source/lot-id"] == LOT


async def test_a_correction_sends_absolute_values_and_no_marker(recorder: Recorder, stock: PartsBoxStock) -> None:
    zero = CorrectStock(stock_timestamp=SCANNED_MS, part_id=PART, entry_timestamp=SCANNED_MS - 1, quantity=0)
    text = CorrectStock(stock_timestamp=SCANNED_MS, part_id=PART, entry_timestamp=SCANNED_MS - 1, new_comments="")

    await stock.correct_stock(zero, Permission())
    await stock.correct_stock(text, Permission())

    named = {"stock/part-id": PART, "stock/timestamp": SCANNED_MS - 1}
    assert recorder.sent == [
        ("stock/update", named | {"stock/quantity": 0}),
        ("stock/update", named | {"stock/comments": ""}),
    ]


async def test_a_receipt_always_names_exactly_one_line(recorder: Recorder) -> None:
    command = ReceiveLine(
        stock_timestamp=SCANNED_MS,
        order_id=ORDER,
        stock_id=LINE,
        part_id=PART,
        storage_id=BOX,
        quantity=4,
        lot=NewLot(name="L1"),
    )

    await PartsBoxOrders(cast("PartsBoxClient", recorder)).receive_line(command, Permission())

    body = {
        "order/id": ORDER,
        "storage/id": BOX,
        "stock-entries": [{"stock/id": LINE, "stock/quantity": 4}],
        "stock/comments": MARKER,
        "lot": {"lot/comments": MARKER, "lot/name": "L1"},
    }
    assert recorder.sent == [("order/receive", body)]


@pytest.mark.parametrize(
    ("price", "text"),
    [("0.1", "0.1"), ("1E-8", "0.00000001"), ("1234567890.12345678", "1234567890.12345678"), ("100", "100")],
)
def test_a_price_is_sent_as_a_number_with_its_own_digits(price: str, text: str) -> None:
    assert json_text({"stock/price": Decimal(price)}) == f'{{"stock/price":{text}}}'


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_TREES)
def test_what_is_written_is_what_was_meant(tree: Any) -> None:
    assert json.loads(json_text(tree)) == tree


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**10))
def test_no_decimal_gains_or_loses_a_digit(price: Decimal) -> None:
    assert json.loads(json_text([price]), parse_float=Decimal) == [price]
