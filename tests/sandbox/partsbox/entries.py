"""project/…-entries: the lines of a project, as it is now or as it was built."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import Change, booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

TEXTS = ("name", "comments", "cad-footprint")


def get_entries(state: State, params: Record) -> Answer:
    """project/get-entries: the entries in the order they were added, those of one build when it is named."""
    project_id = checks.identifier(params, "project/id")
    build_id = checks.optional_identifier(params, "build/id")
    state.project(project_id)
    entries = state.project_entries.get(project_id, {})
    if build_id is not None:
        if state.build(build_id)["build/project-id"] != project_id:
            raise RefusedError("not-found", "Build not found")
        entries = state.build_entries[build_id]
    return Answer([dict(entry) for entry in entries.values()])


def add_entries(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """project/add-entries: append; the new ids are not answered."""
    project_id = checks.identifier(params, "project/id")
    entries = read_new(state, params)
    state.project(project_id)

    return Answer(), booking_of(params, *append(state, project_id, entries, caller), about=f"project:{project_id}")


def update_entries(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """project/update-entries: set the fields sent of the entries named; one unknown entry refuses all of them."""
    project_id = checks.identifier(params, "project/id")
    given = {checks.identifier(entry, "entry/id"): _read(entry) for entry in checks.mappings(params, "entries")}
    if len(given) < len(params["entries"]):
        raise RefusedError("invalid", "entries names an entry twice")
    state.project(project_id)
    entries = {entry_id: state.project_entry(project_id, entry_id) for entry_id in given}
    for fields in given.values():
        _require_part(state, fields)

    changes = [
        change_fields(f"entry:{entry_id}", entries[entry_id], caller.stored(given[entry_id]))
        for entry_id in caller.portion(list(given))
    ]
    return Answer(), booking_of(params, *changes, about=f"project:{project_id}")


def delete_entries(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """project/delete-entries: the entries named are gone; one unknown entry refuses all of them."""
    project_id = checks.identifier(params, "project/id")
    ids = checks.identifiers(params, "ids")
    state.project(project_id)
    for entry_id in ids:
        state.project_entry(project_id, entry_id)

    entries = state.project_entries[project_id]
    changes = [Change(f"entry:{entry_id}", entries.pop(entry_id), {}) for entry_id in caller.portion(ids)]
    return Answer(), booking_of(params, *changes, about=f"project:{project_id}")


def read_new(state: State, params: Record) -> list[Record]:
    """Read the entries of a request; each needs a quantity and says what it is, by part or by name."""
    entries = [_read(entry) for entry in checks.mappings(params, "entries")]
    for entry in entries:
        if "entry/quantity" not in entry:
            raise RefusedError("invalid", "entry/quantity is required")
        if not ("entry/part-id" in entry or "entry/name" in entry):
            raise RefusedError("invalid", "entry/part-id or entry/name is required")
        _require_part(state, entry)
    return entries


def append(state: State, project_id: str, entries: list[Record], caller: Caller) -> list[Change]:
    """Give the entries ids and add them to a project."""
    changes = []
    for fields in caller.portion(entries):
        entry_id = state.new_id()
        entry = {"entry/id": entry_id, **caller.stored(fields)}
        state.project_entries[project_id][entry_id] = entry
        changes.append(Change(f"entry:{entry_id}", {}, dict(entry)))
    return changes


def _read(given: Record) -> Record:
    entry = checks.sent(given, "entry", TEXTS, tagged=False)
    if "entry/part-id" in given:
        entry["entry/part-id"] = checks.identifier(given, "entry/part-id")
    if "entry/quantity" in given:
        entry["entry/quantity"] = checks.count(given, "entry/quantity")
    if "entry/order" in given:
        entry["entry/order"] = checks.integer(given, "entry/order")
    if "entry/designators" in given:
        # "Set of designators": each one once, and in no order of the sender's.
        entry["entry/designators"] = sorted(set(checks.texts(given, "entry/designators")))
    return entry


def _require_part(state: State, entry: Record) -> None:
    if "entry/part-id" in entry:
        state.part(entry["entry/part-id"])


OPERATIONS: dict[str, Operation] = {
    "project/get-entries": Read(get_entries),
    "project/add-entries": Write(add_entries),
    "project/update-entries": Write(update_entries),
    "project/delete-entries": Write(delete_entries),
}
