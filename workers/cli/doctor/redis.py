"""Redis as it is found: whether it answers, keeps what it acknowledges, has room, and what time it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from tasks.redis_client import durability_of, replicas_wanted, server_ms
from workers.cli.doctor.findings import Finding, good, unchecked, warning, wrong
from workers.cli.relay import LOGIN_ERRORS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

#: Functions that the ledger's scripts use came with it.
OLDEST_VERSION: Final = 7
#: Further apart, and times of the ledger and of the logs no longer tell the same story.
NOTED_SKEW_SECONDS: Final = 2.0
#: Events of a day ahead are refused; an hour is a wrong time zone.
WRONG_SKEW_SECONDS: Final = 600.0
#: Shares of the memory that may be used.
NOTED_MEMORY: Final = 0.75
FULL_MEMORY: Final = 0.95
_UPGRADE: Final = f"use Redis {OLDEST_VERSION} or newer, or Valkey"
_MIB: Final = 2**20


async def check_server(redis: Redis) -> Sequence[Finding]:
    """Ask whether it is there, lets us in, and is new enough."""
    try:
        told = cast("Any", await redis.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    except LOGIN_ERRORS:
        return [wrong("redis", "refuses this login", "check user and password in REDIS_URL")]
    except ResponseError:
        return [wrong("redis", "does not know HELLO: older than version 6, or no Redis", _UPGRADE)]
    except (RedisError, OSError) as error:
        advice = "check REDIS_URL, that the server runs, and that this machine may reach it"
        return [wrong("redis", f"cannot be reached ({type(error).__name__})", advice)]
    text = str(_mapped(told).get("version", ""))
    match = re.match(r"\d+", text)
    if match is None:
        return [unchecked("redis", "answers, and does not tell its version", f"it must be {OLDEST_VERSION} or newer")]
    if int(match.group()) < OLDEST_VERSION:
        return [wrong("redis", f"version {match.group()}", _UPGRADE)]
    return [good("redis", f"answers, version {re.sub(r'[^0-9.]', '', text)}")]


def _mapped(answer: Any) -> dict[str, Any]:
    """Read what came as a map (RESP3) or as names and values in turn (RESP2)."""
    if isinstance(answer, dict):
        return {str(name): value for name, value in answer.items()}
    return dict(zip(map(str, answer[::2]), answer[1::2], strict=True))


async def check_durability(redis: Redis, *, allow_weak: bool) -> Sequence[Finding]:
    """Ask whether an acknowledged command survives the server's death."""
    try:
        durability = await durability_of(redis)
    except ResponseError:
        advice = "appendonly yes, appendfsync always, maxmemory-policy noeviction; or allow `CONFIG GET` to this user"
        return [unchecked("durability", "CONFIG GET is not allowed to this user", advice)]
    if durability.is_durable:
        return [good("durability", "every accepted command is on disk before it is acknowledged")]
    settings = ", ".join(f"{name} {need}" for name, (_, need) in durability.weak.items() if name != "WAIT")
    found = f"accepted commands can be lost: {durability}"
    make = warning if allow_weak else wrong
    advice = f"set in the server's configuration: {settings}" if settings else "give this user the right `+wait`"
    return [make("durability", found, advice)]


async def check_replicas(redis: Redis) -> Sequence[Finding]:
    """Ask whether a replica that takes over would know what was acknowledged; nothing to say where there is none."""
    try:
        if wanted := await replicas_wanted(redis):
            return [good("replicas", f"what is acknowledged is on {wanted} of them as well")]
        followers = int((await redis.info("replication"))["connected_slaves"])
    except ResponseError:  # CONFIG and INFO are often forbidden
        return []
    if not followers:
        return []
    found = f"{followers} of them, and whichever takes over may lack what was acknowledged"
    return [warning("replicas", found, "set min-replicas-to-write 1 on the server, and on them")]


async def check_memory(redis: Redis) -> Sequence[Finding]:
    """Ask how much room is left: a full server refuses every write."""
    try:
        info = await redis.info("memory")
    except NoPermissionError:
        advice = "watch used_memory against maxmemory; an administrator may ask"
        return [unchecked("memory", "INFO is not allowed to this user", advice)]
    used, limit = int(info["used_memory"]), int(info.get("maxmemory", 0))
    of = "maxmemory"
    if not limit:
        limit, of = int(info.get("total_system_memory", 0)), "the machine's memory (maxmemory is not set)"
    if not limit:
        return [unchecked("memory", f"{used // _MIB} MiB used, and no limit is told", "watch the machine's memory")]
    share = used / limit
    found = f"{used // _MIB} of {limit // _MIB} MiB used, {share:.0%} of {of}"
    advice = "raise maxmemory, or shorten STOCKRELAY_LEDGER_RETENTION_DAYS: a full server accepts nothing"
    if share >= FULL_MEMORY:
        return [wrong("memory", found, advice)]
    return [warning("memory", found, advice) if share >= NOTED_MEMORY else good("memory", found)]


async def check_clock(redis: Redis, clock_ms: Callable[[], int]) -> Sequence[Finding]:
    """Compare this machine's clock with the server's."""
    before = clock_ms()
    there = await server_ms(redis)
    ahead = (before + clock_ms()) / 2 - there
    return [skew("clock here", ahead / 1000)]


def skew(about: str, ahead_seconds: float) -> Finding:
    """Judge how far a clock is ahead of the Redis server's."""
    words = "ahead of" if ahead_seconds > 0 else "behind"
    found = f"{abs(ahead_seconds):.1f} s {words} the Redis server's"
    advice = "let a time service (NTP) set both clocks: stations and producers stamp events with theirs"
    if abs(ahead_seconds) >= WRONG_SKEW_SECONDS:
        return wrong(about, found, advice)
    return warning(about, found, advice) if abs(ahead_seconds) >= NOTED_SKEW_SECONDS else good(about, found)


#: By role: what its programs do there, tried so that nothing changes. Of docs/security.md.
_EVERYBODY: Final = (
    ("EVAL", "return 1", "0"),
    ("TIME",),
    ("WAIT", "0", "0"),
    ("HDEL", "sr:{partsbox}:cmd:doctor", "doctor"),
    ("ZREM", "sr:{partsbox}:ready", "doctor"),
    ("XDEL", "sr:{partsbox}:events", "0-1"),
    ("SREM", "vendor.doctor", "doctor"),
)
RIGHTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "producer": (*_EVERYBODY, ("ZREM", "sr:processes", "doctor")),
    "operator": (
        *_EVERYBODY,
        ("HDEL", "sr:{partsbox}:limit:doctor", "doctor"),
        ("XLEN", "sr:parked"),
        ("ZCARD", "sr:processes"),
    ),
    "worker": (
        *_EVERYBODY,
        ("HDEL", "sr:{partsbox}:limit:doctor", "doctor"),
        ("DEL", "sr:{openbom}:session:doctor"),
        ("ZREM", "sr:processes", "doctor"),
        ("XDEL", "sr:parked", "0-1"),
        ("LLEN", "vendor.partsbox"),
        ("HDEL", "unacked", "doctor"),
        ("ZREM", "unacked_index", "doctor"),
        ("SREM", "_kombu.binding.doctor", "doctor"),
        ("PUBSUB", "NUMSUB", "/0.celeryev/worker.heartbeat"),
    ),
}


async def check_rights(redis: Redis, role: str) -> Sequence[Finding]:
    """Try, without changing anything, what a program of this role does."""
    refused = []
    for words in RIGHTS[role]:
        try:
            await cast("Awaitable[Any]", redis.execute_command(*words))  # type: ignore[no-untyped-call]
        except NoPermissionError:
            refused.append(" ".join(words[:2]))
        except ResponseError as error:
            # a server of which it is known that it refuses writes says so elsewhere
            if not str(error).startswith(("WRONGTYPE", "OOM", "READONLY", "MISCONF")):
                raise
    about = f"rights of a {role}"
    if refused:
        advice = f"give this user the line `user {role}` of docs/security.md; for another program: --role"
        return [wrong(about, f"this login may not: {', '.join(refused)}", advice)]
    return [good(about, "this login may do all that was tried")]
