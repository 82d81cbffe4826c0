"""The server's connections: a deadline for the request head, a cap on their number, problem+json for broken HTTP."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from producers.webhooks.problems import ProblemError, problem_of, response_to
from tasks.telemetry import CONNECTION_REFUSED, REQUEST_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest

#: For the request head on a new or idle connection (aiohttp's own default is an hour); then the body has its own time.
HEADER_SECONDS: Final = 5.0
#: How long a refused body is read on, so that the client sees the answer instead of a reset.
LINGER_SECONDS: Final = 2.0
#: Below the usual limit of 1,024 open files, with room for Redis and logs.
MAX_CONNECTIONS: Final = 500

logger = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """One client connection."""

    __slots__ = ()

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what the framework refused before a handler saw it becomes a problem document."""
        if isinstance(resp, web.HTTPException):
            resp = response_to(problem_of(resp), "")
        # The default would name the versions of Python and the framework.
        resp.headers["Server"] = "stockrelay"
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  the framework passes it
    ) -> web.StreamResponse:
        """Answer what is not HTTP without a traceback for each such request, and a failure of ours with one."""
        found = HTTPStatus(status)
        if found is HTTPStatus.BAD_REQUEST:
            logger.info(CONNECTION_REFUSED, extra={"remote": request.remote, "error": type(exc).__name__})
            detail = "the request is not valid HTTP"
        else:
            logger.error(REQUEST_FAILED, exc_info=exc, extra={"remote": request.remote})
            detail = "the server failed; the same request may be sent again"
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        code = found.phrase.lower().replace(" ", "-")
        return response_to(ProblemError(found, code, detail, close=True), "")


class _Full(asyncio.Protocol):
    """A connection beyond the cap, closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def connection_factory(server: web.Server, *, max_connections: int = MAX_CONNECTIONS) -> Callable[[], asyncio.Protocol]:
    """Give what the event loop calls for each new connection."""
    options: dict[str, Any] = {
        "loop": asyncio.get_running_loop(),
        "keepalive_timeout": HEADER_SECONDS,
        "lingering_time": LINGER_SECONDS,
        "access_log": None,
        "auto_decompress": False,
    }

    def connect() -> asyncio.Protocol:
        if len(server.connections) >= max_connections:
            return _Full()
        return Connection(server, **options)

    return connect
