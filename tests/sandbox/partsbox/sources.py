"""SOURCE: where stock is, as a summary in answers and as an address in requests (vendors.md 2.2)."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.state import State, StockEntry
from tests.sandbox.partsbox.wire import Record, RefusedError


@dataclass(frozen=True)
class Source:
    """The place stock is taken from."""

    part_id: str
    storage_id: str
    lot_id: str | None


def read_source(state: State, params: Record) -> Source:
    """Read `stock/source`; only part, storage and (with lot control) lot identify; raises RefusedError."""
    given = checks.mapping(params, "stock/source")
    part_id = checks.identifier(given, "source/part-id")
    storage_id = checks.identifier(given, "source/storage-id")
    lot_id = checks.optional_identifier(given, "source/lot-id")
    state.part(part_id)
    state.storage(storage_id)
    if state.lot_control and lot_id is None:
        raise RefusedError("invalid", "source/lot-id is required with lot control")
    if not state.lot_control and lot_id is not None:
        raise RefusedError("invalid", "lot control is not available in your plan")
    if lot_id is not None:
        state.lot(lot_id)
    return Source(part_id, storage_id, lot_id)


def summarize(entries: Iterable[StockEntry], *, by_lot: bool = False) -> list[Record]:
    """Sum stock on hand per part and storage, and per lot when asked; empty places are left out."""
    sources: dict[tuple[str, str, str | None], Record] = {}
    for entry in entries:
        if entry.status is not None or entry.storage_id is None:
            continue
        lot_id = entry.lot_id if by_lot else None
        source = sources.setdefault(
            (entry.part_id, entry.storage_id, lot_id),
            {
                "source/part-id": entry.part_id,
                "source/storage-id": entry.storage_id,
                **({"source/lot-id": lot_id} if lot_id else {}),
                "source/quantity": 0,
                "source/first-timestamp": entry.timestamp_ms,
                "source/last-timestamp": entry.timestamp_ms,
            },
        )
        source["source/quantity"] += entry.quantity
        source["source/last-timestamp"] = max(source["source/last-timestamp"], entry.timestamp_ms)
    return [source for source in sources.values() if source["source/quantity"]]
