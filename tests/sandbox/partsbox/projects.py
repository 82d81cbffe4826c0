"""project/…: projects as such; their entries and builds have files of their own."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import Change, booking_of, change_fields
from tests.sandbox.partsbox.entries import append, read_new
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record

TEXTS = ("description", "notes")


def get(state: State, params: Record) -> Answer:
    """project/get: one project without its entries."""
    return Answer(dict(state.project(checks.identifier(params, "project/id"))))


def get_all(state: State, _params: Record) -> Answer:
    """project/all: every project, archived ones too."""
    return Answer([dict(project) for project in state.projects.values()])


def create(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """project/create: a new project, with entries when there are some; names need not be unique.

    The document puts project/id beside the data, the newer one inside: both are answered.
    """
    name = checks.label(params, "project/name")
    fields = checks.sent(params, "project", TEXTS, tagged=False)
    entries = read_new(state, params) if "entries" in params else []

    project_id = state.new_id()
    project = {
        "project/id": project_id,
        "project/name": name,
        "project/created": state.now_ms(),
        **caller.stored(fields),
    }
    state.projects[project_id] = project
    added = append(state, project_id, entries, caller)
    identity = {"project/id": project_id}
    return Answer(identity, beside=identity), booking_of(
        params, Change(f"project:{project_id}", {}, dict(project)), *added
    )


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """project/update: set name, description and notes, as far as they were sent."""
    project_id = checks.identifier(params, "project/id")
    fields = checks.sent(params, "project", TEXTS, tagged=False)
    if "project/name" in params:
        fields["project/name"] = checks.label(params, "project/name")
    project = state.project(project_id)

    return Answer(), booking_of(params, change_fields(f"project:{project_id}", project, caller.stored(fields)))


def delete(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """project/delete: the project and its entries are gone; its builds are still there by id."""
    project_id = checks.identifier(params, "project/id")
    project = state.project(project_id)

    del state.projects[project_id]
    entries = state.project_entries.pop(project_id, {})
    gone = [Change(f"entry:{entry_id}", entry, {}) for entry_id, entry in entries.items()]
    return Answer(), booking_of(params, Change(f"project:{project_id}", project, {}), *gone)


def archive(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """project/archive: out of sight, still there; archiving it again changes nothing."""
    return _set_archived(state, params, archived=True)


def restore(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """project/restore: a normal project again."""
    return _set_archived(state, params, archived=False)


def _set_archived(state: State, params: Record, *, archived: bool) -> tuple[Answer, Booking]:
    project_id = checks.identifier(params, "project/id")
    project = state.project(project_id)
    # The key is absent until first set, so restoring what never was archived leaves it out.
    fields = {"project/archived?": archived} if archived or "project/archived?" in project else {}
    return Answer(), booking_of(params, change_fields(f"project:{project_id}", project, fields))


OPERATIONS: dict[str, Operation] = {
    "project/get": Read(get),
    "project/all": Read(get_all),
    "project/create": Write(create),
    "project/update": Write(update),
    "project/delete": Write(delete),
    "project/archive": Write(archive),
    "project/restore": Write(restore),
}
