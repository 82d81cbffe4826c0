"""The application: what it is made of, which tables of routes it serves, and what happens to every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from producers.webhooks.commands import Cancels, CommandRoutes, Finds
from producers.webhooks.cors import Cors
from producers.webhooks.desk import DeskRoutes
from producers.webhooks.desk_page import DeskPage
from producers.webhooks.events import EventFeed
from producers.webhooks.health import HealthRoutes
from producers.webhooks.lookups import LookupRoutes
from producers.webhooks.metrics import MetricRoutes, Metrics
from producers.webhooks.middleware import answer_problems
from producers.webhooks.pages import DocumentRoutes
from producers.webhooks.scans import ScanRoutes
from producers.webhooks.station_page import StationRoutes
from producers.webhooks.stream import StreamRoutes
from producers.webhooks.submissions import Accepts, Admissions
from tasks.dead_letters import DeadLetters
from tasks.directory import Directory
from tasks.ledger import RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from producers.webhooks.auth import Clients
    from producers.webhooks.health import Reports
    from producers.webhooks.openapi import Route

#: Everything the application serves, for tests and for whoever looks for a route.
ROUTES: Final[web.AppKey[list[Route]]] = web.AppKey("routes", list)


class HasRoutes(Protocol):
    """A table of routes."""

    def routes(self) -> list[Route]:
        """List what is served."""


class TakesIn(Accepts, Finds, Protocol):
    """What commands are handed to, and asked about at: see `spool.Intake`."""

    @property
    def waiting(self) -> int:
        """How many wait on this machine's disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes work with; all of it is opened and closed by the caller."""

    clients: Clients
    intake: TakesIn
    readiness: Reports
    #: For the directory, the events and what is cancelled.
    redis: Redis
    metrics: Metrics = field(default_factory=Metrics)
    cors: Cors = field(default_factory=lambda: Cors(()))
    retention_days: float = RETENTION_DAYS


def create_app(services: Services, *, further: Sequence[HasRoutes] = ()) -> web.Application:
    """Build the application with `further` tables of routes beside its own; nothing is opened before it starts."""
    clients, metrics, redis = services.clients, services.metrics, services.redis
    admissions = Admissions(services.intake, metrics)
    feed = EventFeed(redis)
    stream = StreamRoutes(feed)
    letters = DeadLetters(redis, retention_days=services.retention_days)
    cancels = Cancels(redis, retention_days=services.retention_days)
    table: list[Route] = []
    tables: list[HasRoutes] = [
        CommandRoutes(admissions, services.intake, cancels),
        ScanRoutes(admissions),
        # before the desk, whose keys would take its path
        stream,
        DeskRoutes(letters, Directory(redis)),
        LookupRoutes(Directory(redis)),
        *further,
        StationRoutes(clients),
        DeskPage(clients),
        HealthRoutes(services.readiness),
        MetricRoutes(metrics),
        DocumentRoutes(lambda: table),
    ]
    table += [route for each in tables for route in each.routes()]
    metrics.watch("stockrelay_streams_open", "Event streams that are open.", stream.count)
    metrics.watch(
        "stockrelay_spool_waiting", "Commands and deliveries on this disk only.", lambda: services.intake.waiting
    )
    return _assembled(services, table, feed)


def _assembled(services: Services, table: list[Route], feed: EventFeed) -> web.Application:
    app = web.Application(middlewares=[services.metrics.count, answer_problems])
    services.cors.install(app)
    services.clients.install(app)
    app[ROUTES] = table
    for method, path, unguarded, operation in table:
        handler = services.clients.guarded(unguarded, operation)
        if method == "GET":
            app.router.add_get(path, handler)
        else:
            app.router.add_route(method, path, handler)

    async def follow(_: Any) -> AsyncIterator[None]:
        async with feed.running():
            yield

    async def end_streams(_: Any) -> None:
        feed.close()

    app.cleanup_ctx.append(follow)
    # before the server waits for the open requests
    app.on_shutdown.append(end_streams)
    return app
