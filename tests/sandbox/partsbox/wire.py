"""Requests in, envelopes out: the vendor's parameter precedence and its JSON with escaped slashes."""

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from aiohttp import web

from tests.sandbox.partsbox.assumptions import Assumptions
from tests.sandbox.wire import RefusedError, Reply

__all__ = [
    "CATEGORY",
    "MESSAGE",
    "Answer",
    "Record",
    "RefusedError",
    "Reply",
    "accepted",
    "encode",
    "read_parameters",
    "refused",
]

Record = dict[str, Any]

CATEGORY = "partsbox.status/category"
MESSAGE = "partsbox.status/message"

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass
class Answer:
    """What an operation gives back besides the status: `data`, and keys beside it, or an image instead of all."""

    data: Any = None
    beside: Record = field(default_factory=dict)
    #: a PNG
    image: bytes | None = None


def accepted(answer: Answer, assumptions: Assumptions) -> Reply:
    """Wrap a success; the order on the wire is category, message, the rest (vendors.md 2.1); an image comes bare."""
    if answer.image is not None:
        return Reply(200, answer.image, content_type="image/png")
    body: Record = {CATEGORY: assumptions.category_prefix + "ok", MESSAGE: "OK", **answer.beside}
    if answer.data is not None:
        body["data"] = answer.data
    return Reply(200, body)


def refused(error: RefusedError, assumptions: Assumptions) -> Reply:
    """Wrap a refusal with the status that the assumptions give it."""
    body = {CATEGORY: assumptions.category_prefix + error.problem, MESSAGE: str(error)}
    return Reply(assumptions.status_of(error.problem), body)


def encode(body: Record | bytes) -> bytes:
    r"""Write JSON as the vendor does, with `\/` for every slash; an image is written as it is."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).replace("/", r"\/").encode()


async def read_parameters(request: web.Request) -> Record:
    """Merge form, multipart or JSON body with the query, which overrides the body; raises RefusedError."""
    parameters: Record = {}
    if request.content_type in FORM_TYPES:
        parameters.update({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    elif body := await request.read():
        if request.content_type != "application/json":
            raise RefusedError("invalid", f"content type {request.content_type} is not understood")
        parameters.update(_json_object(body))
    parameters.update(request.query)
    if parameters.pop("mode", "json") != "json":
        raise RefusedError("invalid", "only the JSON mode is played here")
    return parameters


def _json_object(body: bytes) -> Record:
    try:
        value = json.loads(body, parse_constant=_not_json)
    except ValueError as error:
        raise RefusedError("invalid", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise RefusedError("invalid", "the body is not an object")
    return value


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
