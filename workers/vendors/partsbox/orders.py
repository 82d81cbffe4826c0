"""The order operations of PartsBox: order/all, order/get with order/get-entries, and order/receive of one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.identity import with_marker
from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import stock as wire
from workers.vendors.partsbox.wire.envelope import Nothing

if TYPE_CHECKING:
    from tasks.directory import OrderHead
    from tasks.errors import Exchange
    from tasks.orders import ReceiveLine
    from tasks.ports import Order, Sending


class PartsBoxOrders(Capability):
    """Purchase orders at PartsBox; see `tasks.orders.OrderPort`."""

    async def order(self, order_id: str) -> Order:
        request = wire.GetOrder(order_id=order_id)
        status = await self._client.ask("order/get", request, wire.order_status)
        entries = await self._client.ask("order/get-entries", request, wire.order_entries)
        return wire.order(order_id, status, entries)

    async def orders(self) -> tuple[OrderHead, ...]:
        """Read all orders, as far as their list shows them."""
        return await self._client.ask("order/all", Nothing(), wire.orders)

    async def order_skus(self, order_id: str) -> tuple[tuple[str, str], ...]:
        """Read the vendor SKUs of an order's lines with their part ids."""
        return await self._client.ask("order/get-entries", wire.GetOrder(order_id=order_id), wire.order_skus)

    async def receive_line(self, command: ReceiveLine, sending: Sending) -> Exchange:
        request = wire.Receive(
            order_id=command.order_id,
            storage_id=command.storage_id,
            entries=(wire.ReceivedEntry(stock_id=command.stock_id, quantity=command.quantity),),
            comments=with_marker(command.comments, sending.key),
            lot=wire.lot_request(command.lot, sending.key),
        )
        return await self._client.change("order/receive", request, sending)
