"""How often a client may ask: one token bucket per client, in memory, and the headers that tell it how much is left.

Headers as in draft-ietf-httpapi-ratelimit-headers-11 and RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from producers.webhooks.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client may still ask: `remaining` requests now, all of them in `reset_seconds`.

    `retry_after_seconds` is 0 for a request that is within the limit.
    """

    remaining: int
    reset_seconds: int
    retry_after_seconds: int


_ALLOWANCE: Final = web.RequestKey("allowance", Allowance)


class Rates:
    """The buckets. Ask only with names from the configuration, so that their number stays bounded."""

    def __init__(self, requests_per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = requests_per_minute
        self._clock = clock
        #: client -> tokens left at that moment
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, request: web.Request, client: str) -> None:
        """Count a request of an authenticated client; raises a 429 ProblemError beyond its limit."""
        if self._quota == 0:
            return
        allowance = self.spend(client)
        request[_ALLOWANCE] = allowance
        if allowance.retry_after_seconds:
            detail = f"more than {self._quota} requests in {WINDOW_SECONDS} seconds; send the same request again later"
            headers = {"Retry-After": str(allowance.retry_after_seconds)}
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)

    def spend(self, client: str) -> Allowance:
        """Take one token of the client's bucket, if there is one."""
        now = self._clock()
        per_second = self._quota / WINDOW_SECONDS
        tokens, since = self._buckets.get(client, (float(self._quota), now))
        tokens = min(float(self._quota), tokens + (now - since) * per_second)
        lacking = max(0.0, 1.0 - tokens)
        if not lacking:
            tokens -= 1.0
        self._buckets[client] = (tokens, now)
        return Allowance(
            remaining=int(tokens),
            reset_seconds=math.ceil((self._quota - tokens) / per_second),
            retry_after_seconds=math.ceil(lacking / per_second),
        )

    def install(self, app: web.Application) -> None:
        """Let every answer to a counted request say what is left."""
        app.on_response_prepare.append(self._tell)

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        allowance = request.get(_ALLOWANCE)
        if allowance is not None:
            response.headers["RateLimit-Policy"] = f'"default";q={self._quota};w={WINDOW_SECONDS}'
            response.headers["RateLimit"] = f'"default";r={allowance.remaining};t={allowance.reset_seconds}'
