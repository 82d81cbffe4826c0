"""`/metrics`: what this process has answered and accepted, as Prometheus text; no label is unbounded."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from producers.tokens import Role
from producers.webhooks.openapi import Answer, Operation, Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.webhooks.openapi import Handler
    from producers.webhooks.submissions import Acceptance

#: The text format that every Prometheus since 1.0 reads.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Under this name all paths that no route has.
_NO_ROUTE: Final = "(none)"


class Metrics:
    """The numbers of one process, in a registry of their own. `spooled` and `open_streams` are read when asked for."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "stockrelay_requests",
            "Requests answered, by route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._accepted = Counter(
            "stockrelay_commands_accepted",
            "Commands accepted, by kind; duplicates are commands that were known already.",
            ["kind", "duplicate"],
            registry=self._registry,
        )

    def accepted(self, accepted: Acceptance) -> None:
        """Count a command."""
        self._accepted.labels(accepted.kind, str(accepted.duplicate).lower()).inc()

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a number that is read at the moment of asking."""
        Gauge(name, text, registry=self._registry).set_function(read)

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count every request when it is answered."""
        response = await handler(request)
        resource = request.match_info.route.resource
        route = _NO_ROUTE if resource is None else resource.canonical
        # the method of a request to no route is whatever a client made up
        method = "(any)" if resource is None or response.status == HTTPStatus.METHOD_NOT_ALLOWED else request.method
        self._requests.labels(method, route, str(response.status)).inc()
        return response

    def text(self) -> bytes:
        """Write all of it in the text format."""
        return generate_latest(self._registry)


class MetricRoutes:
    """The handler; like every route it takes a client's token, which Prometheus sends as `authorization`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """List what is served."""
        return [("GET", "/metrics", self.show, _SHOW)]

    async def show(self, _: web.Request) -> web.Response:
        """`GET /metrics`."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


_SHOW: Final = Operation(
    summary="Numbers for Prometheus",
    tag="operations",
    roles=(Role.READ,),
    description="Requests by route and status, accepted commands by kind, waiting spool, open streams. In "
    "Prometheus `authorization: {credentials_file: …}`.",
    answers={200: Answer(description="The numbers.", content_type="text/plain")},
)
