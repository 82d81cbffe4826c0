"""Who asks, and whether it may: bearer tokens (RFC 6750) or a browser's session, and the roles that a route needs."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from producers.tokens import Role, Roles, written
from producers.webhooks import sessions
from producers.webhooks.problems import ProblemError
from producers.webhooks.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.tokens import ClientToken
    from producers.webhooks.openapi import Handler, Operation
    from producers.webhooks.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that sent a request, and what its token may do."""

    client: str
    roles: Roles

    @property
    def is_operator(self) -> bool:
        """True when it may act on what others have sent."""
        return Role.OPERATE in self.roles


#: Set for every route that needs a role, before its handler runs.
CALLER: Final = web.RequestKey("caller", Caller)


class Clients:
    """The clients that may ask, by their tokens, and how often."""

    def __init__(self, tokens: Sequence[ClientToken], *, rates: Rates | None = None) -> None:
        self._tokens = tuple(tokens)
        self._rates = Rates(0) if rates is None else rates

    def install(self, app: web.Application) -> None:
        """Let every answer to a counted request say how many more are allowed."""
        self._rates.install(app)

    def guarded(self, handler: Handler, operation: Operation) -> Handler:
        """Give a handler that only those reach who have one of the operation's roles, as `request[CALLER]`.

        The one place that decides who asks and who may, so that no route can forget it.
        """
        if not operation.roles:
            return handler

        async def admitted(request: web.Request) -> web.StreamResponse:
            token = self._authenticate(request, operation.sessions)
            require_role(token, *operation.roles)
            request[CALLER] = Caller(token.client, token.roles)
            return await handler(request)

        return admitted

    def _authenticate(self, request: web.Request, pages: Sequence[Sessions]) -> ClientToken:
        """Give the token that a request was sent with, and count the request.

        Raises a 401 ProblemError that does not tell what was wrong, or a 429 one.
        """
        given = [own for own in pages if own.cookie in request.cookies]
        if "Authorization" not in request.headers and given:
            sessions.require_own_page(request)
            found = (own.find(request.cookies[own.cookie], self._tokens) for own in given)
            token = next(filter(None, found), None)
        else:
            scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
            token = self.find(credentials.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "a valid bearer token is needed",
                headers={"WWW-Authenticate": 'Bearer realm="stockrelay"'},
                close=True,
            )
        self._rates.admit(request, token.client)
        return token

    def find(self, text: str) -> ClientToken | None:
        """Find a token by its text; None when it is nobody's."""
        given = text.encode("utf-8", "surrogateescape")
        found = None
        # All are compared, so that the time tells nothing about which one came close.
        for known in self._tokens:
            if hmac.compare_digest(given, known.token.get_secret_value().encode()):
                found = known
        return found

    def renewed(self, own: Sessions, session: str) -> str | None:
        """Make a session that lasts from now on out of one that is good; None when it is not."""
        found = own.find(session, self._tokens)
        return None if found is None else own.issue(found.client, found.token.get_secret_value().encode())


def require_role(token: ClientToken, *needed: Role) -> None:
    """Refuse a token that has none of the roles; raises a 403 ProblemError that says what to do."""
    if token.roles.isdisjoint(needed):
        wanted = " or ".join(needed)
        detail = (
            f"this needs the role {wanted}, and this token of {token.client} may {written(token.roles)}; "
            f"whoever runs the server gives roles in STOCKRELAY_WEBHOOKS_TOKENS, as {token.client}:token:"
            f"{written(token.roles | {needed[0]})}"
        )
        members = {"roles": sorted(token.roles), "needed": list(needed)}
        raise ProblemError(HTTPStatus.FORBIDDEN, "role-missing", detail, members=members, close=True)
