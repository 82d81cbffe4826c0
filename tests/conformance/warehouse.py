"""Commands on PartsBox's warehouse, where many of one kind or on one part are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.stock import AddStock
from tests.conformance.catalogue.case import event
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from tests.sandbox.partsbox import PartsBoxSandbox

PART, SHELF = id_for("part", "R-1K"), id_for("storage", "shelf-1")
ORDER = id_for("order", "SO-1")


def an_addition(part: str = PART) -> AddStock:
    return AddStock(part_id=part, storage_id=SHELF, quantity=5, **event())


def effects(sandbox: PartsBoxSandbox) -> int:
    return len(sandbox.journal.own_effects())
