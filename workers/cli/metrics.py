"""`stockrelay metrics`: what the ledger and the limits hold, for Prometheus; one process for the whole system."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click
from prometheus_client import CollectorRegistry
from redis.exceptions import ResponseError

from tasks.metrics import DEFAULT_PORT, serving_metrics
from tasks.presence import present
from tasks.settings import SettingsError
from workers.cli.metric_families import StandingCollector, memory_of
from workers.cli.relay import LOGIN_ERRORS, PASSING_ERRORS, ConfigurationError, with_relay
from workers.cli.standing import read_status

if TYPE_CHECKING:
    from workers.cli.relay import Relay

#: A look goes through all that is open, on a server that every worker shares: at most this part of its time.
_BUSY_PART: Final = 0.1


@click.command()
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    metavar="SECONDS",
    show_default=True,
    help="Between two looks at Redis; longer when a look takes long.",
)
@with_relay
async def metrics(relay: Relay, *, every_seconds: float) -> None:
    """Serve what the ledger and the limits hold, for Prometheus, until SIGINT or SIGTERM.

    At STOCKRELAY_METRICS_HOST (127.0.0.1) and STOCKRELAY_METRICS_PORT (9807), without a login. One such process is
    enough; what a worker does is served by that worker. While Redis is away stockrelay_redis_up is 0 and nothing else
    is shown. docs/monitoring.md lists the names.
    """
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    collector, registry = StandingCollector(), CollectorRegistry()
    registry.register(collector)
    try:
        with serving_metrics(os.environ, registry, default_port=DEFAULT_PORT) as address:
            click.echo(f"serving {address}")
            async with present(relay.redis, "metrics"):
                await _look_again_and_again(relay, collector, over, every_seconds)
    except SettingsError as error:
        raise ConfigurationError(str(error)) from None


async def _look_again_and_again(
    relay: Relay, collector: StandingCollector, over: asyncio.Event, every_seconds: float
) -> None:
    was_up = None
    while not over.is_set():
        began = time.monotonic()
        is_up, trouble = True, ""
        try:
            collector.found = await read_status(relay), await _memory(relay)
        except LOGIN_ERRORS:  # none passes by itself
            raise
        except PASSING_ERRORS as error:
            collector.found, is_up, trouble = None, False, f": {error}"
        if is_up is not was_up:
            click.echo(f"Redis at {relay.address} is {'there' if is_up else 'away'}{trouble}")
        was_up = is_up
        took = time.monotonic() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(max(every_seconds, took / _BUSY_PART)):
                await over.wait()


async def _memory(relay: Relay) -> dict[str, int]:
    try:
        return memory_of(await relay.redis.info("memory"))
    except ResponseError:  # INFO is often forbidden on managed servers
        return {}
