"""Cases of PartsBox's stock, orders and lots."""

from __future__ import annotations

from tasks.lots import UpdateLot
from tasks.orders import LineToReceive, ReceiveLine, ReceiveOrder
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event
from tests.sandbox.partsbox import id_for

SHELF, LINE = id_for("storage", "shelf-1"), id_for("storage", "line-1")


def _stocked(vendors: Vendors, name: str) -> str:
    """Add a part, and a hundred of it on the shelf."""
    part = vendors.partsbox.load.part(name)
    vendors.partsbox.load.stock(part, SHELF, 100)
    return part


def _on_hand(vendors: Vendors, part: str, *places: str) -> list[int]:
    return [vendors.partsbox.state.on_hand(part, place, None) for place in places]


@case("stock.add", "stock/add", read="part/get")
def _add(vendors: Vendors) -> Scene:
    part = _stocked(vendors, "stock.add")
    return Scene(
        AddStock(part_id=part, storage_id=SHELF, quantity=5, **event()),
        about=part,
        found=lambda: _on_hand(vendors, part, SHELF),
        wanted=[105],
    )


@case("stock.remove", "stock/remove", read="part/get")
def _remove(vendors: Vendors) -> Scene:
    part = _stocked(vendors, "stock.remove")
    return Scene(
        RemoveStock(part_id=part, storage_id=SHELF, quantity=5, **event()),
        about=part,
        found=lambda: _on_hand(vendors, part, SHELF),
        wanted=[95],
    )


@case("stock.move", "stock/move", read="part/get")
def _move(vendors: Vendors) -> Scene:
    part = _stocked(vendors, "stock.move")
    return Scene(
        MoveStock(part_id=part, from_storage_id=SHELF, to_storage_id=LINE, quantity=5, **event()),
        about=part,
        found=lambda: _on_hand(vendors, part, SHELF, LINE),
        wanted=[95, 5],
    )


@case("stock.correct", "stock/update", read="part/get")
def _correct(vendors: Vendors) -> Scene:
    part = vendors.partsbox.load.part("stock.correct")
    moment = vendors.partsbox.load.stock(part, SHELF, 100)
    return Scene(
        CorrectStock(part_id=part, entry_timestamp=moment, quantity=90, **event()),
        about=part,
        found=lambda: _on_hand(vendors, part, SHELF),
        wanted=[90],
        meddle=lambda: vendors.partsbox.write_as(
            COLLEAGUE, "stock/update", {"stock/part-id": part, "stock/timestamp": moment, "stock/quantity": 77}
        ),
    )


def _ordered(vendors: Vendors, name: str) -> tuple[str, str, str]:
    part = vendors.partsbox.load.part(name)
    order, (line,) = vendors.partsbox.load.order(name, [{"part_id": part, "quantity": 10}])
    return part, order, line


@case("order.receive", "order/receive", writer="order.receive_line", read="order/get-entries")
def _receive(vendors: Vendors) -> Scene:
    part, order, line = _ordered(vendors, "order.receive")
    lines = (LineToReceive(stock_id=line, quantity=4),)
    return Scene(
        ReceiveOrder(order_id=order, storage_id=SHELF, lines=lines, **event()),
        about=order,
        found=lambda: _on_hand(vendors, part, SHELF),
        wanted=[4],
    )


@case("order.receive_line", "order/receive", read="part/get")
def _receive_line(vendors: Vendors) -> Scene:
    part, order, line = _ordered(vendors, "order.receive_line")
    return Scene(
        ReceiveLine(order_id=order, stock_id=line, part_id=part, storage_id=SHELF, quantity=4, **event()),
        about=order,
        found=lambda: _on_hand(vendors, part, SHELF),
        wanted=[4],
        read_about=part,
    )


@case("lot.update", "lot/update", read="lot/get")
def _lot(vendors: Vendors) -> Scene:
    lot = vendors.partsbox.load.lot(id_for("part", "IC-MCU"), "lot.update", description="before")
    return Scene(
        UpdateLot(lot_id=lot, name="L-2", description="after", **event()),
        about=lot,
        found=lambda: vendors.partsbox.state.lots[lot]["lot/description"],
        wanted="after",
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "lot/update", {"lot/id": lot, "lot/description": "theirs"}),
    )
