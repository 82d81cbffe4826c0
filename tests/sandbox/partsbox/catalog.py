"""Every operation the sandbox plays, by its wire name."""

from tests.sandbox.partsbox import (
    builds,
    custom_fields,
    database,
    entries,
    lots,
    orders,
    part_links,
    parts,
    projects,
    qr,
    stock,
    storage,
)
from tests.sandbox.partsbox.operations import Operation

OPERATIONS: dict[str, Operation] = {
    **parts.OPERATIONS,
    **part_links.OPERATIONS,
    **custom_fields.OPERATIONS,
    **stock.OPERATIONS,
    **lots.OPERATIONS,
    **storage.OPERATIONS,
    **projects.OPERATIONS,
    **entries.OPERATIONS,
    **builds.OPERATIONS,
    **orders.OPERATIONS,
    **qr.OPERATIONS,
    **database.OPERATIONS,
}
