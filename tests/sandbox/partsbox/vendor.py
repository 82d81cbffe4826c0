"""The vendor without HTTP: performs operations, keeps the journal, and lets commits go wrong on request."""

from typing import Any

from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.faults import BEFORE_COMMIT, Fault
from tests.sandbox.partsbox.journal import MARKER, Journal, RequestRecord
from tests.sandbox.partsbox.operations import Caller, CommentRule, Read, verbatim
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
        if fault is None:
            return self.perform(operation, params, Caller(user), request=request)
        if fault.kind == "second_writer":
            return self._beside_second_writer(fault, operation, params, user, request)
        answer = self.perform(operation, params, Caller(user, _comment_rule(fault)), request=request)
        if fault.kind == "duplicate_commit":
            try:
                self.perform(operation, params, Caller(user), request=request)
            except RefusedError:
                request.faults.append("the second commit was refused")
        return answer

    def parts_written(self, operation: str, params: Record) -> set[str]:
        """Name the parts whose history a request is about to change, as far as it tells."""
        if isinstance(OPERATIONS.get(operation, Read(_nothing)), Read):
            return set()
        source = params.get("stock/source")
        named = {params.get("stock/part-id"), source.get("source/part-id") if isinstance(source, dict) else None}
        if operation == "order/receive":
            given = params.get("stock-entries")
            wanted = {e.get("stock/id") for e in given if isinstance(e, dict)} if isinstance(given, list) else None
            lines = self.state.order_entries.get(str(params.get("order/id")), [])
            named |= {line.part_id for line in lines if line.status and (wanted is None or line.stock_id in wanted)}
        return {part_id for part_id in named if isinstance(part_id, str)}

    def _beside_second_writer(
        self, fault: Fault, operation: str, params: Record, user: str, request: RequestRecord
    ) -> Answer:
        """Let a colleague, who knows no markers, do the same just before or after."""
        if fault.options["place"] == BEFORE_COMMIT:
            self._colleague(fault, operation, params, request)
            return self.perform(operation, params, Caller(user), request=request)
        answer = self.perform(operation, params, Caller(user), request=request)
        self._colleague(fault, operation, params, request)
        return answer

    def _colleague(self, fault: Fault, operation: str, params: Record, request: RequestRecord) -> None:
        try:
            self.perform(operation, _without_marker(params), Caller(fault.options["user"]), foreign=True)
        except RefusedError:
            request.faults.append("the second writer was refused")


def _comment_rule(fault: Fault) -> CommentRule:
    if fault.kind == "comment_stripped":
        return lambda _leg, _text: None
    if fault.kind == "marker_lost_on_one_leg":
        lost = fault.options["leg"]
        return lambda leg, text: _without_marker(text) if leg == lost else text
    return verbatim


def _without_marker(value: Any) -> Any:
    """Remove markers from every text in a JSON value."""
    if isinstance(value, str):
        return MARKER.sub("", value).rstrip()
    if isinstance(value, dict):
        return {name: _without_marker(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_marker(inner) for inner in value]
    return value


def _nothing(_state: State, _params: Record) -> Answer:
    return Answer()
