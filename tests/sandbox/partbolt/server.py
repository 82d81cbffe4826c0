"""The vendor over HTTP: its token, its scopes, its quota, its envelope."""

import json
from typing import Any, ClassVar, NoReturn, Unpack

from aiohttp import web

from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import Fault
from tests.sandbox.journal import Effect, Journal
from tests.sandbox.partbolt.assumptions import Assumptions
from tests.sandbox.partbolt.database import SCOPES, TABLES, Database
from tests.sandbox.partbolt.fixtures import SEEDS, Loader
from tests.sandbox.partbolt.wire import accepted, encode, made_up_error, refused
from tests.sandbox.server import Sandbox
from tests.sandbox.settings import Settings
from tests.sandbox.wire import Admitted, RefusedError, Reply

SCHEME = "PartBoltAPI"


class PartBoltSandbox(Sandbox[Assumptions]):
    """The vendor on 127.0.0.1; `url` for the client, everything else for the test."""

    operations: ClassVar = dict.fromkeys(TABLES, False)
    seeds = SEEDS
    redirect_body: ClassVar = {"status": "ok", "data": {}}

    def __init__(self, **settings: Unpack[Settings[Assumptions]]) -> None:
        super().__init__(**settings)
        self.assumptions = settings.get("assumptions", Assumptions())
        self.database = Database()
        # Nothing can be written, so only requests are ever entered.
        self.journal: Journal[Effect] = Journal(self.changes, self.clock.now_ms)
        self.load = Loader(self.database)
        self.load.load(SEEDS[settings.get("seed_fixture", "empty")])

    def operation_of(self, request: web.Request) -> str:
        return request.match_info["operation"]

    async def admit(self, exchange: Exchange) -> Admitted:
        """Check token, quota, path, method and scope, in this order; raises RefusedError."""
        request, record = exchange.request, exchange.record
        await self.read_body(exchange)
        scopes = self._scopes(request)
        self._use_quota()
        if record.operation not in TABLES:
            raise RefusedError("not_found", "")
        if request.method != "GET":
            raise RefusedError(self.assumptions.wrong_method_code, "")
        if SCOPES[record.operation] not in scopes:
            raise RefusedError("forbidden", "")
        given = request.query.getall("id", [])
        record.subjects = [f"{TABLES[record.operation]}:{code}" for code in given]
        return Admitted("", given, json.dumps(dict(request.query), ensure_ascii=False))

    def commit(self, exchange: Exchange, admitted: Admitted, _fault: Fault | None) -> Reply:
        return accepted(self.database.get(exchange.record.operation, admitted.params))

    def refused(self, error: RefusedError) -> Reply:
        return refused(error)

    def error_body(self, status: int, message: str) -> Any:
        return made_up_error(status, message)

    def encode(self, body: Any) -> bytes:
        return encode(body)

    def outcome_of(self, reply: Reply) -> str:
        return str(reply.body["error"]["code"]) if "error" in reply.body else "ok"

    def tables(self) -> dict[str, Any]:
        return vars(self.database)

    def describe_state(self) -> Any:
        return {**self.database.describe(), "clock_offset_ms": self.clock.offset_ms}

    def load_fixture(self, fixture: dict[str, Any]) -> Any:
        return self.load.load(fixture)

    def write_as(self, _user: str, _operation: str, _params: Any) -> NoReturn:
        raise RefusedError("not_found", "nothing can be written here")

    def _scopes(self, request: web.Request) -> frozenset[str]:
        """Read the one header that counts, which is not Authorization; raises RefusedError."""
        header = request.headers.get("Authentication")
        if header is None:
            raise RefusedError(self.assumptions.missing_token_code, "")
        scheme, _, token = header.partition(" ")
        if scheme != SCHEME or token not in self.database.tokens:
            raise RefusedError("token_invalid", "")
        return self.database.tokens[token]

    def _use_quota(self) -> None:
        left = self.assumptions.quota_requests
        if left is None:
            return
        if left <= 0:
            raise RefusedError("over_quota", "")
        self.assumptions.quota_requests = left - 1
