"""Parameters in, errors out, in the vendor's JSON."""

import json
from typing import Any

from aiohttp import web

from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.wire import RefusedError, Reply

Record = dict[str, Any]

#: the document's texts for statuses that need no names; that of 500 is used for whatever has this status
ERROR_TEXTS = {
    401: "Missing or invalid access token.",
    500: "Something went wrong. Please try again later.",
}


def text_of(params: Record, name: str) -> str:
    """Read a parameter, which is a text and mandatory; raises RefusedError."""
    value = params.get(name)
    if not isinstance(value, str):
        raise RefusedError("missing-parameter", f'Parameter ["{name}"] not found.')
    return value


def wrong_app_key(app_key: str) -> str:
    """Give the document's text for 403, which names the app key."""
    return f"Missing or invalid developer application key[{app_key}]"


async def read_parameters(request: web.Request) -> Record:
    """Read the JSON object of the body, whatever its content type; what is none has no parameters."""
    try:
        value = json.loads(await request.read() or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def refused(error: RefusedError, assumptions: Assumptions, echo: str) -> Reply:
    """Write a refusal; what is answered with 500 does not say why."""
    status = assumptions.status_of(error.problem)
    text = ERROR_TEXTS[500] if status == web.HTTPInternalServerError.status_code else str(error)
    return Reply(status, error_body(text, assumptions, echo))


def error_body(text: str, assumptions: Assumptions, echo: str) -> Record:
    """Write an error, with `echo` behind the text when errors name app key and user."""
    if assumptions.errors_echo_credentials:
        text += echo
    return {"error": {"message": text} if assumptions.errors_as_objects else text}
