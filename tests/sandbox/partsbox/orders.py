"""order/…: orders, their entries, and receiving them into stock (vendors.md 2.10 h)."""

from dataclasses import dataclass

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.journal import Booking, Leg, leg_of
from tests.sandbox.partsbox.lots import read_lot
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.state import State, StockEntry
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

#: status of the lines of an order, by the order's status; a received order has no lines left
LINE_STATUSES = {"open": "being-ordered", "ordered": "ordered"}


@dataclass(frozen=True)
class Receipt:
    """How much of a line is received."""

    line: StockEntry
    quantity: int


def get(state: State, params: Record) -> Answer:
    """order/get: one order."""
    return Answer(dict(state.order(checks.identifier(params, "order/id"))))


def get_all(state: State, _params: Record) -> Answer:
    """order/all: every order."""
    return Answer([dict(order) for order in state.orders.values()])


def get_entries(state: State, params: Record) -> Answer:
    """order/get-entries: the stock entries of an order, outstanding lines first."""
    order_id = checks.identifier(params, "order/id")
    state.order(order_id)
    entries = state.order_entries.get(order_id, [])
    shown = [entry for entry in entries if entry.status]
    if state.assumptions.receipts_in_order_entries:
        shown += [entry for entry in entries if not entry.status]
    return Answer([entry.describe(with_part=True) for entry in shown])


def receive(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """order/receive: book outstanding lines, whole or in part, into one storage; all lines or none."""
    order_id = checks.identifier(params, "order/id")
    storage_id = checks.identifier(params, "storage/id")
    comment = checks.optional_text(params, "stock/comments")
    lot = read_lot(state, params)
    order = state.order(order_id)
    state.storage(storage_id)
    if order["order/status"] != "ordered":
        raise RefusedError("conflict", "Order is not ordered")
    receipts = _read_receipts(state, order_id, params)
    _require_room(state, storage_id, receipts)
    if lot and len(receipts) > 1:
        lot = {name: value for name, value in lot.items() if name != "lot/name"}

    legs = tuple(_receive_line(state, receipt, storage_id, lot, caller, comment) for receipt in receipts)
    if not outstanding(state, order_id):
        order["order/status"] = "received"
    return Answer(), Booking(comment, legs, order_id)


def create_received_order(state: State, fields: Record) -> str:
    """Create the order that stock/add describes; its stock is on hand already."""
    order_id = state.new_id()
    order: Record = {
        "order/id": order_id,
        "order/created": state.now_ms(),
        "order/status": "received",
        **fields,
    }
    if not order.get("order/po-number"):
        order["order/po-number"] = f"PO{len(state.orders) + 1:05d}"
    state.orders[order_id] = order
    return order_id


def outstanding(state: State, order_id: str) -> list[StockEntry]:
    """List the lines of an order that are not received yet."""
    return [entry for entry in state.order_entries[order_id] if entry.status]


def _read_receipts(state: State, order_id: str, params: Record) -> list[Receipt]:
    lines = {line.stock_id: line for line in outstanding(state, order_id)}
    if "stock-entries" not in params:
        return [Receipt(line, line.quantity) for line in lines.values()]
    given = params["stock-entries"]
    if not isinstance(given, list) or not given or not all(isinstance(entry, dict) for entry in given):
        raise RefusedError("invalid", "stock-entries must be a list of maps")
    receipts: dict[str, Receipt] = {}
    for wanted in given:
        stock_id = checks.identifier(wanted, "stock/id")
        if stock_id in receipts:
            raise RefusedError("invalid", "stock-entries names an entry twice")
        if stock_id not in lines:
            raise RefusedError("not-found", "Order entry not found")
        line = lines[stock_id]
        quantity = checks.quantity(wanted) if "stock/quantity" in wanted else line.quantity
        if quantity > line.quantity:
            raise RefusedError("conflict", "Received quantity is more than was ordered")
        receipts[stock_id] = Receipt(line, quantity)
    return list(receipts.values())


def _require_room(state: State, storage_id: str, receipts: list[Receipt]) -> None:
    part_ids = {receipt.line.part_id for receipt in receipts}
    for part_id in part_ids:
        state.require_room(storage_id, part_id)
    if len(part_ids) > 1 and state.storage(storage_id).get("storage/single-part?"):
        raise RefusedError("conflict", "Storage location accepts a single part")


def _receive_line(
    state: State, receipt: Receipt, storage_id: str, lot: Record | None, caller: Caller, comment: str | None
) -> Leg:
    line = receipt.line
    lot_id = None
    if state.lot_control:
        lot_id = state.create_lot(line.part_id, {**(lot or {}), "lot/order-id": line.order_id})
    entry = StockEntry(
        part_id=line.part_id,
        quantity=receipt.quantity,
        timestamp_ms=state.next_timestamp(line.part_id),
        user=caller.user,
        storage_id=storage_id,
        lot_id=lot_id,
        order_id=line.order_id,
        vendor_sku=line.vendor_sku,
        comments=caller.store_comment("entry", comment),
        price=line.price,
        currency=line.currency,
    )
    state.book(entry)
    if receipt.quantity == line.quantity:
        state.withdraw(line)
    else:
        state.amend(line, line.quantity - receipt.quantity)
    return leg_of(entry, line_id=line.stock_id)


OPERATIONS: dict[str, Operation] = {
    "order/get": Read(get),
    "order/all": Read(get_all),
    "order/get-entries": Read(get_entries),
    "order/receive": Write(receive),
}
