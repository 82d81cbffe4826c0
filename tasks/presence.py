"""Which processes are there: each says so in Redis every few seconds, and is forgotten a minute after the last time."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.endings import end_loops
from tasks.errors import told
from tasks.releases import known_fields
from tasks.submit import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

#: ZSET of every process as JSON, by when it was last there.
KEY: Final = "sr:processes"
SAY_SECONDS: Final = 5.0
#: Missing for so long, a process is frozen, cut off or dead.
SILENT_SECONDS: Final = 3 * SAY_SECONDS
FORGOTTEN_SECONDS: Final = 60.0
LEAVE_SECONDS: Final = 1.0
#: The server's clock, like every time in the ledger.
_SAY: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if ARGV[3] ~= ARGV[1] then redis.call('ZREM', KEYS[1], ARGV[3]) end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return tostring(now)
"""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it shows itself. `serves` names vendors or sources; times are UTC milliseconds."""

    role: str
    serves: tuple[str, ...]
    host: str
    pid: int
    release: str
    started_ms: int
    #: Its clock less that of the Redis server, in whole seconds; None until it has been compared.
    ahead_seconds: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_this(cls, role: str, serves: Sequence[str] = ()) -> Process:
        """Describe the process that asks."""
        return cls(role, tuple(serves), socket.gethostname(), os.getpid(), version("stockrelay"), now_ms())

    @classmethod
    def from_json(cls, text: str) -> Process:
        """Read what `to_json` wrote, in any release; ValueError for anything else."""
        found = json.loads(text)
        try:
            return cls(**{**known_fields(cls, found), "serves": tuple(found["serves"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a process: {error}") from None


@dataclass(frozen=True, slots=True)
class Seen:
    """A process, and how long ago it was last there."""

    process: Process
    seconds_ago: float

    @property
    def is_silent(self) -> bool:
        return self.seconds_ago > SILENT_SECONDS


@asynccontextmanager
async def present(redis: Redis, role: str, serves: Sequence[str] = ()) -> AsyncIterator[None]:
    """Say that this process is there until the block ends. A Redis that is away is none of its business."""
    shown = _Shown(Process.of_this(role, serves))
    saying = asyncio.create_task(_say_for_ever(redis, shown), name="presence")
    try:
        yield
    finally:
        await end_loops([saying])
        # a courtesy: a server that does not answer must not hold the end up
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await redis.zrem(KEY, shown.process.to_json(), shown.before.to_json())


class _Shown:
    """What a process last said of itself, and what it said before: its clock may have been set meanwhile."""

    def __init__(self, process: Process) -> None:
        self.process = self.before = process

    def compare(self, asked_ms: int, server_ms: int) -> None:
        self.before = self.process
        middle_ms = (asked_ms + now_ms()) / 2
        self.process = replace(self.process, ahead_seconds=round((middle_ms - server_ms) / 1000))


async def _say_for_ever(redis: Redis, shown: _Shown) -> None:
    say = redis.register_script(_SAY)
    while True:
        asked_ms = now_ms()
        try:
            rows = (shown.process.to_json(), round(FORGOTTEN_SECONDS * 1000), shown.before.to_json())
            server_ms = int(await say(keys=[KEY], args=rows))
        except RedisError as error:
            logger.debug(telemetry.LEDGER_UNREACHABLE, extra={"error": told(error)})
        else:
            compared = shown.process.ahead_seconds is not None
            shown.compare(asked_ms, server_ms)
            if not compared:
                continue  # at once: who looks now should see it
        await asyncio.sleep(SAY_SECONDS)


async def processes(redis: Redis, server_ms: int) -> tuple[Seen, ...]:
    """List who was there within the last minute, in the order of roles, hosts and process ids.

    `server_ms` is the time of the Redis server.
    """
    found = cast("list[tuple[str, float]]", await redis.zrange(KEY, 0, -1, withscores=True))
    seen = []
    for text, at_ms in found:
        with suppress(ValueError):  # of another release
            ago = max(0.0, (server_ms - at_ms) / 1000)
            seen.append(Seen(Process.from_json(text), round(ago, 1)))
    return tuple(sorted(seen, key=_order))


def _order(seen: Seen) -> Any:
    one = seen.process
    return (one.role, one.serves, one.host, one.pid)
