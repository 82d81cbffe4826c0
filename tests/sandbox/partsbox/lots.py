"""lot/…: batches of a part, and the fields a request gives a new one."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.operations import Operation, Read
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError


def get(state: State, params: Record) -> Answer:
    """lot/get: one lot."""
    return Answer(state.lot(checks.identifier(params, "lot/id")))


def get_all(state: State, _params: Record) -> Answer:
    """lot/all: every lot."""
    return Answer(list(state.lots.values()))


def read_lot(state: State, params: Record) -> Record | None:
    """Read the `lot` map of a request; refused where the plan has no lot control."""
    lot = checks.fields(
        params,
        "lot",
        texts=("lot/name", "lot/description", "lot/comments"),
        moments=("lot/created", "lot/expiration-date"),
    )
    if lot is not None and not state.lot_control:
        raise RefusedError("invalid", "lot control is not available in your plan")
    return lot


OPERATIONS: dict[str, Operation] = {
    "lot/get": Read(get),
    "lot/all": Read(get_all),
}
