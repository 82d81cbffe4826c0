"""Whether this process is alive, and whether what it accepts would be kept."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError, ResponseError

from producers.webhooks.problems import RETRY_AFTER_SECONDS, ProblemError
from tasks.redis_client import durability_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: A health check that hangs tells less than one that fails.
CHECK_SECONDS: Final = 3.0


class Readiness:
    """Asks Redis whether it is there and durable. `allow_weak` makes a weaker one a warning."""

    def __init__(self, redis: Redis, *, allow_weak: bool = False) -> None:
        self._redis = redis
        self._allow_weak = allow_weak

    async def check(self) -> dict[str, Any]:
        """Give the report for JSON; raises a 503 ProblemError that carries it when commands should not come here."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._redis.ping()
                weakness = await self._weakness()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            reason = f"does not answer ({type(error).__name__})"
            raise _not_ready({"redis": {"ok": False, "reason": reason}}) from None
        checks: dict[str, Any] = {"redis": {"ok": True}, "durable": {"ok": not weakness}}
        if weakness:
            checks["durable"]["reason"] = weakness
            if not self._allow_weak:
                raise _not_ready(checks)
            return {"status": "ready", "warning": f"accepted commands may be lost: {weakness}", "checks": checks}
        return {"status": "ready", "checks": checks}

    async def _weakness(self) -> str:
        """Say what is weak, or nothing; a server that hides its settings counts as weak."""
        try:
            durability = await durability_of(self._redis)
        except ResponseError as error:
            return f"its settings cannot be read ({type(error).__name__})"
        return "" if durability.is_durable else str(durability)


def _not_ready(checks: dict[str, Any]) -> ProblemError:
    reason = "; ".join(f"{name}: {check['reason']}" for name, check in checks.items() if not check["ok"])
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-ready",
        reason,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        members={"checks": checks},
    )
