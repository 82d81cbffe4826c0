"""Whether the files program of this machine is there and at work, for health checks: `python -m producers.files.alive`.

It says so in Redis every few seconds from its event loop, so one that is frozen or stuck is missing there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.presence import processes
from tasks.redis_client import open_redis, server_ms
from tasks.settings import SettingsError, redis_url

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(environ: Mapping[str, str]) -> int:
    """Say what was found; 0 when it is there, 1 when not, 2 for a wrong setting."""
    try:
        url = redis_url(environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        found = asyncio.run(_is_there(url))
    except RedisError as error:
        sys.stderr.write(f"Redis cannot be asked: {type(error).__name__}\n")
        return 1
    sys.stdout.write("files: there\n" if found else "files: not seen for a while\n")
    return 0 if found else 1


async def _is_there(url: str) -> bool:
    redis = open_redis(url)
    try:
        seen = await processes(redis, await server_ms(redis))
    finally:
        await redis.aclose()
    here = socket.gethostname()
    return any(one.process.role == "files" and one.process.host == here and not one.is_silent for one in seen)


if __name__ == "__main__":
    sys.exit(main(os.environ))
