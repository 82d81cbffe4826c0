"""When an event came first: what its commands carry as their moment when its sender tells none.

A retry must become the very same commands, so the moment is kept under the event's key for longer than any sender
retries (Standard Webhooks suggests 75 hours; GitHub offers a redelivery for three days).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import ConnectionError  # noqa: A004  Redis' own, not the builtin

from tasks.script_calls import ScriptCalls

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Followed by the event's key; a number of UTC milliseconds that expires.
PREFIX: Final = "sr:{hooks}:first:"
#: {event key, milliseconds, seconds to keep} -> the milliseconds that were kept first. A script, so that the events of
#: one moment share a round trip and a sync of the append-only file.
_FIRST: Final = """
local name = KEYS[1] .. ARGV[1]
local kept = redis.call('GET', name)
if kept then return kept end
redis.call('SET', name, ARGV[2], 'EX', ARGV[3])
return ARGV[2]
"""
_DAY_SECONDS: Final = 86_400


class Moments:
    """First moments in Redis, each kept for `keep_days` after the first look at it."""

    def __init__(self, redis: Redis, *, keep_days: float) -> None:
        self._calls = ScriptCalls(redis, redis.register_script(_FIRST), [PREFIX])
        self._keep_seconds = max(1, int(keep_days * _DAY_SECONDS))

    async def first(self, event_key: str, moment_ms: int) -> int:
        """Give the moment that was kept first, which is this one if there was none; UTC milliseconds.

        Redis errors come as they are; asking again is harmless.
        """
        arguments = [event_key, moment_ms, self._keep_seconds]
        try:
            return int(await self._calls.run(arguments))
        except ConnectionError:
            # a server that was restarted leaves dead connections behind
            return int(await self._calls.run(arguments))
