"""Which pages of other origins a browser lets ask here: those that are configured (fetch.spec.whatwg.org)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.webhooks.openapi import Handler

#: A change of the configuration reaches the browsers after this.
_MAX_AGE_SECONDS: Final = 600
_METHODS: Final = "GET, POST"
_REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Traceparent, X-Request-ID"
_ANSWER_HEADERS: Final = "Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"


class Cors:
    """The configured origins. Cookies are never allowed across origins: a page sends its own token."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def install(self, app: web.Application) -> None:
        """Answer the preflights of the configured origins, and mark every answer to them; without any, do nothing."""
        if self._origins:
            app.middlewares.append(self._answer_preflight)
            app.on_response_prepare.append(self._mark)

    @web.middleware
    async def _answer_preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not is_preflight or not self._is_allowed(request):
            return await handler(request)
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": str(_MAX_AGE_SECONDS),
        }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        # a cache must not give the answer for one origin to another
        response.headers.add("Vary", "Origin")
        if self._is_allowed(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _ANSWER_HEADERS

    def _is_allowed(self, request: web.Request) -> bool:
        return request.headers.get("Origin") in self._origins
