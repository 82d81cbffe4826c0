"""What happens to every request: it gets an id, and every failure becomes a problem document."""

from __future__ import annotations

import logging
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from producers.webhooks.problems import ProblemError, malformed, problem_of, response_to
from tasks.telemetry import REQUEST_FAILED, REQUEST_REFUSED

if TYPE_CHECKING:
    from producers.webhooks.openapi import Handler

#: The id of a request in answers and logs.
REQUEST_ID: Final = web.RequestKey("request_id", str)
#: What a client may choose as its request id; anything else gets one of ours.
_CHOSEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: Of an id of ours: as many as of a UUID.
_ID_BYTES: Final = 16
#: A path may be 8 KiB of noise.
_LOGGED_PATH: Final = 200

logger = logging.getLogger(__name__)


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id and every failure a problem document."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _CHOSEN_ID.fullmatch(given) else secrets.token_hex(_ID_BYTES)
    request[REQUEST_ID] = request_id
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
    if not response.prepared:
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
    logger.log(level, REQUEST_REFUSED, extra={**fields, "request_id": request[REQUEST_ID]})
    return response_to(error, request[REQUEST_ID])
