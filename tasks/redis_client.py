"""Opening Redis so that a dead server is noticed within seconds, and telling how durable it is.

Where the server wants replicas to follow it (`min-replicas-to-write`), a write counts once so many of them have it:
replication is asynchronous, and a replica that takes over must know what was acknowledged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio.client import Pipeline

#: A half-open connection is noticed after this long; the vendor calls go on meanwhile.
SOCKET_TIMEOUT_SECONDS: Final = 5.0
CONNECT_TIMEOUT_SECONDS: Final = 2.0
#: Idle connections are checked, since a server that went away leaves them half open.
HEALTH_CHECK_SECONDS: Final = 10
#: Of one process; hundreds of commands at once share them, and wait their turn.
MAX_CONNECTIONS: Final = 64
POOL_TIMEOUT_SECONDS: Final = 20.0
_REPLICAS_SETTING: Final = "min-replicas-to-write"

#: Options that the ledger's client and Celery's read alike; with any other the two would not talk to one server.
_TLS_OPTIONS: Final = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_NOT_AN_ADDRESS: Final = (
    "not an address like redis://host:6379/0; in user and password write # as %23, / as %2F, ? as %3F"
)


class InsecureRedisError(ValueError):
    """The URL asks for TLS without asking for a verified certificate."""


def check_address(url: str) -> None:
    """Refuse what the ledger's client and Celery would not both take for the same server; nothing is quoted.

    Raises InsecureRedisError for `rediss://` without `ssl_cert_reqs=required`, which would verify nothing, and
    ValueError for everything else.
    """
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\x00-\x20\x7f]", url)
    except ValueError:  # it quotes a part of the password
        raise ValueError(_NOT_AN_ADDRESS) from None
    # an unescaped # or / or ? ends the host, and the rest of the password shows up behind it
    if not is_complete or parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(_NOT_AN_ADDRESS)
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("must be redis:// or rediss://; the ledger and Celery have no other in common")
    if not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path):
        raise ValueError(_NOT_AN_ADDRESS)
    options = parse_qs(parts.query, keep_blank_values=True)
    if options.keys() - (_TLS_OPTIONS if parts.scheme == "rediss" else set()):
        raise ValueError(
            f"has an option it may not have; known, and for rediss:// only: {', '.join(sorted(_TLS_OPTIONS))}"
        )
    if parts.scheme == "rediss" and options.get("ssl_cert_reqs") != ["required"]:
        raise InsecureRedisError("rediss:// needs ?ssl_cert_reqs=required, else no certificate is verified")


class _Packing(AbstractConnection):
    """Writes commands by hiredis, as redis-py itself does on connections that are not asyncio's: six times as fast.

    A connection that was lost is a redis-py `ConnectionError` on every event loop.
    """

    #: How many replicas this server wants to have a write, 0 where it does not say or this login may not wait for them.
    replicas = 0

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's
        await super().on_connect_check_health(check_health)
        self.replicas = _count(await self._told("CONFIG", "GET", _REPLICAS_SETTING))
        if self.replicas and isinstance(await self._told("WAIT", "0", "0"), NoPermissionError):
            self.replicas = 0  # `durability_of` says so, to whoever asks

    async def _told(self, *words: str) -> Any:
        await self.send_command(*words, check_health=False)
        try:
            return await self.read_response()
        except ResponseError as error:
            return error

    def pack_command(self, *args: Any) -> list[bytes]:
        try:
            return [hiredis.pack_command((*args[0].encode().split(), *args[1:]))]
        except (TypeError, AttributeError, UnicodeEncodeError):  # what only redis-py's own encoder takes, or refuses
            return super().pack_command(*args)

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(piece for command in commands for piece in self.pack_command(*command))]

    async def _send_packed_command(self, command: Iterable[bytes]) -> None:
        # asyncio refuses a connection that was lost by an OSError, uvloop by a RuntimeError, which would be our fault
        if self._writer is None or self._writer.is_closing():
            raise ConnectionResetError("the connection was lost")
        await super()._send_packed_command(command)


class _Pool(BlockingConnectionPool):
    """Its connections know what their server wants."""


def open_redis(url: str) -> Redis:
    """Open a client for the URL; nothing is sent before its first command. Raises as `check_address`."""
    check_address(url)
    pool = _Pool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_TIMEOUT_SECONDS,
        decode_responses=True,
        # a damaged byte shows as one, and no longer parses, instead of stopping whoever reads it
        encoding_errors="backslashreplace",
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        health_check_interval=HEALTH_CHECK_SECONDS,
    )
    pool.connection_class = _packing(cast("Any", pool.connection_class))
    return Redis.from_pool(pool)


@cache
def _packing(kind: Any) -> type[AbstractConnection]:
    """Give the kind of connection, that of TLS for instance, which packs."""
    return type(f"Packing{kind.__name__}", (_Packing, kind), {})


async def bind(pipeline: Pipeline) -> int:
    """Give the pipeline its connection; tells how many replicas that one's server wants to have a write.

    Always 0 for a client that `open_redis` has not opened.
    """
    if not isinstance(pipeline.connection_pool, _Pool):
        return 0
    connection: Any = await pipeline.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    pipeline.connection = connection
    return cast("_Packing", connection).replicas


def _count(told: Any) -> int:
    """Read the answer to a `CONFIG GET` of one number, a map (RESP3) or a list (RESP2); 0 for any other answer."""
    values = list(told.values()) if isinstance(told, dict) else told[1:] if isinstance(told, list) else []
    return int(values[0]) if values and str(values[0]).isdigit() else 0


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


#: Design section 1: an acknowledged command survives the death of the server; with replicas, also its machine's.
_NEEDED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


async def durability_of(redis: Redis) -> Durability:
    """Ask the server for the settings that the promise rests on, and whether this login may wait for replicas."""
    found: dict[str, str] = {}
    for name in _NEEDED:
        found.update(cast("dict[str, str]", await redis.config_get(name)))
    weak = {name: (found.get(name, "unknown"), need) for name, need in _NEEDED.items() if found.get(name) != need}
    if await replicas_wanted(redis):
        try:
            await redis.wait(0, 0)
        except NoPermissionError:
            weak["WAIT"] = ("forbidden", "allowed")
    return Durability(weak)


async def replicas_wanted(redis: Redis) -> int:
    """Tell how many replicas are to have a write before it counts: `min-replicas-to-write` of the server."""
    return _count(await redis.config_get(_REPLICAS_SETTING))


async def server_ms(redis: Redis) -> int:
    """Tell the time of the Redis server in UTC milliseconds: the clock of every time in the ledger."""
    seconds, micros = await redis.time()
    return seconds * 1000 + micros // 1000
