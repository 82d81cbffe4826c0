"""lot/…: batches of a part, and the fields a request gives a new one."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

TEXTS = ("name", "description", "comments")
MOMENTS = ("created", "expiration-date")


def get(state: State, params: Record) -> Answer:
    """lot/get: one lot."""
    return Answer(dict(state.lot(checks.identifier(params, "lot/id"))))


def get_all(state: State, _params: Record) -> Answer:
    """lot/all: every lot."""
    return Answer([dict(lot) for lot in state.lots.values()])


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """lot/update: set the fields sent; a lot that is there can be changed without lot control too."""
    lot_id = checks.identifier(params, "lot/id")
    fields = checks.sent(params, "lot", TEXTS, MOMENTS)
    lot = state.lot(lot_id)

    return Answer(), booking_of(params, change_fields(f"lot:{lot_id}", lot, caller.stored(fields)))


def read_lot(state: State, params: Record) -> Record | None:
    """Read the `lot` map of a request; refused where the plan has no lot control."""
    lot = checks.fields(params, "lot", TEXTS, MOMENTS)
    if lot is not None and not state.lot_control:
        raise RefusedError("invalid", "lot control is not available in your plan")
    return lot


OPERATIONS: dict[str, Operation] = {
    "lot/get": Read(get),
    "lot/all": Read(get_all),
    "lot/update": Write(update),
}
