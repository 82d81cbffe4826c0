"""One vendor's ledger as a measurement sees it: commands go in, and what became of them is counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import redis

from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.commands import Command

#: Submitted at once: fewer than Redis' client opens connections for.
CHUNK: Final = 64
ENDS: Final = ("applied", "rejected", "held")


class VendorLedger:
    """The ledger of `vendor` on a server; `close` it in the end."""

    def __init__(self, vendor: str, redis_url: str) -> None:
        self.vendor = vendor
        self.redis_url = redis_url
        self._client: Any = redis.Redis.from_url(redis_url, decode_responses=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def submit(self, commands: Sequence[Command]) -> list[str]:
        """Put the commands into the ledger; gives their keys."""
        return asyncio.run(_submit(self.redis_url, commands))

    def counts(self) -> dict[str, int]:
        """Count the commands by state."""
        found: Mapping[str, str] = self._client.hgetall(f"{prefix_of(self.vendor)}counts")
        return {state: int(count) for state, count in found.items()}

    def ended(self) -> int:
        """Count the commands that have ended, however."""
        counts = self.counts()
        return sum(counts.get(end, 0) for end in ENDS)

    def until_ended(self, count: int, seconds: float) -> None:
        """Return when so many commands have ended since the ledger began."""
        wait_until(lambda: self.ended() >= count, f"{count} commands of {self.vendor} end", seconds)

    def fields(self, keys: Sequence[str], *names: str) -> list[list[str | None]]:
        """Read these fields of the commands' records."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(f"{prefix_of(self.vendor)}cmd:{key}", *names)
        return list(pipeline.execute())


async def _submit(url: str, commands: Sequence[Command]) -> list[str]:
    client = open_redis(url)
    try:
        submitter = Submitter(client)
        keys: list[str] = []
        for start in range(0, len(commands), CHUNK):
            accepted = await asyncio.gather(*map(submitter.submit, commands[start : start + CHUNK]))
            keys += [one.key for one in accepted]
        return keys
    finally:
        await client.aclose()
