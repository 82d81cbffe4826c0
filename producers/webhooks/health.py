"""Whether this process is alive, and whether what it accepts would be kept."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from producers.webhooks.openapi import PUBLIC, Answer, Operation, Route
from producers.webhooks.problems import RETRY_AFTER_SECONDS, ProblemError
from producers.webhooks.schemas import Health, ReadinessReport
from tasks.redis_client import durability_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

#: A health check that hangs tells less than one that fails.
CHECK_SECONDS: Final = 3.0
#: How long a look at the server's settings counts: so soon is a weaker server noticed that took another's place.
DURABLE_SECONDS: Final = 1.0
#: Writes nothing, but as it might, the server refuses to run it whenever it would refuse a write: full, a replica,
#: its disk in trouble (Redis 7 and Valkey, "Script flags").
_WRITE_PROBE: Final = "#!lua\nreturn 1"


class Reports(Protocol):
    """What tells whether commands should come here."""

    async def check(self) -> dict[str, Any]:
        """Give a report, or raise a ProblemError."""


class Readiness:
    """Asks Redis whether it is there and durable. `allow_weak` makes a weaker one a warning."""

    def __init__(self, redis: Redis, *, allow_weak: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._allow_weak = allow_weak
        self._clock = clock
        self._durable_until = float("-inf")
        self._looking = asyncio.Lock()

    async def require_durable(self) -> None:
        """Return when a command accepted now would be kept; raises a 503 ProblemError, or Redis' own error.

        Looks at the server at most once in DURABLE_SECONDS, for all who ask at that moment.
        """
        if self._allow_weak:
            return
        async with self._looking:
            began = self._clock()
            if began < self._durable_until:
                return
            if weakness := await self.weakness():
                raise _not_durable(weakness)
            self._durable_until = began + DURABLE_SECONDS

    async def check(self) -> dict[str, Any]:
        """Give the report for JSON; raises a 503 ProblemError that carries it when commands should not come here."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._redis.ping()
                refusal = await self._refusal()
                weakness = await self.weakness()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            reason = f"does not answer ({type(error).__name__})"
            raise _not_ready({"redis": {"ok": False, "reason": reason}}) from None
        checks: dict[str, Any] = {"redis": {"ok": not refusal}, "durable": {"ok": not weakness}}
        if weakness:
            checks["durable"]["reason"] = weakness
        if refusal:
            checks["redis"]["reason"] = refusal
        if refusal or (weakness and not self._allow_weak):
            raise _not_ready(checks)
        if weakness:
            return {"status": "ready", "warning": f"accepted commands may be lost: {weakness}", "checks": checks}
        return {"status": "ready", "checks": checks}

    async def _refusal(self) -> str:
        """Say why the server would refuse a write, or nothing."""
        try:
            await self._redis.eval(_WRITE_PROBE, 0)
        except OutOfMemoryError:
            return "is full (maxmemory) and refuses writes"
        except ResponseError as error:
            return f"refuses writes ({type(error).__name__})"
        return ""

    async def weakness(self) -> str:
        """Say what is weak, or nothing; a server that hides its settings counts as weak."""
        try:
            durability = await durability_of(self._redis)
        except ResponseError as error:
            return f"its settings cannot be read ({type(error).__name__})"
        return "" if durability.is_durable else str(durability)


def _not_durable(weakness: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-durable",
        f"Redis would lose accepted commands, so none is accepted: {weakness}",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _not_ready(checks: dict[str, Any]) -> ProblemError:
    reason = "; ".join(f"{name}: {check['reason']}" for name, check in checks.items() if not check["ok"])
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-ready",
        reason,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        members={"checks": checks},
    )


class HealthRoutes:
    """The handlers; they ask for no token."""

    def __init__(self, readiness: Reports) -> None:
        self._readiness = readiness

    def routes(self) -> list[Route]:
        """List what is served."""
        return [("GET", "/healthz", self.healthz, _HEALTHZ), ("GET", "/readyz", self.readyz, _READYZ)]

    async def healthz(self, _: web.Request) -> web.Response:
        """`GET /healthz`: the event loop of this process turns."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _: web.Request) -> web.Response:
        """`GET /readyz`: commands sent here would be accepted and kept."""
        return web.json_response(await self._readiness.check())


_HEALTHZ: Final = Operation(
    summary="Is the process alive",
    tag="operations",
    roles=PUBLIC,
    answers={200: Answer(description="Its event loop turns.", schema=Health, example={"status": "alive"})},
)
_READYZ: Final = Operation(
    summary="Would commands be kept",
    tag="operations",
    roles=PUBLIC,
    answers={
        200: Answer(
            description="What is sent here is accepted and kept.",
            schema=ReadinessReport,
            example={"status": "ready", "checks": {"redis": {"ok": True}, "durable": {"ok": True}}},
        )
    },
    problems={503: "`not-ready`, with `checks`: what is wrong."},
)
