"""How the browser of a page gets its session and ends it: `…/session`, `…/login`, `…/logout`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from producers.tokens import Role
from producers.webhooks import sessions
from producers.webhooks.auth import require_role
from producers.webhooks.body import read_object
from producers.webhooks.openapi import PUBLIC, Answer, Body, Operation
from producers.webhooks.problems import ProblemError, invalid
from tasks.registry import Problem

if TYPE_CHECKING:
    from producers.webhooks.auth import Clients
    from producers.webhooks.openapi import Route
    from producers.webhooks.sessions import Sessions

_PRIVATE: Final = {"Cache-Control": "no-store"}
_DAY_SECONDS: Final = 86_400


class Login(BaseModel):
    """The token of the client that the browser shall be."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    token: Annotated[str, Field(min_length=1, max_length=512)]


class Session(BaseModel):
    """Which client a browser is; null when it has no session."""

    client: str | None


class SessionRoutes:
    """The handlers for the sessions of the page under `path`."""

    def __init__(self, clients: Clients, own: Sessions, path: str, tag: str) -> None:
        self._clients = clients
        self._own = own
        self._path = path
        self._tag = tag

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", f"{self._path}/session", self.show, _show(self._tag)),
            ("POST", f"{self._path}/login", self.login, _login(self._own, self._tag)),
            ("POST", f"{self._path}/logout", self.logout, _logout(self._tag)),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """`GET …/session`: who the browser is; a good session is renewed."""
        sessions.require_own_page(request)
        return self._answer(request, self._clients.renewed(self._own, request.cookies.get(self._own.cookie, "")))

    async def login(self, request: web.Request) -> web.Response:
        """`POST …/login`: a session for a token that has all the roles of the page's work."""
        sessions.require_own_page(request)
        try:
            given = Login.model_validate(await read_object(request)).token
        except ValidationError as error:
            problems = [
                Problem(".".join(map(str, item["loc"])) or "(body)", "not shown", item["msg"])
                for item in error.errors(include_url=False, include_input=False)
            ]
            raise invalid(problems) from None
        token = self._clients.find(given)
        if token is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", "this token is nobody's")
        for role in (role for role in Role if role in self._own.roles):
            require_role(token, role)
        return self._answer(request, self._own.issue(token.client, token.token.get_secret_value().encode()))

    async def logout(self, request: web.Request) -> web.Response:
        """`POST …/logout`: the browser forgets its session."""
        sessions.require_own_page(request)
        return self._answer(request, None)

    def _answer(self, request: web.Request, session: str | None) -> web.Response:
        client = None if session is None else session.partition(":")[0]
        response = web.json_response({"client": client}, headers=_PRIVATE)
        if session is not None:
            self._own.keep(request, response, session)
        elif self._own.cookie in request.cookies:
            self._own.forget(request, response)
        return response


_FOREIGN: Final = "`foreign-page`: the request comes from another site's page."
_WHO: Final = {200: Answer(description="Who the browser is now.", schema=Session, example={"client": "ST-01"})}


def _show(tag: str) -> Operation:
    return Operation(
        summary="Who this browser is",
        tag=tag,
        roles=PUBLIC,
        description="A good session is renewed by this; one that is ended or false is forgotten.",
        answers=_WHO,
        problems={403: _FOREIGN},
    )


def _login(own: Sessions, tag: str) -> Operation:
    roles = " and ".join(f"`{role}`" for role in Role if role in own.roles)
    lasts = f"{own.seconds // _DAY_SECONDS} days" if own.seconds >= _DAY_SECONDS else f"{own.seconds // 3600} hours"
    return Operation(
        summary="Give this browser a session",
        tag=tag,
        roles=PUBLIC,
        description="The session is a cookie that no script and no other site gets. It does what the client's bearer "
        "token does, for requests of this server's own page alone, and ends with the token or after "
        f"{lasts} without use. The token needs {roles}.",
        body=Body(schema=Login, examples={"token": {"token": "invented-token-of-st01"}}),
        answers=_WHO,
        problems={
            401: "`unauthorized`: the token is nobody's.",
            403: f"{_FOREIGN} Or `role-missing`: the token may not do what the page is for.",
            422: "`invalid-command`: no token, or a field that is not known.",
        },
    )


def _logout(tag: str) -> Operation:
    return Operation(
        summary="End this browser's session",
        tag=tag,
        roles=PUBLIC,
        answers={200: Answer(description="It is nobody now.", schema=Session, example={"client": None})},
        problems={403: _FOREIGN},
    )
