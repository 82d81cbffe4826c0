"""The vendor without HTTP: performs operations item by item and keeps the journal."""

from typing import Any

from tests.sandbox.commits import commit_with
from tests.sandbox.faults import Fault
from tests.sandbox.journal import Effect, Journal, RequestRecord
from tests.sandbox.partium import checks
from tests.sandbox.partium.faults import ItemRule
from tests.sandbox.partium.operations import DELETE, LIST, OPERATIONS, UPSERT, Operation
from tests.sandbox.partium.state import State
from tests.sandbox.partium.wire import Record
from tests.sandbox.wire import RefusedError

#: what a second writer puts behind the names that the client sent, so that a lost update shows
COLLEAGUE_MARK = " (colleague)"


class Vendor:
    """State and journal of one catalog; usable alone, for simulations on a virtual clock."""

    def __init__(self, state: State, journal: Journal[Effect]) -> None:
        self.state = state
        self.journal = journal

    def perform(
        self,
        operation: Operation,
        body: Any,
        user: str,
        *,
        foreign: bool = False,
        request: RequestRecord | None = None,
        rule: ItemRule | None = None,
    ) -> Any:
        """Do one operation whose form was checked, and give the answer; raises RefusedError for a wrong cursor."""
        if not operation.writes:
            return self._read(operation, body)
        writing = Writing(self, operation, user, foreign=foreign, request=request, rule=rule)
        for item in body:
            writing.take(item)
        return writing.answer

    def perform_with(
        self, fault: Fault | None, operation: Operation, body: Any, user: str, request: RequestRecord,
        rule: ItemRule | None = None,
    ) -> Any:  # fmt: skip
        """Do one operation for a request, with a fault of the commit stage and one for an item."""

        def commit() -> Any:
            return self.perform(operation, body, user, request=request, rule=rule)

        def colleague(name: str) -> Any:
            """Write the same things with other names."""
            return self.perform(operation, _renamed(body), name, foreign=True)

        return commit_with(fault, commit, colleague, request)

    def _read(self, operation: Operation, body: Record) -> Any:
        shelf = operation.noun.shelf(self.state)
        names = checks.projection(body, operation.noun.fields)
        if operation.verb == LIST:
            return shelf.page(checks.page(body), names, checks.parent_ids(body), self.state.assumptions.largest_page)
        return shelf.select(body[f"{operation.noun.id_name}s"], names)


class Writing:
    """One request that writes, item after item; each is done or is among the errors."""

    def __init__(
        self,
        vendor: Vendor,
        operation: Operation,
        user: str,
        *,
        foreign: bool,
        request: RequestRecord | None,
        rule: ItemRule | None,
    ) -> None:
        self.answer: Record = {"created": [], "updated": [], "errors": {}}
        if operation.verb == DELETE:
            self.answer = {"deleted": [], "errors": {}}
        self._state = vendor.state
        self._journal = vendor.journal
        self._operation = operation
        self._shelf = operation.noun.shelf(vendor.state)
        self._user = user
        self._foreign = foreign
        self._request = request
        self._rule = rule

    def take(self, item: Any) -> None:
        """Do one item, an object or an id, or note why not."""
        item_id = item[self._operation.noun.id_name] if self._operation.verb == UPSERT else item
        rule = self._rule if self._rule and self._rule.item_id == item_id else None
        done = None
        try:
            if rule is None or rule.commits:
                done = self._store(item) if self._operation.verb == UPSERT else self._delete(item_id)
        except RefusedError as error:
            self._fail(item_id, str(error))
            return
        if rule is not None and rule.message is not None:
            self._fail(item_id, rule.message)
        elif rule is None and done is not None:
            self.answer[done].append(item_id)

    def _store(self, item: Record) -> str:
        noun = self._operation.noun
        noun.check(self._state, item)
        before = self._shelf.get(item[noun.id_name])
        done = "created" if self._shelf.put(item) else "updated"
        self._note(item[noun.id_name], done, before)
        return done

    def _delete(self, item_id: str) -> str | None:
        """Delete one object; gives nothing when there is none and the assumptions keep silent about it."""
        before = self._shelf.get(item_id)
        if before is None:
            if self._state.assumptions.missing_ids_are_errors:
                raise RefusedError("invalid", f"{item_id} does not exist")
            return None
        self._operation.noun.check_unused(self._state, item_id)
        self._shelf.remove(item_id)
        self._note(item_id, "deleted", before)
        return "deleted"

    def _note(self, item_id: str, done: str, before: Record | None) -> None:
        effect = Effect(
            operation=self._operation.name,
            user=self._user,
            foreign=self._foreign,
            subjects=(item_id,),
            details={"done": done, "before": before, "after": self._shelf.get(item_id)},
        )
        self._journal.enter(effect, self._request)
        self._state.catalog_status.wrote(item_id)

    def _fail(self, item_id: str, message: str) -> None:
        self.answer["errors"][item_id] = self._state.assumptions.error_value(message)


def operation_named(name: str) -> Operation:
    """Find an operation; raises RefusedError."""
    if name not in OPERATIONS:
        raise RefusedError("not-found", f"Operation {name} not found")
    return OPERATIONS[name]


def _renamed(body: list[Any]) -> list[Any]:
    """Put the colleague's mark behind every name; ids stay as they are."""
    return [
        {**item, "name": {language: text + COLLEAGUE_MARK for language, text in item["name"].items()}}
        if isinstance(item, dict) and isinstance(item.get("name"), dict)
        else item
        for item in body
    ]
