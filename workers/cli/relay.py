"""The operator's way to the ledger and the limits: settings, Redis, and how a failure ends the program."""

from __future__ import annotations

import asyncio
import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import click
from redis import exceptions as redis_errors

from tasks.dead_letters import DeadLetters
from tasks.errors import DamagedRecordError, LedgerError
from tasks.identity import KEY_LENGTH
from tasks.ledger import Ledger
from tasks.records import DamagedRecord
from tasks.redis_client import InsecureRedisError, open_redis
from tasks.registry import vendors
from tasks.settings import PROJECT_PREFIX, LedgerSettings, SettingsError, read_environment, redis_url
from workers.cli.indexes import Indexes
from workers.limiter import Limiter
from workers.settings import limit_policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from redis.asyncio import Redis

    from tasks.records import CommandRecord
    from workers.limits import LimitPolicy

P = ParamSpec("P")

#: Exit codes of design section 7, click's 2 for wrong usage among them; 75 is EX_TEMPFAIL of sysexits.h.
EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_TRY_LATER: Final = 75

#: An ambiguous start of a key is answered with this many of the keys it may mean.
_CANDIDATES_SHOWN: Final = 5
LOGIN_ERRORS: Final = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
    redis_errors.AuthorizationError,
    redis_errors.NoPermissionError,
)
#: Redis may be back soon.
PASSING_ERRORS: Final = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.ClusterError,
)


class RefusedError(click.ClickException):
    """What was asked for cannot be done: not found, or not allowed from this state."""

    exit_code = EXIT_FAILURE


class ConfigurationError(click.ClickException):
    """A setting is wrong."""

    exit_code = EXIT_USAGE


class TryLaterError(click.ClickException):
    """Redis is not there now; nothing was changed, or the change is not confirmed."""

    exit_code = EXIT_TRY_LATER


@dataclass(frozen=True, slots=True)
class Relay:
    """One vendor-by-vendor view of the system, open for one command line."""

    redis: Redis
    ledger_settings: LedgerSettings
    #: What the limits are unless they were changed live.
    policies: Mapping[str, LimitPolicy]

    def ledger(self, vendor: str) -> Ledger:
        return Ledger(self.redis, vendor, retention_days=self.ledger_settings.retention_days)

    @property
    def desk(self) -> DeadLetters:
        return DeadLetters(self.redis, retention_days=self.ledger_settings.retention_days)

    def indexes(self, vendor: str) -> Indexes:
        return Indexes(self.redis, vendor)

    def limiter(self, vendor: str) -> Limiter:
        return Limiter(self.redis, vendor, self.policies[vendor])

    @property
    def address(self) -> str:
        """Name the server as a person knows it, without user and password."""
        given: dict[str, Any] = self.redis.connection_pool.connection_kwargs
        where = given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"
        return f"{where}/{given.get('db') or 0}"

    async def locate(self, key: str) -> CommandRecord:
        """Find a command by its key or an unambiguous start of it; raises RefusedError otherwise.

        Raises DamagedRecordError for one that cannot be read.
        """
        record = await self.read(key)
        if isinstance(record, DamagedRecord):
            raise DamagedRecordError(record)
        return record

    async def read(self, key: str) -> CommandRecord | DamagedRecord:
        """Find a command as `locate` does, readable or not."""
        if len(key) < KEY_LENGTH:
            key = await self._complete(key)
        for vendor in vendors():
            record = await self.ledger(vendor).read(key)
            if record is not None:
                return record
        raise RefusedError(f"{key}: no such command; finished ones are forgotten after the retention")

    async def _complete(self, start: str) -> str:
        keys = [key for vendor in vendors() for key in await self.indexes(vendor).keys_starting(start)]
        if not keys:
            raise RefusedError(f"{start}: no command's key begins so")
        if len(keys) > 1:
            shown = ", ".join(keys[:_CANDIDATES_SHOWN]) + (", …" if len(keys) > _CANDIDATES_SHOWN else "")
            raise RefusedError(f"{start}: ambiguous, {len(keys)} keys begin so: {shown}")
        return keys[0]


def with_relay(body: Callable[Concatenate[Relay, P], Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a coroutine the body of a click command: opens Redis for it and turns errors into exit codes."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(_run(open_relay(os.environ), lambda relay: body(relay, *args, **kwargs)))

    return run


def open_relay(environ: Mapping[str, str]) -> Relay:
    """Read the settings, none of them a vendor's secret; raises ConfigurationError. Redis is called later."""
    try:
        return Relay(
            open_redis(redis_url(environ)),
            read_environment(LedgerSettings, f"{PROJECT_PREFIX}LEDGER_", environ),
            {vendor: limit_policy(vendor, environ) for vendor in vendors()},
        )
    except (SettingsError, InsecureRedisError) as error:
        raise ConfigurationError(str(error)) from None
    except ValueError:
        # the parser's own words may quote a part of the password
        raise ConfigurationError("REDIS_URL: not an address like redis://user:password@host:6379/0") from None


async def _run(relay: Relay, body: Callable[[Relay], Awaitable[None]]) -> None:
    try:
        await body(relay)
    except LOGIN_ERRORS as error:
        raise ConfigurationError(f"REDIS_URL: Redis at {relay.address} refuses this login: {error}") from None
    except PASSING_ERRORS as error:
        raise TryLaterError(f"Redis at {relay.address} cannot be used now, try again later: {error}") from None
    except redis_errors.RedisError as error:
        raise RefusedError(f"Redis at {relay.address} refused: {error}") from None
    except LedgerError as error:
        raise RefusedError(str(error)) from None
    finally:
        await relay.redis.aclose()
