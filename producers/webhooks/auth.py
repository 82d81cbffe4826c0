"""Who asks: bearer tokens (RFC 6750) or a browser's session, refused with one and the same answer."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from producers.webhooks import sessions
from producers.webhooks.problems import ProblemError
from producers.webhooks.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from producers.settings import ClientTokens


class Clients:
    """The clients that may ask, by their tokens, and how often.

    `operators` names those that may act on other clients' commands.
    """

    def __init__(self, tokens: ClientTokens, *, operators: Collection[str] = (), rates: Rates | None = None) -> None:
        self._tokens = tuple((client, token.get_secret_value().encode()) for client, token in tokens)
        self._operators = frozenset(operators)
        self._rates = Rates(0) if rates is None else rates

    def install(self, app: web.Application) -> None:
        """Let every answer to a counted request say how many more are allowed."""
        self._rates.install(app)

    def authenticate(self, request: web.Request) -> str:
        """Give the name of the client that sent a request, and count the request.

        Raises a 401 ProblemError that does not tell what was wrong, or a 429 one. The one place that decides who asks,
        so that every route takes whatever way of saying so there is.
        """
        if "Authorization" not in request.headers and sessions.COOKIE in request.cookies:
            sessions.require_own_page(request)
            client = self.client_of_session(request.cookies[sessions.COOKIE])
        else:
            scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
            client = self.client_of(credentials.strip()) if scheme.lower() == "bearer" else None
        if client is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "a valid bearer token is needed",
                headers={"WWW-Authenticate": 'Bearer realm="stockrelay"'},
                close=True,
            )
        self._rates.admit(request, client)
        return client

    def client_of(self, token: str) -> str | None:
        """Give the name of the client that a token belongs to, or None."""
        given = token.encode("utf-8", "surrogateescape")
        found = None
        # All are compared, so that the time tells nothing about which one came close.
        for client, known in self._tokens:
            if hmac.compare_digest(given, known):
                found = client
        return found

    def client_of_session(self, session: str) -> str | None:
        """Give the name of the client that a session belongs to, or None."""
        found = sessions.client_in(session, self._tokens)
        return None if found is None else found[0]

    def session_of(self, token: str) -> str | None:
        """Make a session for the client that a token belongs to; None when it is nobody's."""
        client = self.client_of(token)
        return None if client is None else sessions.issue(client, token.encode())

    def renewed(self, session: str) -> str | None:
        """Make a session that lasts from now on out of one that is good; None when it is not."""
        found = sessions.client_in(session, self._tokens)
        return None if found is None else sessions.issue(*found)

    def is_operator(self, client: str) -> bool:
        """Tell whether a client may act on what others have sent."""
        return client in self._operators
