"""`/v1/commands`: asking for a command, asking what became of some, taking one back."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web
from redis.exceptions import RedisError

from producers.relays import LEDGER_SECONDS
from producers.tokens import Role
from producers.webhooks import sessions
from producers.webhooks.auth import CALLER
from producers.webhooks.body import read_object
from producers.webhooks.examples import ACCEPTED, APPLIED, COMMANDS
from producers.webhooks.middleware import REQUEST_ID
from producers.webhooks.openapi import TRACE, Answer, Body, Operation, Parameter, Route
from producers.webhooks.problems import ProblemError, malformed
from producers.webhooks.schemas import COMMAND, AcceptedCommand, ShownCommand, ShownCommands
from producers.webhooks.submissions import (
    Admissions,
    is_idempotency_key,
    ledger_away,
    not_an_idempotency_key,
    read_submission,
)
from tasks.errors import DamagedRecordError, TransitionRefusedError, UnknownCommandError
from tasks.identity import is_key
from tasks.ledger import Ledger
from tasks.records import State
from tasks.trace_context import TRACEPARENT, read_traceparent

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Keys in one question: a screen full of them.
MAX_KEYS: Final = 100
#: Looks at the ledger at once for one question; the rest of the connections are for others.
_LOOKS_AT_ONCE: Final = 16
#: The string form of RFC 9651, which draft-ietf-httpapi-idempotency-key-header asks for.
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_DAMAGED: Final = "the command is there and its record is damaged; an operator must look at it"


class Known(Protocol):
    """What is known of a command, in the ledger or on this machine's disk."""

    @property
    def key(self) -> str: ...
    @property
    def vendor(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def state(self) -> str: ...

    def public(self) -> dict[str, Any]:
        """Give what the one who submitted it may see."""


class Finds(Protocol):
    """Where commands are, besides the ledger: see `spool.Intake`."""

    async def find(self, key: str) -> Known | None:
        """Look a command up; raises DamagedRecordError where it cannot be read."""

    def withdraw(self, key: str) -> bool:
        """Take back what waits on this machine's disk; False when it does not, or the ledger may have it."""


class Cancels:
    """Cancels in the ledger of the command's vendor."""

    def __init__(self, redis: Redis, *, retention_days: float) -> None:
        self._redis = redis
        self._retention_days = retention_days

    async def cancel(self, vendor: str, key: str, by: str) -> None:
        """Cancel a command that no worker has begun; raises TransitionRefusedError otherwise."""
        await Ledger(self._redis, vendor, retention_days=self._retention_days).cancel(key, by)


class CommandRoutes:
    """The handlers."""

    def __init__(self, admissions: Admissions, intake: Finds, cancels: Cancels) -> None:
        self._admissions = admissions
        self._intake = intake
        self._cancels = cancels

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("POST", "/v1/commands", self.submit, _SUBMIT),
            ("GET", "/v1/commands", self.show_several, _SHOW_SEVERAL),
            ("GET", "/v1/commands/{key}", self.show, _SHOW),
            ("POST", "/v1/commands/{key}/cancel", self.cancel, _CANCEL),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """`POST /v1/commands`: 202 when accepted, 200 when it already was."""
        client = request[CALLER].client
        idempotency_key = _idempotency_key(request)
        fields = await read_object(request)
        if idempotency_key is not None and fields.setdefault("idempotency_key", idempotency_key) != idempotency_key:
            raise malformed("Idempotency-Key: the header and the field idempotency_key differ; send one of them")
        trace = read_traceparent(request.headers.getall(TRACEPARENT, []))
        accepted = await self._admissions.admit(
            replace(read_submission(fields, client), trace=trace), request[REQUEST_ID]
        )
        headers = {"Location": f"/v1/commands/{accepted.key}"}
        if accepted.duplicate:
            headers["Idempotency-Replayed"] = "true"
        return web.json_response(
            {
                "key": accepted.key,
                "kind": accepted.kind,
                "state": str(accepted.state),
                "duplicate": accepted.duplicate,
            },
            status=HTTPStatus.OK if accepted.duplicate else HTTPStatus.ACCEPTED,
            headers=headers,
        )

    async def show(self, request: web.Request) -> web.Response:
        """`GET /v1/commands/{key}`: what its submitter may see."""
        record = await self._find(_key_of(request))
        return web.json_response(record.public())

    async def show_several(self, request: web.Request) -> web.Response:
        """`GET /v1/commands?keys=`: the same for several, null for what is not known."""
        keys = list(dict.fromkeys(filter(None, request.query.get("keys", "").split(","))))
        if not keys or len(keys) > MAX_KEYS or not all(map(is_key, keys)):
            raise malformed(f"keys: send 1 to {MAX_KEYS} keys, each 20 characters of a-z and 2-7, with commas between")
        places = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def look(key: str) -> dict[str, Any] | None:
            async with places:
                return await self._shown(key)

        try:
            async with asyncio.timeout(LEDGER_SECONDS), asyncio.TaskGroup() as group:
                looks = {key: group.create_task(look(key)) for key in keys}
        except* (RedisError, OSError) as errors:
            raise ledger_away(errors.exceptions[0]) from errors
        return web.json_response({"commands": {key: task.result() for key, task in looks.items()}})

    async def cancel(self, request: web.Request) -> web.Response:
        """`POST /v1/commands/{key}/cancel`: taken back before a worker began it; again is the same."""
        caller = request[CALLER]
        record = await self._find(_key_of(request))
        if record.client != caller.client and not caller.is_operator:
            detail = "only the client that sent this command, or one with the role operate, may cancel it"
            raise ProblemError(HTTPStatus.FORBIDDEN, "foreign-command", detail)
        if self._intake.withdraw(record.key) and not await self._is_in_ledger(record.key):
            return web.json_response({**record.public(), "state": State.CANCELLED.value})
        if record.state != State.CANCELLED:
            await self._cancel(record, caller.client)
            record = await self._find(record.key)
        return web.json_response(record.public())

    async def _is_in_ledger(self, key: str) -> bool:
        """Tell whether a command that was taken off the disk is in the ledger too, whose answer was lost."""
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                return await self._intake.find(key) is not None
        except (RedisError, OSError, DamagedRecordError):
            return False

    async def _cancel(self, record: Known, client: str) -> None:
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                await self._cancels.cancel(record.vendor, record.key, client)
        except TransitionRefusedError as error:
            detail = f"the command is {record.state} and cannot be cancelled any more"
            raise ProblemError(HTTPStatus.CONFLICT, "too-late", detail, members={"state": record.state}) from error
        except UnknownCommandError as error:
            raise _unknown() from error
        except (RedisError, OSError) as error:
            raise ledger_away(error) from error

    async def _find(self, key: str) -> Known:
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                record = await self._intake.find(key)
        except (RedisError, OSError) as error:
            raise ledger_away(error) from error
        except DamagedRecordError as error:
            raise ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "damaged-record", _DAMAGED) from error
        if record is None:
            raise _unknown()
        return record

    async def _shown(self, key: str) -> dict[str, Any] | None:
        try:
            record = await self._intake.find(key)
        except DamagedRecordError as error:
            # one that cannot be read must not hide the others
            known = error.record
            fields = {"key": key, "vendor": known.vendor, "kind": known.kind, "state": State.HELD.value}
            return {**fields, "summary": known.summary, "reason": _DAMAGED}
        return None if record is None else record.public()


def _unknown() -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-command", "no command has this key")


def _key_of(request: web.Request) -> str:
    key = request.match_info["key"]
    if not is_key(key):
        raise malformed("the key is not 20 characters of a-z and 2-7")
    return key


def _idempotency_key(request: web.Request) -> str | None:
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    text = given[0].strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    is_half_quoted = quoted is None and text.startswith('"')
    if len(given) > 1 or is_half_quoted or not is_idempotency_key(key):
        raise not_an_idempotency_key()
    return key


_KEY: Final = Parameter(
    name="key", place="path", description="The command's key, as it was answered.", example=ACCEPTED["key"]
)
_STORED: Final = "It is stored; `Location` tells where to ask about it."
_SUBMIT: Final = Operation(
    summary="Submit a command",
    tag="commands",
    roles=(Role.SUBMIT,),
    description="Returns when the command is on disk. Send it again whenever the answer did not arrive: the same event "
    "counts once. A sender that has an id of its own for the event may give it as `Idempotency-Key`; with another "
    "command that key is refused.",
    parameters=(
        Parameter(
            name="Idempotency-Key",
            place="header",
            description="The sender's own key, bare or as a quoted string.",
            example="order-4711",
        ),
        TRACE,
    ),
    body=Body(schema=COMMAND, examples=COMMANDS),
    answers={
        202: Answer(
            description=_STORED,
            schema=AcceptedCommand,
            headers={"Location": "The path of the command."},
            example=ACCEPTED,
        ),
        200: Answer(
            description="It was stored before; nothing changed.",
            schema=AcceptedCommand,
            headers={"Location": "The path of the command.", "Idempotency-Replayed": "`true`."},
            example={**ACCEPTED, "duplicate": True},
        ),
    },
    problems={
        403: "`foreign-source`: the source is another client's.",
        422: "`invalid-command`, with every field that is wrong, or `key-reused`.",
        503: "Nothing is promised: send the same again after `Retry-After` seconds.",
    },
)
_SHOW: Final = Operation(
    summary="Ask about a command",
    tag="commands",
    roles=(Role.READ, Role.OPERATE),
    sessions=(sessions.STATION, sessions.DESK),
    parameters=(_KEY,),
    answers={200: Answer(description="What became of it.", schema=ShownCommand, example=APPLIED)},
    problems={
        400: "Not a key.",
        404: "`unknown-command`.",
        500: "`damaged-record`: for an operator.",
        503: "The ledger is away.",
    },
)
_SHOW_SEVERAL: Final = Operation(
    summary="Ask about several commands",
    tag="commands",
    roles=(Role.READ, Role.OPERATE),
    sessions=(sessions.STATION, sessions.DESK),
    parameters=(
        Parameter(
            name="keys",
            place="query",
            description=f"1 to {MAX_KEYS} keys, with commas between.",
            required=True,
            example=ACCEPTED["key"],
        ),
    ),
    answers={
        200: Answer(
            description="By key; null where none is known.",
            schema=ShownCommands,
            example={"commands": {ACCEPTED["key"]: APPLIED}},
        )
    },
    problems={400: "No key, too many, or not a key.", 503: "The ledger is away."},
)
_CANCEL: Final = Operation(
    summary="Take a command back",
    tag="commands",
    roles=(Role.SUBMIT, Role.OPERATE),
    description="Only what no worker has begun, and only by the client that sent it or an operator. Again is the same.",
    parameters=(_KEY,),
    answers={
        200: Answer(
            description="It is cancelled.",
            schema=ShownCommand,
            example={**APPLIED, "state": "cancelled", "attempts": 0},
        )
    },
    problems={
        400: "Not a key.",
        403: "`foreign-command`: another client's.",
        404: "`unknown-command`.",
        409: "`too-late`: a worker has begun it, or it has ended; `state` says which.",
        500: "`damaged-record`: for an operator.",
        503: "The ledger is away.",
    },
)
