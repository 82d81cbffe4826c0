"""part/…: what a part is, its stock history and where it lies."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.operations import Operation, Read
from tests.sandbox.partsbox.sources import summarize
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record


def get(state: State, params: Record) -> Answer:
    """part/get: the part with its stock history, ascending by timestamp."""
    return Answer(_describe(state, checks.identifier(params, "part/id")))


def get_all(state: State, _params: Record) -> Answer:
    """part/all: every part, without pages or filters."""
    return Answer([_describe(state, part_id) for part_id in state.parts])


def storage(state: State, params: Record) -> Answer:
    """part/storage: one row per storage, lots aggregated."""
    part_id = checks.identifier(params, "part/id")
    state.part(part_id)
    return Answer(summarize(state.history[part_id]))


def stock(state: State, params: Record) -> Answer:
    """part/stock: the total on hand, beside the data and inside it (vendors.md 2.7, contradiction 5)."""
    part_id = checks.identifier(params, "part/id")
    storage_id = checks.optional_identifier(params, "storage/id")
    state.part(part_id)
    if storage_id is not None:
        state.storage(storage_id)
    rows = [r for r in summarize(state.history[part_id]) if storage_id in (None, r["source/storage-id"])]
    total = {"source/quantity": sum(row["source/quantity"] for row in rows)}
    return Answer(total, beside=total)


def _describe(state: State, part_id: str) -> Record:
    part = dict(state.part(part_id))
    if history := state.history[part_id]:
        part["part/stock"] = [entry.describe() for entry in history]
    return part


OPERATIONS: dict[str, Operation] = {
    "part/get": Read(get),
    "part/all": Read(get_all),
    "part/storage": Read(storage),
    "part/stock": Read(stock),
}
