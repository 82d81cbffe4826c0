"""Bodies in, answers out: JSON read strictly, refusals with a `detail`."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from aiohttp import web

from tests.sandbox.partium.assumptions import Assumptions
from tests.sandbox.wire import RefusedError, Reply

Record = dict[str, Any]

JSON_TYPE = "application/json"

#: word for word (vendors.md 3.3)
MAINTENANCE = (
    "Catalog manager is in maintenance mode - all processing is suspended and changes are currently not possible"
)


@dataclass(frozen=True)
class Refusal(Reply):
    """An answer that says no."""

    problem: str = ""


def detail(text: str) -> Record:
    """Write the body of every answer that is no success."""
    return {"detail": text}


def refused(error: RefusedError, assumptions: Assumptions) -> Refusal:
    """Wrap a refusal with the status that the assumptions give it."""
    headers = {"WWW-Authenticate": "Bearer"} if error.problem == "unauthorized" else {}
    return Refusal(assumptions.statuses[error.problem], detail(str(error)), headers, problem=error.problem)


def encode(body: Any) -> bytes:
    """Write JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def check_head(request: web.Request, assumptions: Assumptions) -> None:
    """Check length and type before the body is read; raises RefusedError."""
    if request.content_length is None:
        raise RefusedError("length-required", "Content-Length is compulsory")
    if request.content_length > assumptions.largest_body_bytes:
        raise RefusedError("too-large", "The request is too large")
    if request.content_type != JSON_TYPE:
        raise RefusedError("unsupported", f"Content-Type {request.content_type} is not supported")


def decode(body: bytes) -> Any:
    """Read JSON as its standard has it, without NaN and lone surrogates; raises RefusedError."""
    try:
        value = json.loads(body, parse_constant=_not_json)
        encode(value)
    except (ValueError, RecursionError) as error:
        raise RefusedError("invalid", "The body is not valid JSON") from error
    return value


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
