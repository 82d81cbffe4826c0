"""`stockrelay-webhooks`: serves until told to stop, tries the rules of sources, shows what is held."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click
import uvloop
from aiohttp import web
from redis.exceptions import RedisError

from producers.exits import EXIT_USAGE, UsageError
from producers.outbox import Outbox, OutboxError
from producers.settings import WEBHOOKS_PREFIX, WebhookSettings
from producers.tokens import written
from producers.webhooks.app import Services, create_app
from producers.webhooks.auth import Clients
from producers.webhooks.check import check
from producers.webhooks.connection import connection_factory
from producers.webhooks.cors import Cors
from producers.webhooks.dead import dead
from producers.webhooks.deliveries import DeliveryRoutes
from producers.webhooks.health import CHECK_SECONDS, Readiness
from producers.webhooks.held import HeldDeliveries
from producers.webhooks.hooks import Hooks, open_hooks
from producers.webhooks.metrics import Metrics
from producers.webhooks.moments import Moments
from producers.webhooks.rates import Rates
from producers.webhooks.sources import SourcesError
from producers.webhooks.spool import Intake
from tasks import tracing
from tasks.presence import present
from tasks.redis_client import open_redis
from tasks.settings import LedgerSettings, SettingsError, read_environment, redis_url, routes_from
from tasks.submit import Submitter
from tasks.telemetry import (
    LEDGER_UNREACHABLE,
    REDIS_NOT_DURABLE,
    SERVER_LISTENING,
    SERVER_STOPPED,
    SERVER_STOPPING,
    SOURCES_NOT_READ,
    SOURCES_READ,
    SPOOL_DAMAGED,
    configure_logging,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

#: Requests in flight get this long after SIGTERM: the process is gone within ten seconds.
SHUTDOWN_SECONDS: Final = 7.0
#: Bursts of new connections wait here, not at the client.
_BACKLOG: Final = 256

logger = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stockrelay")
def main() -> None:
    """Accept commands and webhooks over HTTP."""


@main.command()
@click.option("--check", "only_check", is_flag=True, help="Check the settings and exit: 0 good, 2 not.")
def run(*, only_check: bool) -> None:
    """Serve until told to stop. SIGHUP reads the sources and their secrets again.

    Settings: REDIS_URL, STOCKRELAY_WEBHOOKS_HOST, _PORT, _TOKENS or _TOKENS_FILE, and _CONFIG for webhooks.
    """
    try:
        opened = _Opened.from_environment(os.environ)
    except (SettingsError, SourcesError) as error:
        click.echo(f"stockrelay-webhooks: {error}", err=True)
        sys.exit(EXIT_USAGE)
    settings = opened.settings
    if only_check:
        names = ", ".join(dict.fromkeys(f"{each.client} ({written(each.roles)})" for each in settings.tokens))
        sources = f", sources {', '.join(opened.hooks.names)}" if opened.hooks.names else ""
        click.echo(f"settings are good: http://{settings.host}:{settings.port}, clients {names}{sources}")
        return
    configure_logging()
    with tracing.opened("stockrelay-webhooks", os.environ):
        uvloop.run(_serve(opened))


main.add_command(check)
main.add_command(dead)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the settings say, read and checked; nothing is asked of Redis or the disk yet."""

    settings: WebhookSettings
    ledger_settings: LedgerSettings
    submitter: Submitter
    redis: Redis
    hooks: Hooks

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> _Opened:
        """Raise SettingsError or SourcesError, naming what is wrong."""
        settings = read_environment(WebhookSettings, WEBHOOKS_PREFIX, environ)
        tracing.is_wanted(environ)
        ledger_settings = read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", environ)
        redis = open_redis(redis_url(environ))
        submitter = Submitter(redis, routes=routes_from(environ), retention_days=ledger_settings.retention_days)
        return cls(settings, ledger_settings, submitter, redis, open_hooks(settings.config, environ))


async def _serve(opened: _Opened) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _read_sources, opened)
    allow_weak = opened.ledger_settings.allow_weak_redis
    readiness = Readiness(opened.redis, allow_weak=allow_weak)
    with _open_spool(opened.settings) as spool:
        try:
            await _refuse_weak(readiness, allow_weak=allow_weak)
            intake = Intake(
                opened.submitter,
                readiness,
                Moments(opened.redis, keep_days=opened.settings.first_seen_days),
                HeldDeliveries(opened.redis),
                spool,
            )
            async with intake.running(), present(opened.redis, "webhooks", opened.hooks.names):
                await _answer(_application(opened, intake, readiness), opened.settings, stop)
        finally:
            await opened.redis.aclose()
    logger.info(SERVER_STOPPED)


async def _answer(app: web.Application, settings: WebhookSettings, stop: asyncio.Event) -> None:
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        listener = await _listen(runner, settings)
        await stop.wait()
        logger.info(SERVER_STOPPING)
        listener.close()
    finally:
        await runner.cleanup()


def _application(opened: _Opened, intake: Intake, readiness: Readiness) -> web.Application:
    settings = opened.settings
    rates = Rates(settings.requests_per_minute)
    metrics = Metrics()
    services = Services(
        clients=Clients(settings.tokens, rates=rates),
        intake=intake,
        readiness=readiness,
        redis=opened.redis,
        metrics=metrics,
        cors=Cors(settings.cors_origins),
        retention_days=opened.ledger_settings.retention_days,
    )
    hooks = DeliveryRoutes(
        opened.hooks, intake, rates, requests_per_minute=settings.requests_per_minute, count=metrics.accepted
    )
    return create_app(services, further=[hooks])


def _read_sources(opened: _Opened) -> None:
    """Read the sources and their secrets again; wrong ones change nothing."""
    try:
        opened.hooks.replace(open_hooks(opened.settings.config, os.environ))
    except SourcesError as error:
        logger.error(SOURCES_NOT_READ, extra={"reason": str(error)})  # noqa: TRY400  the text says it all
    else:
        logger.info(SOURCES_READ, extra={"sources": opened.hooks.names})


def _open_spool(settings: WebhookSettings) -> Outbox:
    try:
        spool = Outbox(settings.spool, "webhooks", max_bytes=settings.spool_max_mib * 2**20)
    except OutboxError as error:
        raise UsageError(f"{WEBHOOKS_PREFIX}SPOOL: {error}") from error
    if spool.damaged is not None:
        logger.error(SPOOL_DAMAGED, extra={"notice": str(spool.damaged)})
    return spool


async def _listen(runner: web.AppRunner, settings: WebhookSettings) -> asyncio.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    try:
        listener = await asyncio.get_running_loop().create_server(
            connection_factory(runner.server), settings.host, settings.port, backlog=_BACKLOG
        )
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: no name could look so
        raise UsageError(f"{WEBHOOKS_PREFIX}HOST: no such host or address: {settings.host}") from error
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise click.ClickException(f"cannot listen on {where}: {error.strerror}") from error
    host, port = listener.sockets[0].getsockname()[:2]
    logger.info(SERVER_LISTENING, extra={"url": f"http://{host}:{port}"})
    return listener


async def _refuse_weak(readiness: Readiness, *, allow_weak: bool) -> None:
    """End the start on a Redis that would lose commands; with `allow_weak`, or while it is away, say so and go on."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            weakness = await readiness.weakness()
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        logger.warning(LEDGER_UNREACHABLE, extra={"error": f"{type(error).__name__}: {error}"})
        return
    if weakness and not allow_weak:
        raise UsageError(
            f"REDIS_URL: Redis would lose accepted commands: {weakness}; "
            "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1 starts all the same"
        )
    if weakness:
        logger.warning(REDIS_NOT_DURABLE, extra={"found": weakness})


if __name__ == "__main__":
    main()
