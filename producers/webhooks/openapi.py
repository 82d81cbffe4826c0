"""What the routes are, said once: the description of an operation, and the OpenAPI 3.1 document made of all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from pydantic import BaseModel

from producers.webhooks import sessions
from producers.webhooks.problems import CONTENT_TYPE
from producers.webhooks.schemas import REF, Problem, command_schemas, schemas_of

if TYPE_CHECKING:
    from producers.tokens import Role

#: A model, or a JSON Schema of its own.
Schema = type[BaseModel] | Mapping[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON: Final = "application/json"
_BEARER: Final = "bearer"
#: The roles of a route that asks for no token of a client.
PUBLIC: Final[tuple[Role, ...]] = ()
#: What every route with a body, or behind a token, may answer besides its own.
_BODY_PROBLEMS: Final = (400, 408, 413, 415)
_TOKEN_PROBLEMS: Final = (401, 429)
_ROLE_MISSING: Final = "`role-missing`: the token may not do this."
_INFO: Final = """\
Hands warehouse events over to Stockrelay, which applies each of them once, in order and within the vendor's limits.

A command is accepted when it is on disk, before anything is sent to a vendor: **202** means stored, and the stream or
a look at the command tells when it is applied. The same event is the same command, however often it is sent.

Every refusal is `application/problem+json` (RFC 9457); decide by its `code`, and show its `title` and `detail`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A part of a path, a query parameter or a header. Parts of a path are always required."""

    name: str
    place: str
    description: str
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    example: Any = None

    def to_json(self) -> dict[str, Any]:
        """Write it as a Parameter Object."""
        written: dict[str, Any] = {
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.required or self.place == "path",
            "schema": dict(self.schema),
        }
        if self.example is not None:
            written["example"] = self.example
        return written


#: Of every request that brings commands.
TRACE: Final = Parameter(
    name="traceparent",
    place="header",
    description="W3C Trace Context: the trace that the commands go on in. What is not valid is ignored.",
    example="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries. `examples`: by a short title, the decoded JSON."""

    schema: Schema
    content_types: tuple[str, ...] = (JSON,)
    examples: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one status means and carries; without `schema` nothing, or with a `content_type` alone any text."""

    description: str
    schema: Schema | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The description of one route, for people and for programs that are made from the document.

    `roles`: a token with any of them may ask, and `PUBLIC` asks for no token; this is what is enforced. `answers`: what
    it gives by status; `problems`: by status, when it refuses. What a body and a token add is added.
    """

    summary: str
    tag: str
    roles: tuple[Role, ...]
    answers: Mapping[int, Answer]
    description: str = ""
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    #: The pages whose browsers may ask without a bearer token.
    sessions: tuple[sessions.Sessions, ...] = (sessions.STATION,)


#: Method, path, handler and description: what a module with routes gives a list of.
Route = tuple[str, str, Handler, Operation]


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of the routes."""
    table = tuple(routes)
    models = [Problem, *(schema for *_, operation in table for schema in _schemas(operation))]
    paths: dict[str, dict[str, Any]] = {}
    for method, path, _, operation in table:
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stockrelay",
            "version": version("stockrelay"),
            "summary": "Commands for vendor systems, from stations, webhooks and programs.",
            "description": _INFO,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for *_, operation in table)],
        "paths": paths,
        "components": {
            "schemas": {**schemas_of(model for model in models if isinstance(model, type)), **command_schemas()},
            "securitySchemes": {
                _BEARER: {"type": "http", "scheme": "bearer", "description": "The token of one client (RFC 6750)."}
            },
        },
    }


def _schemas(operation: Operation) -> list[Schema]:
    bodies = [operation.body.schema] if operation.body else []
    return bodies + [answer.schema for answer in operation.answers.values() if answer.schema is not None]


def _written(schema: Schema) -> dict[str, Any]:
    return {"$ref": REF.format(model=schema.__name__)} if isinstance(schema, type) else dict(schema)


def _operation(method: str, path: str, operation: Operation) -> dict[str, Any]:
    words = [word.strip("{}") for word in path.split("/") if word]
    written: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *words]).replace(".", "_").replace("-", "_"),
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {
            **{str(status): _answer(answer) for status, answer in operation.answers.items()},
            **{str(status): _problem(text) for status, text in sorted(_all_problems(operation).items())},
            "default": _problem("Any other refusal."),
        },
    }
    if description := _description(operation):
        written["description"] = description
    if operation.parameters:
        written["parameters"] = [parameter.to_json() for parameter in operation.parameters]
    if operation.body:
        written["requestBody"] = _body(operation.body)
    if operation.roles:
        # OpenAPI 3.1: for a scheme without scopes, the names of the roles
        written["security"] = [{_BEARER: [role.value]} for role in operation.roles]
    return written


def _description(operation: Operation) -> str:
    if not operation.roles:
        return operation.description
    needed = f"Needs the role {' or '.join(f'`{role}`' for role in operation.roles)}."
    return f"{operation.description}\n\n{needed}" if operation.description else needed


def _all_problems(operation: Operation) -> dict[int, str]:
    statuses = (*(_TOKEN_PROBLEMS if operation.roles else ()), *(_BODY_PROBLEMS if operation.body else ()))
    found = {**{status: f"{HTTPStatus(status).phrase}." for status in statuses}, **operation.problems}
    if operation.roles:
        found[403] = " ".join(filter(None, (_ROLE_MISSING, found.get(403))))
    return found


def _body(body: Body) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": _written(body.schema)}
    if body.examples:
        media["examples"] = {title: {"value": value} for title, value in body.examples.items()}
    written: dict[str, Any] = {"required": True, "content": dict.fromkeys(body.content_types, media)}
    if body.description:
        written["description"] = body.description
    return written


def _answer(answer: Answer) -> dict[str, Any]:
    written: dict[str, Any] = {"description": answer.description}
    if answer.schema is not None or answer.content_type != JSON:
        media: dict[str, Any] = {"schema": {"type": "string"} if answer.schema is None else _written(answer.schema)}
        if answer.example is not None:
            media["example"] = answer.example
        written["content"] = {answer.content_type: media}
    if answer.headers:
        written["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return written


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": _written(Problem)}}}
