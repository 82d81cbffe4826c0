"""The vendor over HTTP: its key, its parameters, its envelope."""

import json
from typing import Any, ClassVar, Unpack

from aiohttp import web

from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import Fault
from tests.sandbox.partsbox.assumptions import Assumptions
from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.faults import ANSWERS, CHOICES, KINDS
from tests.sandbox.partsbox.fixtures import SEEDS
from tests.sandbox.partsbox.journal import Journal, marker_in
from tests.sandbox.partsbox.loader import Loader
from tests.sandbox.partsbox.operations import Caller, Read, Write
from tests.sandbox.partsbox.state import ApiUser, State
from tests.sandbox.partsbox.subjects import subjects_of
from tests.sandbox.partsbox.vendor import Vendor
from tests.sandbox.partsbox.wire import CATEGORY, MESSAGE, accepted, encode, read_parameters, refused
from tests.sandbox.server import Sandbox
from tests.sandbox.settings import Settings
from tests.sandbox.wire import Admitted, RefusedError, Reply

#: who calls what asks for no key
PUBLIC = ApiUser("nobody")


class PartsBoxSandbox(Sandbox[Assumptions]):
    """The vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    base_path = "/api/1"
    operations: ClassVar = {name: isinstance(operation, Write) for name, operation in OPERATIONS.items()}
    seeds = SEEDS
    redirect_body: ClassVar = {CATEGORY: "ok", MESSAGE: "OK"}
    kinds = KINDS
    choices = CHOICES
    answers = ANSWERS

    def __init__(self, **settings: Unpack[Settings[Assumptions]]) -> None:
        super().__init__(**settings)
        self.assumptions = settings.get("assumptions", Assumptions())
        self.state = State(assumptions=self.assumptions, now_ms=self.clock.now_ms, seed=settings.get("seed"))
        self.journal: Journal = Journal(self.changes, self.state.now_ms)
        self.vendor = Vendor(self.state, self.journal)
        self.load = Loader(self.state)
        self.load.load(SEEDS[settings.get("seed_fixture", "empty")])

    def operation_of(self, request: web.Request) -> str:
        return request.match_info["operation"]

    async def admit(self, exchange: Exchange) -> Admitted:
        """Check method, key, parameters and role; raises RefusedError."""
        request, record = exchange.request, exchange.record
        if request.method not in ("GET", "POST"):
            raise RefusedError("method-not-allowed", "Use GET or POST")
        await self.read_body(exchange)
        played = OPERATIONS.get(record.operation)
        user = PUBLIC if isinstance(played, Read) and played.public else self._user(request)
        if user is None:
            raise RefusedError("unauthorized", "API key missing or unknown")
        params = await read_parameters(request)
        text = json.dumps(params, ensure_ascii=False)
        record.marker = marker_in(text)
        record.subjects = sorted(subjects_of(self.state, record.operation, params))
        if played is None:
            raise RefusedError("not-found", f"Operation {record.operation} not found")
        if record.operation in user.denied:
            raise RefusedError("forbidden", "The role of this user does not allow the operation")
        writes = frozenset(record.subjects) if self.operations[record.operation] else frozenset()
        return Admitted(user.name, params, text, writes)

    def commit(self, exchange: Exchange, admitted: Admitted, fault: Fault | None) -> Reply:
        record = exchange.record
        answer = self.vendor.perform_with(fault, record.operation, admitted.params, admitted.user, record)
        return accepted(answer, self.assumptions)

    def refused(self, error: RefusedError) -> Reply:
        return refused(error, self.assumptions)

    def error_body(self, _status: int, message: str) -> Any:
        return {CATEGORY: "error", MESSAGE: message}

    def encode(self, body: Any) -> bytes:
        return encode(body)

    def outcome_of(self, reply: Reply) -> str:
        return str(reply.body[CATEGORY]) if isinstance(reply.body, dict) else "ok"

    def load_fixture(self, fixture: dict[str, Any]) -> Any:
        return self.load.load(fixture)

    def write_as(self, user: str, operation: str, params: Any) -> None:
        self.vendor.perform(operation, params, Caller(user), foreign=True)

    def tables(self) -> dict[str, Any]:
        return vars(self.state)

    def describe_state(self) -> Any:
        state = self.state
        return {
            "parts": list(state.parts.values()),
            "storages": list(state.storages.values()),
            "lots": list(state.lots.values()),
            "orders": list(state.orders.values()),
            "projects": list(state.projects.values()),
            "project_entries": {project: list(entries.values()) for project, entries in state.project_entries.items()},
            "builds": list(state.builds.values()),
            "build_entries": {build: list(entries.values()) for build, entries in state.build_entries.items()},
            "history": {part_id: [e.describe() for e in entries] for part_id, entries in state.history.items()},
            "on_hand": [
                {"part_id": part, "storage_id": storage, "lot_id": lot, "quantity": quantity}
                for part, storage, lot, quantity in state.balances()
            ],
            "lot_control": state.lot_control,
            "unique_part_names": state.unique_part_names,
            "clock_offset_ms": self.clock.offset_ms,
        }

    def _user(self, request: web.Request) -> ApiUser | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return self.state.users.get(key) if scheme == "APIKey" else None
