"""The vendor over HTTP: its app key and token, its five requests at a time, its errors."""

import json
from http import HTTPStatus
from typing import Any, ClassVar, Unpack

from aiohttp import web

from tests.sandbox.commits import commit_with
from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.openbom.accounts import Accounts
from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.openbom.control import Call, calls
from tests.sandbox.openbom.faults import CHOICES, KINDS
from tests.sandbox.openbom.fixtures import SEEDS, Loader
from tests.sandbox.openbom.journal import Journal, subject_of
from tests.sandbox.openbom.operations import DOCUMENT_KINDS, OPERATIONS, find
from tests.sandbox.openbom.queued import QueuedWrites
from tests.sandbox.openbom.vendor import UPDATED, Vendor
from tests.sandbox.openbom.wire import ERROR_TEXTS, Record, error_body, read_parameters, refused, wrong_app_key
from tests.sandbox.server import Sandbox
from tests.sandbox.settings import Settings
from tests.sandbox.wire import Admitted, RefusedError, Reply

#: invented, as the document shows no 202
QUEUED = {"message": "request accepted."}


class OpenBomSandbox(Sandbox[Assumptions]):
    """The vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    operations: ClassVar = {name: operation.writes for name, operation in OPERATIONS.items()}
    seeds = SEEDS
    redirect_body = UPDATED
    kinds = KINDS
    choices = CHOICES

    def __init__(self, **settings: Unpack[Settings[Assumptions]]) -> None:
        super().__init__(**settings)
        self.assumptions = settings.get("assumptions", Assumptions())
        self.accounts = Accounts(self.clock, self.assumptions, settings.get("seed"))
        self.journal: Journal = Journal(self.changes, self.clock.now_ms)
        self.vendor = Vendor(self.clock, self.assumptions, self.accounts, self.journal)
        self.queued = QueuedWrites()
        self.load = Loader(self.vendor)
        self.load.load(SEEDS[settings.get("seed_fixture", "empty")])

    def operation_of(self, request: web.Request) -> str:
        return find(request.match_info["operation"])[0]

    async def admit(self, exchange: Exchange) -> Admitted:
        """Check https, the number of requests, app key, path and token, in this order; raises RefusedError."""
        request, record = exchange.request, exchange.record
        self._check_transport(request)
        self._check_concurrency(record)
        await self.read_body(exchange)
        app_key = self.accounts.check_app_key(request.headers.get("X-OpenBOM-AppKey"))
        operation, document_id = find(request.match_info["operation"])
        if operation not in OPERATIONS:
            raise RefusedError("unknown-path", "Resource not found")
        if request.method != OPERATIONS[operation].method:
            raise RefusedError("wrong-method", "Method not allowed")
        params = {**await read_parameters(request), "id": document_id}
        token = request.headers.get("X-OpenBOM-AccessToken")
        user = app_key if operation == "login" else self.accounts.check_token(app_key, token)
        record.subjects = _subjects(operation, params)
        writes = frozenset(record.subjects) if OPERATIONS[operation].writes else frozenset()
        return Admitted(user, params, json.dumps(params, ensure_ascii=False), writes)

    def commit(self, exchange: Exchange, admitted: Admitted, fault: Fault | None) -> Reply:
        record, params = exchange.record, admitted.params
        operation = record.operation
        if operation == "login":
            return Reply(200, self.accounts.login(admitted.user, params))
        if not OPERATIONS[operation].writes:
            return Reply(200, self.vendor.read(operation, params))
        if fault is not None and fault.kind == "queued":
            delay_seconds = fault.options["delay_seconds"] if fault.options["until"] == "delay" else None
            self.queued.put(lambda: self._commit_queued(record, params, admitted.user), delay_seconds)
            return Reply(202, QUEUED)
        colleagues = {**params, "propertyValue": fault.options["value"]} if fault and "value" in fault.options else {}
        answer = commit_with(
            fault,
            lambda: self.vendor.write(operation, params, admitted.user, request=record),
            lambda user: self.write_as(user, operation, colleagues),
            record,
        )
        return Reply(200, answer)

    def refused(self, error: RefusedError) -> Reply:
        if error.problem == "http":
            return Reply(HTTPStatus.MOVED_PERMANENTLY, {}, {"Location": str(error)})
        return refused(error, self.assumptions, self._echo())

    def error_body(self, status: int, message: str) -> Any:
        text = ERROR_TEXTS.get(status, message)
        if status == HTTPStatus.FORBIDDEN:
            text = wrong_app_key(",".join(self.accounts.owners))
        return error_body(text, self.assumptions, self._echo())

    def encode(self, body: Any) -> bytes:
        return json.dumps(body, ensure_ascii=False).encode()

    def outcome_of(self, reply: Reply) -> str:
        return {200: "ok", 202: "queued"}.get(reply.status, "error")

    def tables(self) -> dict[str, Any]:
        return self.vendor.documents

    def describe_state(self) -> Any:
        return {**self.vendor.describe(), "queued_writes": len(self.queued)}

    def load_fixture(self, fixture: dict[str, Any]) -> Any:
        return self.load.load(fixture)

    def write_as(self, user: str, operation: str, params: Any) -> None:
        self.vendor.write(operation, params, user, foreign=True)

    def control_calls(self) -> dict[tuple[str, str], Call]:
        return calls(self)

    def _check_transport(self, request: web.Request) -> None:
        if self.assumptions.redirect_http and request.headers.get("X-Forwarded-Proto") != "https":
            raise RefusedError("http", f"https://{request.host}{request.path_qs}")

    def _check_concurrency(self, record: RequestRecord) -> None:
        if self.limits.in_flight > self.assumptions.max_concurrent_requests:
            self.limits.broken("vendor-concurrency", record.seq, self.limits.in_flight)
            raise RefusedError("too-many-requests", "Too many concurrent requests")

    def _commit_queued(self, record: RequestRecord, params: Record, user: str) -> None:
        try:
            self.vendor.write(record.operation, params, user, request=record)
        except RefusedError:
            record.faults.append("the queued write was dropped")

    def _echo(self) -> str:
        """Name every app key and user, as the vendor's error texts do."""
        return "".join(f" app_key[{key}] user[{email}]" for key, email in self.accounts.owners.items())


def _subjects(operation: str, params: Record) -> list[str]:
    """Name the row that a write is about, as far as it tells, or the document that is read."""
    kind = DOCUMENT_KINDS.get(operation)
    if kind is None:
        return []
    if OPERATIONS[operation].writes:
        return [subject_of(kind, params["id"], str(params.get("partNumber")))]
    return [f"{kind}:{params['id']}"]
