"""stock/…: add, remove, move and update entries of a part's history."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.journal import Booking, leg_of
from tests.sandbox.partsbox.lots import read_lot
from tests.sandbox.partsbox.operations import Caller, Operation, Write
from tests.sandbox.partsbox.orders import create_received_order
from tests.sandbox.partsbox.sources import read_source
from tests.sandbox.partsbox.state import State, StockEntry
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError


def add(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """stock/add: one entry on hand; answers neither an id nor a timestamp."""
    part_id = checks.identifier(params, "stock/part-id")
    storage_id = checks.identifier(params, "stock/storage-id")
    quantity = checks.quantity(params)
    comment = checks.optional_text(params, "stock/comments")
    price, currency = checks.price(params)
    lot = read_lot(state, params)
    lot_order_id = checks.optional_identifier(params.get("lot", {}), "lot/order-id")
    order = _read_order(params)
    order_id = checks.optional_identifier(params, "stock/order-id")
    vendor_sku = checks.optional_text(params, "stock/vendor-sku")
    state.part(part_id)
    state.storage(storage_id)
    if order_id is not None:
        state.order(order_id)
    if lot_order_id is not None:
        state.order(lot_order_id)
    _require_order_link(order, order_id, vendor_sku)
    state.require_room(storage_id, part_id)

    if order is not None:
        order_id = create_received_order(state, order)
    lot_id = None
    if state.lot_control:
        link = lot_order_id or order_id
        lot_id = state.create_lot(part_id, {**(lot or {}), **({"lot/order-id": link} if link else {})})
    entry = StockEntry(
        part_id=part_id,
        quantity=quantity,
        timestamp_ms=state.next_timestamp(part_id),
        user=caller.user,
        storage_id=storage_id,
        lot_id=lot_id,
        order_id=order_id,
        vendor_sku=vendor_sku,
        comments=caller.store_comment("entry", comment),
        price=price,
        currency=currency,
    )
    return Answer(), Booking(comment, (leg_of(state.book(entry)),), order_id)


def remove(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """stock/remove: one negative entry, never below zero."""
    source = read_source(state, params)
    quantity = checks.quantity(params)
    comment = checks.optional_text(params, "stock/comments")
    state.require_stock(source.part_id, source.storage_id, source.lot_id, quantity)
    entry = StockEntry(
        part_id=source.part_id,
        quantity=-quantity,
        timestamp_ms=state.next_timestamp(source.part_id),
        user=caller.user,
        storage_id=source.storage_id,
        lot_id=source.lot_id,
        comments=caller.store_comment("entry", comment),
    )
    return Answer(), Booking(comment, (leg_of(state.book(entry)),))


def move(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """stock/move: two linked entries, -q in the source at t and +q in the target one millisecond later."""
    source = read_source(state, params)
    quantity = checks.quantity(params)
    target_id = checks.identifier(params, "stock/storage-id")
    comment = checks.optional_text(params, "stock/comments")
    splits = checks.optional_flag(params, "split-lot?")
    lot = read_lot(state, params)
    state.storage(target_id)
    if splits and not state.lot_control:
        raise RefusedError("invalid", "lot control is not available in your plan")
    if target_id == source.storage_id:
        raise RefusedError("invalid", "source and target are the same storage location")
    state.require_stock(source.part_id, source.storage_id, source.lot_id, quantity)
    state.require_room(target_id, source.part_id)

    new_lot_id = None
    if splits:
        new_lot_id = state.create_lot(source.part_id, {**(lot or {}), "lot/previous-id": source.lot_id})
    timestamp_ms = state.next_timestamp(source.part_id)
    out = StockEntry(
        part_id=source.part_id,
        quantity=-quantity,
        timestamp_ms=timestamp_ms,
        user=caller.user,
        storage_id=source.storage_id,
        lot_id=source.lot_id,
        comments=caller.store_comment("source", comment),
        linked=True,
    )
    into = StockEntry(
        part_id=source.part_id,
        quantity=quantity,
        timestamp_ms=timestamp_ms + 1,
        user=caller.user,
        storage_id=target_id,
        lot_id=new_lot_id or source.lot_id,
        comments=caller.store_comment("target", comment),
        linked=True,
    )
    booking = Booking(comment, (leg_of(state.book(out)), leg_of(state.book(into))))
    # The document puts lot/id beside the data, the newer one inside: emit both.
    answer = Answer({"lot/id": new_lot_id}, beside={"lot/id": new_lot_id}) if new_lot_id else Answer()
    return answer, booking


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """stock/update: set the fields sent of the entry that part and timestamp identify."""
    part_id = checks.identifier(params, "stock/part-id")
    state.part(part_id)
    entry = state.entry_at(part_id, checks.integer(params, "stock/timestamp"))
    quantity = checks.integer(params, "stock/quantity") if "stock/quantity" in params else entry.quantity
    comment = checks.optional_text(params, "stock/comments")
    price, currency = checks.price_fields(params)
    if price is not None and (currency or entry.currency) is None:
        raise RefusedError("invalid", "stock/currency is required with stock/price")
    if quantity * entry.quantity < 0:
        raise RefusedError("invalid", "stock/quantity must keep its sign")
    difference = quantity - entry.quantity
    if entry.status is None and entry.storage_id:
        state.require_stock(part_id, entry.storage_id, entry.lot_id, -difference)

    state.amend(entry, quantity)
    if comment is not None:
        entry.comments = caller.store_comment("entry", comment)
    entry.price = entry.price if price is None else price
    entry.currency = currency or entry.currency
    return Answer(), Booking(comment, (leg_of(entry, difference),), entry.order_id)


def _read_order(params: Record) -> Record | None:
    texts = ("vendor-name", "number", "invoice-number", "po-number", "comments", "notes")
    return checks.fields(params, "order", texts, moments=("created", "arriving"))


def _require_order_link(order: Record | None, order_id: str | None, vendor_sku: str | None) -> None:
    if order is not None and order_id is not None:
        raise RefusedError("invalid", "order and stock/order-id exclude each other")
    if (order is not None or order_id is not None) and vendor_sku is None:
        raise RefusedError("invalid", "stock/vendor-sku is required for stock linked to an order")


OPERATIONS: dict[str, Operation] = {
    "stock/add": Write(add),
    "stock/remove": Write(remove),
    "stock/move": Write(move),
    "stock/update": Write(update),
}
