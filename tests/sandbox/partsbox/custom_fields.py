"""part/…-custom-field(s): keys and values of one's own on a part."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

FIELDS = "part/custom-fields"

LONGEST_KEY = 256
LONGEST_VALUE = 1024


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/update-custom-fields: set the values of the keys named, new ones at the end; the others stay."""
    part_id = checks.identifier(params, "part/id")
    given = checks.mappings(params, "custom-fields")
    values = [(_limited(field, "key", LONGEST_KEY), _limited(field, "value", LONGEST_VALUE)) for field in given]
    if not all(key for key, _ in values):
        raise RefusedError("invalid", "key must not be empty")
    part = state.part(part_id)

    merged = {field["key"]: field["value"] for field in part.get(FIELDS, [])} | dict(caller.portion(values))
    fields = [{"key": key, "value": value} for key, value in merged.items()]
    return Answer(), booking_of(params, change_fields(f"part:{part_id}", part, {FIELDS: fields}))


def delete(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """part/delete-custom-field: remove one key; one that is not there is removed already."""
    part_id = checks.identifier(params, "part/id")
    key = _limited(params, "custom-field-key", LONGEST_KEY)
    part = state.part(part_id)

    kept = [field for field in part.get(FIELDS, []) if field["key"] != key]
    changed = {FIELDS: kept} if FIELDS in part else {}
    return Answer(), booking_of(params, change_fields(f"part:{part_id}", part, changed))


def _limited(params: Record, name: str, longest: int) -> str:
    value = checks.text(params, name)
    if len(value) > longest:
        raise RefusedError("invalid", f"{name} is longer than {longest} characters")
    return value


OPERATIONS: dict[str, Operation] = {
    "part/update-custom-fields": Write(update),
    "part/delete-custom-field": Write(delete),
}
