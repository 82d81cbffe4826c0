"""Order commands: receiving purchase order lines into a storage location."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import Field, model_validator

from tasks.commands import Command, Model, Quantity, VendorId
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.lookup import Absent, Finding, Image, Leg, Undecidable, Why, judge
from tasks.stock import NewLot, StockPort
from tasks.task import Before, Expansion, Target, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Order, Sending, StockEntry


class OrderPort(StockPort, Protocol):
    """Purchase orders of a vendor. Errors as for stock, which its lines become."""

    async def order(self, order_id: str) -> Order:
        """Read an order and its open lines."""

    async def receive_line(self, command: ReceiveLine, sending: Sending) -> Exchange:
        """Send one order/receive that names exactly one line, with the command's marker in its comment."""


class LineToReceive(Model):
    """One order line, named by the vendor's stock/id, and how many pieces of it arrived."""

    stock_id: VendorId
    quantity: Quantity


class ReceiveOrder(Command):
    """Receive an order: all its open lines, or the lines given (PartsBox order/receive).

    It expands into one `order.receive_line` per line; the parent shows how many are done.
    """

    kind: ClassVar[str] = "order.receive"
    vendor: ClassVar[str] = "partsbox"
    effect: ClassVar[Effect] = Effect.EXPAND

    order_id: Annotated[VendorId, IDENTITY]
    storage_id: Annotated[VendorId, IDENTITY]
    lines: Annotated[tuple[LineToReceive, ...] | None, Field(min_length=1, max_length=500), IDENTITY] = None

    def lanes(self) -> tuple[str, ...]:
        return (f"order:{self.order_id}",)

    def summary(self) -> str:
        what = "all open lines" if self.lines is None else f"{len(self.lines)} lines"
        return f"receive {what} of order {self.order_id[:8]}… into {self.storage_id[:8]}…"

    @model_validator(mode="after")
    def _each_line_once(self) -> Self:
        named = [line.stock_id for line in self.lines or ()]
        if len(named) != len(set(named)):
            raise ValueError("lines: names a stock_id twice; add the quantities up")
        return self


class ReceiveLine(Command):
    """Receive pieces of one order line into a storage location (PartsBox order/receive with one stock entry)."""

    kind: ClassVar[str] = "order.receive_line"
    vendor: ClassVar[str] = "partsbox"
    effect: ClassVar[Effect] = Effect.GUARDED

    order_id: Annotated[VendorId, IDENTITY]
    stock_id: Annotated[VendorId, IDENTITY]
    part_id: Annotated[VendorId, IDENTITY]
    storage_id: Annotated[VendorId, IDENTITY]
    quantity: Annotated[Quantity, IDENTITY]
    lot: NewLot | None = None

    def lanes(self) -> tuple[str, ...]:
        return (f"order:{self.order_id}", f"part:{self.part_id}")

    def summary(self) -> str:
        return f"receive {self.quantity} of part {self.part_id[:8]}… (order {self.order_id[:8]}…)"


def _must_be_ordered(order: Order) -> None:
    # an order without a status is judged by its lines
    if order.status not in (None, "ordered"):
        raise RejectedError(f"order_id: order {order.order_id} is {order.status}, not ordered", code="conflict")


def _open_line(order: Order, stock_id: str, quantity: int) -> StockEntry:
    line = next((line for line in order.open_lines if line.stock_id == stock_id), None)
    if line is None:
        raise RejectedError(f"stock_id: order {order.order_id} has no open line {stock_id}", code="not-found")
    if quantity > line.quantity:
        raise RejectedError(f"quantity: {quantity} asked, {line.quantity} open on line {stock_id}", code="conflict")
    return line


class OrderReceipt:
    """Expands order.receive: one order.receive_line for each line that is open now."""

    async def children(self, command: ReceiveOrder, target: Target[OrderPort]) -> tuple[Command, ...]:
        order = await target.port.order(command.order_id)
        _must_be_ordered(order)
        if command.lines is None:
            wanted = [(line, line.quantity) for line in order.open_lines]
        else:
            wanted = [(_open_line(order, line.stock_id, line.quantity), line.quantity) for line in command.lines]
        if not wanted:
            raise RejectedError(f"order_id: order {order.order_id} has no open line", code="conflict")
        return tuple(
            ReceiveLine(
                order_id=command.order_id,
                stock_id=line.stock_id or "",
                part_id=line.part_id,
                storage_id=command.storage_id,
                quantity=quantity,
                stock_timestamp=command.stock_timestamp,
                source=command.source,
                comments=command.comments,
            )
            for line, quantity in wanted
        )


class LineReceipt:
    """Applies order.receive_line: limited by the line's open quantity, proved by its marker on the part."""

    async def before(self, command: ReceiveLine, target: Target[OrderPort]) -> Before:
        entries = await target.port.stock_entries(command.part_id)
        image = Image(timestamps=frozenset(entry.timestamp_ms for entry in entries))
        finding = self._judge(entries, command, replace(target, image=image))
        if not isinstance(finding, Absent):
            return Before(image, finding)
        order = await target.port.order(command.order_id)
        _must_be_ordered(order)
        line = _open_line(order, command.stock_id, command.quantity)
        return Before(image.model_copy(update={"line_open": line.quantity}))

    async def send(self, command: ReceiveLine, target: Target[OrderPort], sending: Sending) -> Exchange:
        return await target.port.receive_line(command, sending)

    async def proof(self, command: ReceiveLine, target: Target[OrderPort]) -> Finding:
        entries = await target.port.stock_entries(command.part_id)
        return self._judge(entries, command, target)

    async def look(self, command: ReceiveLine, target: Target[OrderPort]) -> Finding:
        finding = await self.proof(command, target)
        if not isinstance(finding, Absent):
            return finding
        order = await target.port.order(command.order_id)
        line = next((line for line in order.open_lines if line.stock_id == command.stock_id), None)
        # nothing carries our marker: absent only if the line is still as it was before we sent
        if order.status in (None, "ordered") and line is not None and line.quantity == target.image.line_open:
            return Absent()
        return Undecidable(Why.CHANGED)

    @staticmethod
    def _judge(entries: tuple[StockEntry, ...], command: ReceiveLine, target: Target[OrderPort]) -> Finding:
        return judge(entries, target.key, (Leg(command.storage_id, command.quantity),), target.image, target.user)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {ReceiveLine: LineReceipt()}
EXPANSIONS: Final[Mapping[type[Command], Expansion[Any]]] = {ReceiveOrder: OrderReceipt()}
