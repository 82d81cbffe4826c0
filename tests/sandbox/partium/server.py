"""The vendor over HTTP: its key, its routes, its maintenance mode."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Unpack

from aiohttp import web

from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import Fault
from tests.sandbox.journal import Effect, Journal
from tests.sandbox.partium.assumptions import Assumptions
from tests.sandbox.partium.faults import ANSWERS, CHOICES, ITEMS, KINDS, ItemRule
from tests.sandbox.partium.fixtures import SEEDS, Loader
from tests.sandbox.partium.operations import OPERATIONS, ROUTES
from tests.sandbox.partium.state import ApiUser, Maintenance, State
from tests.sandbox.partium.vendor import Vendor, operation_named
from tests.sandbox.partium.wire import MAINTENANCE, Refusal, check_head, decode, detail, encode, refused
from tests.sandbox.server import Sandbox
from tests.sandbox.settings import Settings
from tests.sandbox.wire import Admitted, RefusedError, Reply

#: a field that no document names
UNANNOUNCED = {"revision": 7}


class PartiumSandbox(Sandbox[Assumptions]):
    """The vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    operations: ClassVar = {name: operation.writes for name, operation in OPERATIONS.items()}
    seeds = SEEDS
    redirect_body: ClassVar = {"created": [], "updated": [], "errors": {}}
    kinds = KINDS
    choices = CHOICES
    answers = ANSWERS

    def __init__(self, **settings: Unpack[Settings[Assumptions]]) -> None:
        super().__init__(**settings)
        self.assumptions = settings.get("assumptions", Assumptions())
        self.state = State(self.assumptions)
        self.journal: Journal[Effect] = Journal(self.changes, self.clock.now_ms)
        self.vendor = Vendor(self.state, self.journal)
        self.load = Loader(self.state)
        self.load.load(SEEDS[settings.get("seed_fixture", "empty")])

    def operation_of(self, request: web.Request) -> str:
        operation = ROUTES.get((request.method, request.path))
        return operation.name if operation else f"{request.method} {request.path}"

    async def admit(self, exchange: Exchange) -> Admitted:
        """Check key, route, maintenance, head and body, in this order; raises RefusedError."""
        request, record = exchange.request, exchange.record
        user = self._user(request)
        operation = ROUTES.get((request.method, request.path))
        if operation is None:
            known = any(path == request.path for _, path in ROUTES)
            raise RefusedError("method-not-allowed" if known else "not-found", "There is nothing here")
        if operation.name in user.denied:
            raise RefusedError("forbidden", "The key does not allow the operation")
        if operation.writes and self.state.maintenance.on:
            raise RefusedError("maintenance", MAINTENANCE)
        check_head(request, self.assumptions)
        body = decode(await self.read_body(exchange))
        record.subjects = operation.subjects(body)
        most_items = self.assumptions.most_items
        if most_items is not None and len(record.subjects) > most_items:
            raise RefusedError("too-large", f"More than {most_items} items")
        writes = frozenset(record.subjects) if operation.writes else frozenset()
        return Admitted(user.name, body, json.dumps(body, ensure_ascii=False), writes)

    def commit(self, exchange: Exchange, admitted: Admitted, fault: Fault | None) -> Reply:
        record = exchange.record
        rule = ItemRule.of(exchange.faults[ITEMS], record.subjects)
        operation = OPERATIONS[record.operation]
        answer = self.vendor.perform_with(fault, operation, admitted.params, admitted.user, record, rule)
        return Reply(200, self._with_news(answer) if self.assumptions.unannounced_fields else answer)

    def refused(self, error: RefusedError) -> Refusal:
        refusal = refused(error, self.assumptions)
        seconds = self.state.maintenance.retry_after_seconds
        if error.problem == "maintenance" and seconds is not None:
            refusal.headers["Retry-After"] = str(seconds)
        return refusal

    def error_body(self, _status: int, message: str) -> Any:
        return detail(message)

    def encode(self, body: Any) -> bytes:
        return encode(body)

    def outcome_of(self, reply: Reply) -> str:
        """Name the problem; a success is `ok`, or `errors` when items were refused."""
        if isinstance(reply, Refusal):
            return reply.problem
        return "errors" if isinstance(reply.body, dict) and reply.body.get("errors") else "ok"

    def tables(self) -> dict[str, Any]:
        return vars(self.state)

    def describe_state(self) -> Any:
        return self.state.describe()

    def load_fixture(self, fixture: dict[str, Any]) -> Any:
        return self.load.load(fixture)

    def write_as(self, user: str, operation: str, params: Any) -> None:
        """Let someone else write; raises RefusedError with the first error, after all the others were done."""
        played = operation_named(operation)
        played.subjects(params)
        answer = self.vendor.perform(played, params, user, foreign=True)
        for item_id, error in answer["errors"].items():
            raise RefusedError("invalid", f"{item_id}: {error}")

    def control_calls(self) -> dict[tuple[str, str], Callable[[web.Request], Awaitable[Any]]]:
        return {("POST", "/maintenance"): self._maintain, ("POST", "/catalog-status"): self._move_status}

    async def _maintain(self, request: web.Request) -> Any:
        """Switch maintenance: `{"on": true, "retry_after_seconds": 30}`."""
        self.state.maintenance = Maintenance(**await request.json())
        return vars(self.state.maintenance)

    async def _move_status(self, request: web.Request) -> Any:
        """Let the catalog go on: `{"status": "data_to_import"}`."""
        self.state.catalog_status.move((await request.json())["status"])
        return self.state.catalog_status.describe()

    def _user(self, request: web.Request) -> ApiUser:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        user = self.state.users.get(key) if scheme == "Bearer" else None
        if user is None:
            raise RefusedError("unauthorized", "Token or API key missing or unknown")
        return user

    def _with_news(self, answer: Any) -> Any:
        """Add fields that no document names to an answer and to the objects in it."""
        if isinstance(answer, list):
            return [one | UNANNOUNCED for one in answer]
        found = {"result": [one | UNANNOUNCED for one in answer["result"]]} if "result" in answer else {}
        return answer | found | UNANNOUNCED
