"""The stock operations of PartsBox: part/get for its history, stock/add, remove, move and update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.identity import with_marker
from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import stock as wire

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.ports import Sending, StockEntry
    from tasks.stock import AddStock, CorrectStock, MoveStock, NewOrder, RemoveStock


class PartsBoxStock(Capability):
    """Stock at PartsBox; see `tasks.stock.StockPort`."""

    async def stock_entries(self, part_id: str) -> tuple[StockEntry, ...]:
        request = wire.GetPart(part_id=part_id)
        return await self._client.ask("part/get", request, lambda body: wire.stock_entries(body, part_id))

    async def add_stock(self, command: AddStock, sending: Sending) -> Exchange:
        request = wire.Add(
            part_id=command.part_id,
            storage_id=command.storage_id,
            quantity=command.quantity,
            comments=with_marker(command.comments, sending.key),
            price=command.price,
            currency=command.currency,
            order_id=command.order_id,
            vendor_sku=command.vendor_sku,
            order=None if command.order is None else _created_order(command.order, sending.key),
            lot=wire.lot_request(command.lot, sending.key),
        )
        return await self._client.change("stock/add", request, sending)

    async def remove_stock(self, command: RemoveStock, sending: Sending) -> Exchange:
        request = wire.Remove(
            source=wire.StockSource(part_id=command.part_id, storage_id=command.storage_id, lot_id=command.lot_id),
            quantity=command.quantity,
            comments=with_marker(command.comments, sending.key),
        )
        return await self._client.change("stock/remove", request, sending)

    async def move_stock(self, command: MoveStock, sending: Sending) -> Exchange:
        request = wire.Move(
            source=wire.StockSource(part_id=command.part_id, storage_id=command.from_storage_id, lot_id=command.lot_id),
            quantity=command.quantity,
            comments=with_marker(command.comments, sending.key),
            storage_id=command.to_storage_id,
            split_lot=command.split_lot or None,
            lot=wire.lot_request(command.lot, sending.key),
        )
        return await self._client.change("stock/move", request, sending)

    async def correct_stock(self, command: CorrectStock, sending: Sending) -> Exchange:
        request = wire.Update(
            part_id=command.part_id,
            timestamp=command.entry_timestamp,
            comments=command.new_comments,
            quantity=command.quantity,
            price=command.price,
            currency=command.currency,
        )
        return await self._client.change("stock/update", request, sending)


def _created_order(order: NewOrder, key: str) -> wire.CreatedOrder:
    return wire.CreatedOrder(
        po_number=(order.po_number or "").strip() or key,
        vendor_name=order.vendor_name,
        number=order.number,
        invoice_number=order.invoice_number,
        comments=order.comments,
        notes=order.notes,
        created=order.created_ms,
        arriving=order.arriving_ms,
        tags=order.tags or None,
    )
