"""Stock and orders of PartsBox: few parts, so that commands meet in their lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import warehouse
from tests.simulation.kinds.kind import Fields, becomes, kind

if TYPE_CHECKING:
    from tests.simulation.hand import Hand

PART = "part:{part_id}"

becomes("order.receive_line", "order/receive", about=PART)


@kind("stock.add", "stock/add", about=PART, weight=12)
def _add(hand: Hand) -> Fields:
    return {"part_id": _part(hand), "storage_id": _shelf(hand), "quantity": hand.pieces()}


@kind("stock.remove", "stock/remove", about=PART, weight=12)
def _remove(hand: Hand) -> Fields:
    shelf = warehouse.storage_id(hand.choose(warehouse.SHELVES[:2]))
    return {"part_id": _part(hand), "storage_id": shelf, "quantity": hand.pieces()}


@kind("stock.move", "stock/move", about=PART, weight=18)
def _move(hand: Hand) -> Fields:
    source, target = hand.choose(warehouse.SHELVES[:2]), warehouse.SHELVES[2]
    places = {"from_storage_id": warehouse.storage_id(source), "to_storage_id": warehouse.storage_id(target)}
    return {"part_id": _part(hand), **places, "quantity": hand.pieces()}


@kind("stock.correct", "stock/update", about=PART, word="{new_comments}", weight=2)
def _correct(hand: Hand) -> Fields:
    number = hand.random.randrange(len(warehouse.STOCKED))
    entry = {"part_id": warehouse.part_id(warehouse.STOCKED[number]), "entry_timestamp": warehouse.FILLED_MS + number}
    return {**entry, "new_comments": hand.word()}


@kind("order.receive", weight=4)
def _receive(hand: Hand) -> Fields:
    whole = hand.random.random() < 1 / 2
    order = hand.once("receive", warehouse.WHOLE_ORDERS if whole else warehouse.LINE_ORDERS)
    received = {"order_id": warehouse.partsbox_id("order", order), "storage_id": _shelf(hand)}
    if whole:
        return received
    positions = hand.random.sample(range(1, len(warehouse.ORDERED) + 1), k=hand.random.randint(1, 2))
    lines = [{"stock_id": warehouse.line_id(order, position), "quantity": hand.pieces()} for position in positions]
    return {**received, "lines": lines}


def _part(hand: Hand) -> str:
    return warehouse.part_id(hand.choose(warehouse.STOCKED))


def _shelf(hand: Hand) -> str:
    return warehouse.storage_id(hand.choose(warehouse.SHELVES))
