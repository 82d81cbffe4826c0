"""What a worker asks of Redis before it starts: that it is there, lets us in and keeps what it acknowledged."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as NoConnectionError,
)
from redis.exceptions import (
    TimeoutError as NoAnswerError,
)

from tasks import telemetry
from tasks.redis_client import durability_of, open_redis
from tasks.settings import SettingsError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from workers.settings import Settings

logger = logging.getLogger(__name__)

#: Between two tries of a Redis that is not there yet: a server with a long append-only file loads it for minutes.
RETRY_SECONDS: Final = 3.0


class WeakRedisError(Exception):
    """The Redis server would lose accepted commands."""


async def await_redis(settings: Settings) -> None:
    """Return once Redis answers and is durable; try for as long as it is away, with a log line for each try.

    Raises WeakRedisError when it is not durable, SettingsError when it refuses our login, SystemExit 0 when the
    process is told to stop meanwhile.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    redis = open_redis(settings.redis_url)
    try:
        while not await _answers(redis, allow_weak=settings.ledger.allow_weak_redis):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
            if stop.is_set():
                raise SystemExit(0)
    finally:
        await redis.aclose()


async def _answers(redis: Redis, *, allow_weak: bool) -> bool:
    try:
        await _check_durability(redis, allow_weak=allow_weak)
    except (AuthenticationError, AuthorizationError):
        raise SettingsError("REDIS_URL: Redis refuses this login") from None
    except (NoConnectionError, NoAnswerError) as error:
        retry = {"error": f"{type(error).__name__}: {error}", "next_try_seconds": RETRY_SECONDS}
        logger.warning(telemetry.LEDGER_UNREACHABLE, extra=retry)
        return False
    return True


async def _check_durability(redis: Redis, *, allow_weak: bool) -> None:
    """Refuse a Redis that does not keep what it acknowledged; with `allow_weak` warn instead.

    Raises WeakRedisError naming each setting, what it is and what the promise needs.
    """
    try:
        durability = await durability_of(redis)
    except ResponseError:  # CONFIG is often forbidden on managed servers
        logger.warning(telemetry.REDIS_NOT_DURABLE, extra={"found": "CONFIG GET is not allowed: cannot be checked"})
        return
    if durability.is_durable:
        return
    if not allow_weak:
        raise WeakRedisError(
            f"REDIS_URL: Redis would lose accepted commands: {durability}; "
            "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1 starts all the same"
        )
    logger.warning(telemetry.REDIS_NOT_DURABLE, extra={"found": str(durability)})
