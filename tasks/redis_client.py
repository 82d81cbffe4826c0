"""Opening Redis so that a dead server is noticed within seconds, and telling how durable it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Redis

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A half-open connection is noticed after this long; the vendor calls go on meanwhile.
SOCKET_TIMEOUT_SECONDS: Final = 5.0
CONNECT_TIMEOUT_SECONDS: Final = 2.0
#: Idle connections are checked, since a server that went away leaves them half open.
HEALTH_CHECK_SECONDS: Final = 10


class InsecureRedisError(ValueError):
    """The URL asks for TLS without asking for a verified certificate."""


def open_redis(url: str) -> Redis:
    """Open a client for the URL; nothing is sent before its first command.

    Raises InsecureRedisError for `rediss://` without `ssl_cert_reqs=required`, which would verify nothing.
    """
    parts = urlsplit(url)
    if parts.scheme == "rediss" and parse_qs(parts.query).get("ssl_cert_reqs") != ["required"]:
        raise InsecureRedisError("REDIS_URL: rediss:// needs ?ssl_cert_reqs=required, else no certificate is verified")
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        health_check_interval=HEALTH_CHECK_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Durability:
    """What keeps an accepted command: the server's own settings against what the promise needs."""

    #: setting -> (what it is, what the promise needs)
    weak: Mapping[str, tuple[str, str]]

    @property
    def is_durable(self) -> bool:
        return not self.weak

    def __str__(self) -> str:
        if self.is_durable:
            return "durable"
        return "; ".join(f"{name} is {value!r}, needs {need!r}" for name, (value, need) in self.weak.items())


#: Design section 1: an acknowledged command survives the death of the server.
_NEEDED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


async def durability_of(redis: Redis) -> Durability:
    """Ask the server for the settings that the promise rests on."""
    found: dict[str, str] = {}
    for name in _NEEDED:
        found.update(cast("dict[str, str]", await redis.config_get(name)))
    return Durability(
        {name: (found.get(name, "unknown"), need) for name, need in _NEEDED.items() if found.get(name) != need}
    )
