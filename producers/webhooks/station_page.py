"""`/station`: the station in a browser. Its files, the worker that opens it without a network, and its session.

The page's files stand under a version made of their content: a page never mixes files of two releases, and keeps them
for ever. Nothing of it comes from another server, and its policy allows no script or style but those files.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from producers.webhooks import sessions
from producers.webhooks.body import read_object
from producers.webhooks.openapi import Answer, Body, Operation, Parameter, Route
from producers.webhooks.problems import ProblemError, invalid
from producers.webhooks.station_table import station_table
from tasks.registry import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.webhooks.auth import Clients

_PAGE: Final = "station.html"
_WORKER: Final = "worker.js"
_TABLE: Final = "table.json"
#: In the page and its worker, for the version and for the list of its files.
_VERSION_MARK: Final = b"{version}"
_FILES_MARK: Final = b'["{files}"]'
_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
}
_VERSION_CHARACTERS: Final = 16
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FRESH: Final = {"Cache-Control": "no-cache"}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_PRIVATE: Final = {"Cache-Control": "no-store"}


class Login(BaseModel):
    """The token of the client that the browser shall be."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    token: Annotated[str, Field(min_length=1, max_length=512)]


class Session(BaseModel):
    """Which client a browser is; null when it has no session."""

    client: str | None


class StationRoutes:
    """The handlers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        folder = resources.files("producers.webhooks").joinpath("static", "station")
        files = {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES}
        files[_TABLE] = json.dumps(station_table(), ensure_ascii=False).encode()
        self._version = _version_of(files)
        self._page = files.pop(_PAGE).replace(_VERSION_MARK, self._version.encode())
        names = json.dumps(sorted(name for name in files if name != _WORKER)).encode()
        worker = files.pop(_WORKER).replace(_VERSION_MARK, self._version.encode())
        self._worker = worker.replace(_FILES_MARK, names)
        self._files = files

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", "/station", self.show_page, _SHOW_PAGE),
            ("GET", "/station/worker.js", self.show_worker, _SHOW_WORKER),
            ("GET", "/station/{version}/{name}", self.show_file, _SHOW_FILE),
            ("GET", "/station/session", self.show_session, _SHOW_SESSION),
            ("POST", "/station/login", self.login, _LOGIN),
            ("POST", "/station/logout", self.logout, _LOGOUT),
        ]

    async def show_page(self, _: web.Request) -> web.Response:
        """`GET /station`."""
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers={**_HEADERS, **_FRESH})

    async def show_worker(self, _: web.Request) -> web.Response:
        """`GET /station/worker.js`: serves the page when there is no network."""
        headers = {**_HEADERS, **_FRESH, "Service-Worker-Allowed": "/station"}
        return web.Response(body=self._worker, content_type="text/javascript", charset="utf-8", headers=headers)

    async def show_file(self, request: web.Request) -> web.Response:
        """`GET /station/{version}/{name}`: a file of this release's page."""
        name = request.match_info["name"]
        if request.match_info["version"] != self._version or name not in self._files:
            raise web.HTTPNotFound
        content_type = _TYPES[name.rpartition(".")[2]]
        headers = {**_HEADERS, **_FOR_EVER}
        return web.Response(body=self._files[name], content_type=content_type, charset="utf-8", headers=headers)

    async def show_session(self, request: web.Request) -> web.Response:
        """`GET /station/session`: who the browser is; a good session is renewed."""
        sessions.require_own_page(request)
        session = self._clients.renewed(request.cookies.get(sessions.COOKIE, ""))
        return _answer(request, session)

    async def login(self, request: web.Request) -> web.Response:
        """`POST /station/login`: a session for a token."""
        sessions.require_own_page(request)
        try:
            token = Login.model_validate(await read_object(request)).token
        except ValidationError as error:
            problems = [
                Problem(".".join(map(str, item["loc"])) or "(body)", "not shown", item["msg"])
                for item in error.errors(include_url=False, include_input=False)
            ]
            raise invalid(problems) from None
        session = self._clients.session_of(token)
        if session is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", "this token is nobody's")
        return _answer(request, session)

    async def logout(self, request: web.Request) -> web.Response:
        """`POST /station/logout`: the browser forgets its session."""
        sessions.require_own_page(request)
        return _answer(request, None)


def _answer(request: web.Request, session: str | None) -> web.Response:
    client = None if session is None else session.partition(":")[0]
    response = web.json_response({"client": client}, headers=_PRIVATE)
    if session is not None:
        sessions.keep(request, response, session)
    elif sessions.COOKIE in request.cookies:
        sessions.forget(request, response)
    return response


def _version_of(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])} ".encode() + files[name])
    return digest.hexdigest()[:_VERSION_CHARACTERS]


_TAG: Final = "browser station"
_NOT_OURS: Final = {403: "`foreign-page`: the request comes from another site's page."}
_WHO: Final = {200: Answer(description="Who the browser is now.", schema=Session, example={"client": "ST-01"})}


def _file(summary: str, content_type: str, **more: Any) -> Operation:
    answers = {200: Answer(description="A file.", content_type=content_type)}
    return Operation(summary=summary, tag=_TAG, answers=answers, authenticated=False, **more)


_SHOW_PAGE: Final = _file("The station in a browser", "text/html")
_SHOW_WORKER: Final = _file("What opens the station without a network", "text/javascript")
_SHOW_FILE: Final = _file(
    "A file of the station's page",
    "text/javascript",
    parameters=(
        Parameter(name="version", place="path", description="The page's version, as it stands in the page."),
        Parameter(name="name", place="path", description="The file's name.", example="main.js"),
    ),
    problems={404: "No such file in this release."},
)
_SHOW_SESSION: Final = Operation(
    summary="Who this browser is",
    tag=_TAG,
    description="A good session is renewed by this; one that is ended or false is forgotten.",
    answers=_WHO,
    problems=_NOT_OURS,
    authenticated=False,
)
_LOGIN: Final = Operation(
    summary="Give this browser a session",
    tag=_TAG,
    description="The session is a cookie that no script and no other site gets. It does what the client's bearer token "
    "does, for requests of this server's own page alone, and ends with the token or after 90 days without use.",
    body=Body(schema=Login, examples={"token": {"token": "invented-token-of-st01"}}),
    answers=_WHO,
    problems={
        401: "`unauthorized`: the token is nobody's.",
        422: "`invalid-command`: no token, or a field that is not known.",
        **_NOT_OURS,
    },
    authenticated=False,
)
_LOGOUT: Final = Operation(
    summary="End this browser's session",
    tag=_TAG,
    answers={200: Answer(description="It is nobody now.", schema=Session, example={"client": None})},
    problems=_NOT_OURS,
    authenticated=False,
)
