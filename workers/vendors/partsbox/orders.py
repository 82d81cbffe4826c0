"""The order operations of PartsBox: order/get with order/get-entries, and order/receive of one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.identity import with_marker
from workers.vendors.partsbox import wire
from workers.vendors.partsbox.client import Capability

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.orders import ReceiveLine
    from tasks.ports import Order, Sending


class PartsBoxOrders(Capability):
    """Purchase orders at PartsBox; see `tasks.ports.OrderPort`."""

    async def order(self, order_id: str) -> Order:
        request = wire.GetOrder(order_id=order_id).body()
        status = await self._client.read_as("order/get", request, wire.order_status)
        entries = await self._client.read_as("order/get-entries", request, wire.order_entries)
        return wire.order(order_id, status, entries)

    async def receive_line(self, command: ReceiveLine, sending: Sending) -> Exchange:
        request = wire.Receive(
            order_id=command.order_id,
            storage_id=command.storage_id,
            entries=(wire.ReceivedEntry(stock_id=command.stock_id, quantity=command.quantity),),
            comments=with_marker(command.comments, sending.key),
            lot=wire.lot_request(command.lot, sending.key),
        )
        return await self._client.write("order/receive", request.body(), sending)
