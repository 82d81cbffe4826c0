"""What runs, by what the processes say of themselves, and whether somebody serves what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.presence import processes
from tasks.redis_client import server_ms
from workers.cli.doctor.findings import Finding, good, warning, wrong
from workers.cli.doctor.redis import skew
from workers.cli.doctor.settings import judge_live, own_environment
from workers.cli.indexes import Indexes
from workers.limiter import Limiter
from workers.settings import SettingsError, limit_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis.asyncio import Redis

    from tasks.presence import Seen


async def check_processes(redis: Redis, release: str) -> Sequence[Finding]:
    """Look at who was there within the last minute."""
    seen = await processes(redis, await server_ms(redis))
    if not seen:
        advice = "start the workers; those of another Redis are not seen here"
        return [warning("processes", "none seen within the last minute", advice)]
    return list(_judged(seen, release))


def _judged(seen: Sequence[Seen], release: str) -> Iterator[Finding]:
    there = [one for one in seen if not one.is_silent]
    yield good("processes", f"{len(there)} there: {', '.join(sorted({one.process.role for one in there})) or 'none'}")
    for one in seen:
        name = f"{one.process.role} {one.process.host}/{one.process.pid}"
        if one.is_silent:
            found = f"silent for {one.seconds_ago:.0f} s: killed, frozen or cut off from Redis"
            yield warning(name, found, "look whether it runs; its commands are taken over by others")
        elif one.process.ahead_seconds is not None:
            clock = skew(f"clock of {name}", one.process.ahead_seconds)
            if clock.advice:
                yield clock
    releases = sorted({one.process.release for one in there})
    if len(releases) > 1 or (releases and releases != [release]):
        found = f"{', '.join(releases)} run; this is {release}"
        yield warning("releases", found, "finish the upgrade: docs/upgrades.md has the order")
    elif releases:
        yield good("releases", f"all are {release}")


async def check_served(vendor: str, redis: Redis, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Look whether a worker serves a vendor for which something waits, and at limits set by hand."""
    try:
        policy = limit_policy(vendor, own_environment(environ, vendor))
    except SettingsError:
        return []
    found = [*judge_live(vendor, await Limiter(redis, vendor, policy).snapshot(), environ)]
    seen = await processes(redis, await server_ms(redis))
    is_served = any(vendor in one.process.serves and one.process.role == "worker" for one in seen if not one.is_silent)
    indexes = Indexes(redis, vendor)
    oldest, newer = await indexes.oldest_open(), await indexes.newer_count()
    if oldest is not None and not is_served:
        found.append(
            wrong(vendor, "commands wait, and no worker serves it", f"start its worker (queue vendor.{vendor})")
        )
    if newer:
        advice = "upgrade the workers, or step back no further: docs/upgrades.md"
        found.append(warning(vendor, f"{newer} commands wait for a worker of a newer release", advice))
    if is_served and not found:
        found.append(good(vendor, "a worker serves it"))
    return found
