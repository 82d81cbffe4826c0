"""Who asks: bearer tokens (RFC 6750), compared in constant time, refused with one and the same answer."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from producers.webhooks.problems import ProblemError

if TYPE_CHECKING:
    from producers.settings import ClientTokens


class Clients:
    """The clients that may ask, by their tokens."""

    def __init__(self, tokens: ClientTokens) -> None:
        self._tokens = tuple((client, token.get_secret_value().encode()) for client, token in tokens)

    def authenticate(self, authorization: str | None) -> str:
        """Give the client's name; raises a 401 ProblemError that does not tell what was wrong."""
        scheme, _, credentials = (authorization or "").partition(" ")
        given = credentials.strip().encode("utf-8", "surrogateescape")
        found = None
        # All are compared, so that the time tells nothing about which one came close.
        for client, token in self._tokens:
            if hmac.compare_digest(given, token):
                found = client
        if found is None or scheme.lower() != "bearer":
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "a valid bearer token is needed",
                headers={"WWW-Authenticate": 'Bearer realm="stockrelay"'},
                close=True,
            )
        return found
