"""Commands on the sandbox's warehouse, and what became of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tasks.orders import LineToReceive, ReceiveOrder
from tasks.records import State
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tasks.submit import now_ms
from tests.sandbox.partsbox import id_for
from tests.sandbox.partsbox.orders import outstanding

if TYPE_CHECKING:
    from tasks.commands import Command
    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox

PART, SHELF, LINE = id_for("part", "R-1K"), id_for("storage", "shelf-1"), id_for("storage", "line-1")
ORDER = id_for("order", "SO-1")
#: Event times that never repeat.
ticks = itertools.count(now_ms())

OPERATIONS = {
    "stock.add": "stock/add",
    "stock.remove": "stock/remove",
    "stock.move": "stock/move",
    "stock.correct": "stock/update",
    "order.receive": "order/receive",
}
KINDS = tuple(OPERATIONS)
#: Kinds whose effect carries our marker.
MARKED = tuple(kind for kind in KINDS if kind != "stock.correct")


def a_command(kind: str, sandbox: PartsBoxSandbox) -> Command:
    moment = next(ticks)
    match kind:
        case "stock.add":
            return AddStock(part_id=PART, storage_id=SHELF, quantity=5, stock_timestamp=moment)
        case "stock.remove":
            return RemoveStock(part_id=PART, storage_id=SHELF, quantity=5, stock_timestamp=moment)
        case "stock.move":
            return MoveStock(
                part_id=PART, from_storage_id=SHELF, to_storage_id=LINE, quantity=5, stock_timestamp=moment
            )
        case "stock.correct":
            entry = sandbox.state.history[PART][-1].timestamp_ms
            return CorrectStock(part_id=PART, entry_timestamp=entry, quantity=1200, stock_timestamp=moment)
    line = outstanding(sandbox.state, ORDER)[0]
    lines = (LineToReceive(stock_id=line.stock_id or "", quantity=40),)
    return ReceiveOrder(order_id=ORDER, storage_id=SHELF, lines=lines, stock_timestamp=moment)


async def the_one_that_writes(relay: Relay, key: str) -> str:
    """Give the key of the command that writes: for an order, its only line's."""
    record = await relay.ledger.find(key)
    assert record is not None
    if record.kind != "order.receive":
        return key
    await relay.until(key, State.WAITING, *(state for state in State if state.is_final))
    record = await relay.ledger.find(key)
    assert record is not None
    return record.children[0]


def effects(sandbox: PartsBoxSandbox) -> int:
    return len(sandbox.journal.own_effects())
