"""Every operation the sandbox plays, by its wire name."""

from tests.sandbox.partsbox import lots, orders, parts, stock, storage
from tests.sandbox.partsbox.operations import Operation

OPERATIONS: dict[str, Operation] = {
    **parts.OPERATIONS,
    **stock.OPERATIONS,
    **lots.OPERATIONS,
    **storage.OPERATIONS,
    **orders.OPERATIONS,
}
