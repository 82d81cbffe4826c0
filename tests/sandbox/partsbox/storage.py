"""storage/…: the locations and what lies in them."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.operations import Operation, Read
from tests.sandbox.partsbox.sources import summarize
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record


def get(state: State, params: Record) -> Answer:
    """storage/get: one location; its settings are absent until first set."""
    return Answer(state.storage(checks.identifier(params, "storage/id")))


def get_all(state: State, _params: Record) -> Answer:
    """storage/all: every location, archived ones too."""
    return Answer(list(state.storages.values()))


def parts(state: State, params: Record) -> Answer:
    """storage/parts: one row per part in the location, lots aggregated."""
    storage_id = checks.identifier(params, "storage/id")
    state.storage(storage_id)
    entries = (entry for history in state.history.values() for entry in history if entry.storage_id == storage_id)
    return Answer(summarize(entries))


OPERATIONS: dict[str, Operation] = {
    "storage/get": Read(get),
    "storage/all": Read(get_all),
    "storage/parts": Read(parts),
}
