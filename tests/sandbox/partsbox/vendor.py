"""The vendor without HTTP: performs operations, keeps the journal, and lets commits go wrong on request."""

from typing import Any

from tests.sandbox.commits import commit_with
from tests.sandbox.faults import Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.journal import MARKER, Journal
from tests.sandbox.partsbox.operations import BatchRule, Caller, CommentRule, Read, every_one, verbatim
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError


class Vendor:
    """State and journal of one database; usable alone, for simulations on a virtual clock."""

    def __init__(self, state: State, journal: Journal) -> None:
        self.state = state
        self.journal = journal

    def perform(
        self,
        operation: str,
        params: Record,
        caller: Caller,
        *,
        foreign: bool = False,
        request: RequestRecord | None = None,
    ) -> Answer:
        """Do one operation and note its effect; raises RefusedError, then nothing was changed."""
        played = OPERATIONS.get(operation)
        if played is None:
            raise RefusedError("not-found", f"Operation {operation} not found")
        if isinstance(played, Read):
            return played.run(self.state, params)
        answer, booking = played.run(self.state, params, caller)
        self.journal.commit(operation, booking, caller.user, foreign=foreign, request=request)
        return answer

    def perform_with(
        self, fault: Fault | None, operation: str, params: Record, user: str, request: RequestRecord
    ) -> Answer:
        """Do one operation for a request, with a fault of the commit stage; raises RefusedError."""
        caller = Caller(user, _comment_rule(fault), _batch_rule(fault))

        def commit() -> Answer:
            return self.perform(operation, params, caller, request=request)

        def colleague(name: str) -> Answer:
            """Do the same as someone who knows no markers."""
            return self.perform(operation, _without_marker(params), Caller(name), foreign=True)

        return commit_with(fault, commit, colleague, request)


def _comment_rule(fault: Fault | None) -> CommentRule:
    if fault is not None and fault.kind == "comment_stripped":
        return lambda _leg, _text: None
    if fault is not None and fault.kind == "marker_lost_on_one_leg":
        lost = fault.options["leg"]
        return lambda leg, text: _without_marker(text) if leg == lost else text
    return verbatim


def _batch_rule(fault: Fault | None) -> BatchRule:
    if fault is not None and fault.kind == "batch_cut":
        kept = fault.options["kept"]
        return lambda position: position <= kept
    if fault is not None and fault.kind == "batch_gap":
        left_out = fault.options["position"]
        return lambda position: position != left_out
    return every_one


def _without_marker(value: Any) -> Any:
    """Remove markers from every text in a JSON value."""
    if isinstance(value, str):
        return MARKER.sub("", value).rstrip()
    if isinstance(value, dict):
        return {name: _without_marker(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_marker(inner) for inner in value]
    return value
