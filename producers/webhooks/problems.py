"""Every refusal as `application/problem+json` (RFC 9457): one constructor, one table, one mapping of exceptions."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.registry import Problem

CONTENT_TYPE: Final = "application/problem+json"
#: A URN, since a problem's name must not depend on where the documents are published.
_TYPE_PREFIX: Final = "urn:stockrelay:problem:"
#: A relay that lost Redis is usually back after a restart of it.
RETRY_AFTER_SECONDS: Final = 5


class ProblemError(Exception):
    """A request that is answered with a problem document.

    `code` is the stable word clients decide by; `errors` name fields, `members` extend the document. Set `close` when
    the body was not read.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(f"{status.value} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        self.close = close


def document_of(error: ProblemError) -> dict[str, Any]:
    """Write the problem document (RFC 9457)."""
    document: dict[str, Any] = {
        **error.members,
        "type": _TYPE_PREFIX + error.code,
        "title": error.status.phrase,
        "status": error.status.value,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        document["errors"] = [
            {"field": found.field, "value": found.value, "message": found.message} for found in error.errors
        ]
    return document


def response_to(error: ProblemError, request_id: str) -> web.Response:
    """Build the answer; the id is empty for a request that never reached a route."""
    document = document_of(error)
    if request_id:
        document["request_id"] = request_id
    response = web.Response(
        status=error.status.value,
        body=json.dumps(document).encode(),
        content_type=CONTENT_TYPE,
        headers=error.headers,
    )
    # who comes back when it is asked to would meet the end of an idle connection
    if error.close or error.status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.force_close()
    return response


def problem_of(error: web.HTTPException) -> ProblemError:
    """Translate what the web framework raised: unknown path, method not allowed, body too large, …."""
    status = HTTPStatus(error.status)
    # The framework's own fields (Allow) matter to the client; those about its text body do not.
    headers = {name: value for name, value in error.headers.items() if name in ("Allow", "Location")}
    code = status.phrase.lower().replace(" ", "-")
    details = {
        HTTPStatus.NOT_FOUND: "there is nothing under this path",
        HTTPStatus.METHOD_NOT_ALLOWED: f"this path takes {headers.get('Allow', 'another method')}",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is larger than this server accepts",
    }
    return ProblemError(
        status, code, details.get(status, status.description or status.phrase), headers=headers, close=True
    )


def unavailable(detail: str) -> ProblemError:
    """Say that the same request may be sent again soon."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


def malformed(detail: str) -> ProblemError:
    """Say that the request cannot be read."""
    return ProblemError(HTTPStatus.BAD_REQUEST, "malformed", detail)


def invalid(problems: Sequence[Problem]) -> ProblemError:
    """Say that the request can be read but is no command, naming every field at fault."""
    named = ", ".join(dict.fromkeys(problem.field for problem in problems))
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-command", f"not a valid command: see {named}", errors=problems
    )
