"""build/… and project/get-builds: what was built; builds are made in the vendor's own interface."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record


def get(state: State, params: Record) -> Answer:
    """build/get: one build without its entries."""
    return Answer(dict(state.build(checks.identifier(params, "build/id"))))


def get_builds(state: State, params: Record) -> Answer:
    """project/get-builds: every build of a project."""
    project_id = checks.identifier(params, "project/id")
    state.project(project_id)
    return Answer([dict(build) for build in state.builds.values() if build["build/project-id"] == project_id])


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """build/update: set the comments, which must be sent and may be empty."""
    build_id = checks.identifier(params, "build/id")
    fields = {"build/comments": checks.text(params, "build/comments")}
    build = state.build(build_id)

    return Answer(), booking_of(params, change_fields(f"build:{build_id}", build, caller.stored(fields)))


OPERATIONS: dict[str, Operation] = {
    "build/get": Read(get),
    "project/get-builds": Read(get_builds),
    "build/update": Write(update),
}
