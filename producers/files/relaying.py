"""What the files' producer asks of Redis: commands handed over when it would keep them, part numbers looked up."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from producers.files.processing import LookupAwayError
from tasks.directory import Directory
from tasks.redis_client import durability_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

    from tasks.directory import Thing

#: Redis answers in milliseconds; a batch of part numbers is some hundred questions.
LOOKUP_SECONDS: Final = 10.0
#: Of one batch, so many unknown numbers ask the vendor's worker to read anew; it does so for all at once.
_WANTED: Final = 20


class PartNumbers:
    """Looks part numbers up for the threads that read files; `loop` is where Redis' client lives."""

    def __init__(self, redis: Redis, loop: asyncio.AbstractEventLoop) -> None:
        self._directory = Directory(redis)
        self._loop = loop

    def look_up(self, codes: Sequence[str]) -> Mapping[str, Sequence[Thing]]:
        """Give the parts of each number; raises LookupAwayError while Redis does not answer, or knows nothing yet."""
        try:
            return asyncio.run_coroutine_threadsafe(self._look_up(codes), self._loop).result()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise LookupAwayError(f"the directory does not answer ({type(error).__name__})") from error
        except (CancelledError, RuntimeError) as error:  # the loop is cancelled or closed
            raise LookupAwayError("the process is ending") from error

    async def _look_up(self, codes: Sequence[str]) -> dict[str, Sequence[Thing]]:
        async with asyncio.timeout(LOOKUP_SECONDS):
            if await self._directory.summary() is None:
                await self._directory.wanted(codes[0])
                raise LookupAwayError("the directory was never filled; the worker of PartsBox does that")
            found = await asyncio.gather(*map(self._directory.parts_of, codes))
            unknown = [code for code, parts in zip(codes, found, strict=True) if not parts]
            await asyncio.gather(*map(self._directory.wanted, unknown[:_WANTED]))
        return dict(zip(codes, found, strict=True))


async def why_not_durable(redis: Redis) -> str:
    """Say why Redis would lose what it accepts now, or nothing. Redis errors come through."""
    durability = await durability_of(redis)
    return "" if durability.is_durable else f"Redis would lose accepted commands: {durability}"
