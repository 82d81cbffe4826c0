"""The routes: asking for a command, asking what became of it, health. What each answers, and nothing of how it runs."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web
from redis.exceptions import OutOfMemoryError, RedisError

from producers.webhooks.body import MAX_BODY_BYTES, read_object
from producers.webhooks.problems import ProblemError, invalid, malformed, problem_of, response_to, unavailable
from tasks.errors import DamagedRecordError, KeyReusedError
from tasks.identity import is_key
from tasks.registry import InvalidCommandError, Problem, parse_command, submittable_kinds
from tasks.telemetry import COMMAND_ACCEPTED, LEDGER_UNREACHABLE, REQUEST_FAILED, REQUEST_REFUSED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from producers.webhooks.auth import Clients
    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tasks.submit import Accepted

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Redis answers in milliseconds; one that does not must not make a station wait.
LEDGER_SECONDS: Final = 4.0
#: What a client may choose as its request id; anything else gets one of ours.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_VISIBLE: Final = re.compile(r"[!-~]{1,255}")
#: The string form of RFC 9651, which draft-ietf-httpapi-idempotency-key-header asks for.
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_REQUEST_ID_KEY: Final = web.RequestKey("request_id", str)
#: A path may be 8 KiB of noise.
_LOGGED_PATH: Final = 200

logger = logging.getLogger(__name__)


class Submits(Protocol):
    """What the routes need of the ledger."""

    async def submit(self, command: Command, *, idempotency_key: str | None = None, client: str = "api") -> Accepted:
        """Accept a command durably, once."""

    async def find(self, key: str) -> CommandRecord | None:
        """Look a command up."""


class Reports(Protocol):
    """What the routes need to tell readiness."""

    async def require_durable(self) -> None:
        """Return when what is accepted now would be kept; else raise a ProblemError, or Redis' own error."""

    async def check(self) -> dict[str, Any]:
        """Give a report, or raise a ProblemError."""


class Routes:
    """The handlers."""

    def __init__(self, clients: Clients, ledger: Submits, readiness: Reports) -> None:
        self._clients = clients
        self._ledger = ledger
        self._readiness = readiness

    async def submit(self, request: web.Request) -> web.Response:
        """`POST /v1/commands`: 202 when accepted, 200 when it already was."""
        client = self._clients.authenticate(request.headers.get("Authorization"))
        idempotency_key = _idempotency_key(request)
        command = _command_from(await read_object(request), client)
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                await self._readiness.require_durable()
                accepted = await self._ledger.submit(command, idempotency_key=idempotency_key, client=client)
        except InvalidCommandError as error:
            raise invalid(error.problems) from error
        except KeyReusedError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", str(error)) from error
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise _ledger_away(error) from error
        fields = {"key": accepted.key, "kind": accepted.kind, "duplicate": accepted.duplicate}
        logger.info(COMMAND_ACCEPTED, extra={**fields, "client": client, "request_id": request[_REQUEST_ID_KEY]})
        headers = {"Location": f"/v1/commands/{accepted.key}"}
        if accepted.duplicate:
            headers["Idempotency-Replayed"] = "true"
        status = HTTPStatus.OK if accepted.duplicate else HTTPStatus.ACCEPTED
        return web.json_response({**fields, "state": str(accepted.state)}, status=status, headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /v1/commands/{key}`: what its submitter may see."""
        self._clients.authenticate(request.headers.get("Authorization"))
        key = request.match_info["key"]
        if not is_key(key):
            raise malformed("the key is not 20 characters of a-z and 2-7")
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                record = await self._ledger.find(key)
        except (RedisError, OSError) as error:
            raise _ledger_away(error) from error
        except DamagedRecordError as error:
            detail = "the command is there and its record is damaged; an operator must look at it"
            raise ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "damaged-record", detail) from error
        if record is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-command", "no command has this key")
        return web.json_response(record.public())

    async def healthz(self, _: web.Request) -> web.Response:
        """`GET /healthz`: the event loop of this process turns."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _: web.Request) -> web.Response:
        """`GET /readyz`: commands sent here would be accepted and kept."""
        return web.json_response(await self._readiness.check())


def create_app(clients: Clients, ledger: Submits, readiness: Reports) -> web.Application:
    """Build the application; nothing is opened."""
    routes = Routes(clients, ledger, readiness)
    app = web.Application(middlewares=[_answer_problems], client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/commands", routes.submit)
    app.router.add_get("/v1/commands/{key}", routes.show)
    app.router.add_get("/healthz", routes.healthz)
    app.router.add_get("/readyz", routes.readyz)
    return app


@web.middleware
async def _answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id and every failure a problem document."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    request[_REQUEST_ID_KEY] = request_id
    try:
        response = await handler(request)
    except ProblemError as error:
        response = _refused(request, error)
    except web.HTTPException as error:
        response = _refused(request, problem_of(error))
    except (web.RequestPayloadError, ConnectionError):
        response = _refused(request, malformed("the body broke off"))
    except Exception:
        logger.exception(REQUEST_FAILED, extra={"path": request.path[:_LOGGED_PATH], "request_id": request_id})
        failed = ProblemError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal-error",
            "the server failed; the same request may be sent again",
            close=True,
        )
        response = response_to(failed, request_id)
    response.headers["X-Request-ID"] = request_id
    return response


def _refused(request: web.Request, error: ProblemError) -> web.Response:
    level = logging.WARNING if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    fields = {
        "status": error.status.value,
        "code": error.code,
        "detail": error.detail,
        "path": request.path[:_LOGGED_PATH],
    }
    logger.log(level, REQUEST_REFUSED, extra={**fields, "request_id": request[_REQUEST_ID_KEY]})
    return response_to(error, request[_REQUEST_ID_KEY])


def _command_from(fields: dict[str, Any], client: str) -> Command:
    kind = fields.pop("kind", None)
    if not isinstance(kind, str):
        message = f"missing or not a string; send one of {', '.join(submittable_kinds())}"
        raise invalid([Problem("kind", "null", message)])
    source = fields.setdefault("source", client)
    if isinstance(source, str) and source != client:
        detail = f"source: this token may only ask as {client}"
        raise ProblemError(HTTPStatus.FORBIDDEN, "foreign-source", detail)
    try:
        return parse_command(kind, fields)
    except InvalidCommandError as error:
        raise invalid(error.problems) from error


def _idempotency_key(request: web.Request) -> str | None:
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    text = given[0].strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    is_half_quoted = quoted is None and text.startswith('"')
    if len(given) > 1 or is_half_quoted or _VISIBLE.fullmatch(key) is None:
        raise malformed("Idempotency-Key: send one, of 1 to 255 visible ASCII characters")
    return key


def _ledger_away(error: Exception) -> ProblemError:
    logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
    if isinstance(error, OutOfMemoryError):
        return unavailable("Redis is full and stores nothing more; once it has room, send the same request again")
    return unavailable("the ledger does not answer; send the same request again, it counts once")
