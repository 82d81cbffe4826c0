"""What Redis and SQLite hold, as text that can be read, compared and put back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

#: What identifies a SQLite file beside its tables, and is not in a dump of them.
_MARKS: Final = ("application_id", "user_version")


async def read_redis(redis: Redis) -> dict[str, Any]:
    """Read every key: its type, how long it is still to live (seconds; None for ever) and what it holds."""
    found: dict[str, Any] = {}
    for key in sorted([str(key) async for key in redis.scan_iter()]):
        kind, left = str(await redis.type(key)), await redis.ttl(key)
        found[key] = {"type": kind, "seconds": left if left >= 0 else None, "value": await _value(redis, key, kind)}
    return found


async def _value(redis: Any, key: str, kind: str) -> Any:
    match kind:
        case "string":
            return await redis.get(key)
        case "hash":
            return dict(sorted((await redis.hgetall(key)).items()))
        case "list":
            return await redis.lrange(key, 0, -1)
        case "zset":
            return await redis.zrange(key, 0, -1, withscores=True)
        case "stream":
            return await redis.xrange(key)
    raise TypeError(f"{key}: nothing here reads a {kind}")


async def write_redis(redis: Redis, found: dict[str, Any]) -> None:
    """Put every key back as `read_redis` read it."""
    for key, kept in found.items():
        await _write(redis, key, kept["type"], kept["value"])
        if kept["seconds"] is not None:
            await redis.expire(key, max(1, kept["seconds"]))


async def _write(redis: Any, key: str, kind: str, value: Any) -> None:
    match kind:
        case "string":
            await redis.set(key, value)
        case "hash":
            await redis.hset(key, mapping=value)
        case "list":
            await redis.rpush(key, *value)
        case "zset":
            await redis.zadd(key, dict(value))
        case "stream":
            for moment, fields in value:
                await redis.xadd(key, fields, id=moment)


def read_sqlite(path: Path) -> str:
    """Write a database as SQL."""
    with closing(sqlite3.connect(path)) as database:
        marks = [f"PRAGMA {name} = {database.execute(f'PRAGMA {name}').fetchone()[0]};" for name in _MARKS]
        return "\n".join([*marks, *database.iterdump(), ""])


def write_sqlite(text: str, path: Path) -> None:
    """Make a database of what `read_sqlite` wrote."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(text)


def to_text(found: Any) -> str:
    """Write JSON so that two recordings can be compared line by line."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
