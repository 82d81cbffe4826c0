"""`stockrelay-webhooks`: reads the settings, opens Redis, serves until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

import click
from aiohttp import web
from redis.exceptions import RedisError

from producers.settings import WEBHOOKS_PREFIX, WebhookSettings
from producers.webhooks.app import create_app
from producers.webhooks.auth import Clients
from producers.webhooks.connection import connection_factory
from producers.webhooks.health import CHECK_SECONDS, Readiness
from tasks.redis_client import open_redis
from tasks.settings import LedgerSettings, SettingsError, read_environment, redis_url, routes_from
from tasks.submit import Submitter
from tasks.telemetry import (
    LEDGER_UNREACHABLE,
    REDIS_NOT_DURABLE,
    SERVER_LISTENING,
    SERVER_STOPPED,
    SERVER_STOPPING,
    configure_logging,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

#: Requests in flight get this long after SIGTERM: the process is gone within ten seconds.
SHUTDOWN_SECONDS: Final = 7.0
#: Bursts of new connections wait here, not at the client.
_BACKLOG: Final = 256
#: Wrong usage or configuration (design section 7).
_EXIT_USAGE: Final = 2

logger = logging.getLogger(__name__)


class ConfigurationError(click.ClickException):
    """What was configured cannot be used."""

    exit_code = _EXIT_USAGE


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Check the settings and exit: 0 good, 2 not.")
@click.version_option(package_name="stockrelay")
def main(*, check: bool) -> None:
    """Accept commands over HTTP. Settings: REDIS_URL, STOCKRELAY_WEBHOOKS_HOST, _PORT and _TOKENS or _TOKENS_FILE."""
    try:
        settings, ledger_settings, submitter, redis = _configured(os.environ)
    except SettingsError as error:
        click.echo(f"stockrelay-webhooks: {error}", err=True)
        sys.exit(_EXIT_USAGE)
    if check:
        names = ", ".join(dict.fromkeys(client for client, _ in settings.tokens))
        click.echo(f"settings are good: http://{settings.host}:{settings.port}, clients {names}")
        return
    configure_logging()
    asyncio.run(_serve(settings, ledger_settings, submitter, redis))


def _configured(environ: Mapping[str, str]) -> tuple[WebhookSettings, LedgerSettings, Submitter, Redis]:
    settings = read_environment(WebhookSettings, WEBHOOKS_PREFIX, environ)
    ledger_settings = read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", environ)
    redis = open_redis(redis_url(environ))
    submitter = Submitter(redis, routes=routes_from(environ), retention_days=ledger_settings.retention_days)
    return settings, ledger_settings, submitter, redis


async def _serve(
    settings: WebhookSettings, ledger_settings: LedgerSettings, submitter: Submitter, redis: Redis
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    readiness = Readiness(redis, allow_weak=ledger_settings.allow_weak_redis)
    runner = web.AppRunner(
        create_app(Clients(settings.tokens), submitter, readiness), shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await _refuse_weak(readiness, allow_weak=ledger_settings.allow_weak_redis)
        listener = await _listen(runner, settings)
        await stop.wait()
        logger.info(SERVER_STOPPING)
        listener.close()
    finally:
        await runner.cleanup()
        await redis.aclose()
    logger.info(SERVER_STOPPED)


async def _listen(runner: web.AppRunner, settings: WebhookSettings) -> asyncio.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    try:
        listener = await asyncio.get_running_loop().create_server(
            connection_factory(runner.server), settings.host, settings.port, backlog=_BACKLOG
        )
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: no name could look so
        raise ConfigurationError(f"{WEBHOOKS_PREFIX}HOST: no such host or address: {settings.host}") from error
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
        logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
        return
    if weakness and not allow_weak:
        raise ConfigurationError(
            f"REDIS_URL: Redis would lose accepted commands: {weakness}; "
            "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1 starts all the same"
        )
    if weakness:
        logger.warning(REDIS_NOT_DURABLE, extra={"found": weakness})


if __name__ == "__main__":
    main()
