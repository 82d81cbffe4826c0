"""Deliveries that are genuine and cannot become commands: kept until a person has mended the cause and retries them."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from producers.plain_text import plain
from tasks.releases import known_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

#: A hash: id -> the delivery as JSON. Nothing removes one but a person.
KEY: Final = "sr:{hooks}:held"
#: At 256 KiB each a quarter of a gigabyte; whoever has so many has a rule to mend before more can help.
MAX_HELD: Final = 1_000
#: Headers that prove who sent it; they are checked once and kept nowhere.
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
#: What senders that sign may have beside it, such as X-Gitlab-Token and X-Api-Key.
_SECRET_ENDINGS: Final = ("api-key", "apikey", "password", "secret", "token")


class HeldFullError(Exception):
    """So many deliveries are held that no more are taken."""


@dataclass(frozen=True, slots=True)
class HeldDelivery:
    """One delivery as it came. `id` is the same on every delivery of the event; the headers are without secrets.

    The reason may quote the sender: it is made printable.
    """

    id: str
    source: str
    received_ms: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", plain(self.reason))

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "body": base64.b64encode(self.body).decode()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, in any release."""
        found: dict[str, Any] = json.loads(text)
        return cls(**{**known_fields(cls, found), "body": base64.b64decode(found["body"])})


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave out what proves who sent it, and what is no text (a header may hold any byte)."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in headers.items() if not _is_secret(name)}


def _is_secret(name: str) -> bool:
    is_proof = "signature" in name or "hmac" in name
    return is_proof or name in _SECRET_HEADERS or name.endswith(_SECRET_ENDINGS)


class HeldDeliveries:
    """The held deliveries in Redis. Redis errors come as they are; every step may be repeated."""

    def __init__(self, redis: Redis, *, limit: int = MAX_HELD) -> None:
        self._redis = redis
        self._limit = limit

    async def put(self, delivery: HeldDelivery) -> bool:
        """Keep one; False when it is there already. Raises HeldFullError."""
        if await cast("Any", self._redis.hexists(KEY, delivery.id)):
            return False
        if await cast("Any", self._redis.hlen(KEY)) >= self._limit:
            raise HeldFullError(f"{self._limit} deliveries are held already")
        return bool(await cast("Any", self._redis.hsetnx(KEY, delivery.id, delivery.to_json())))

    async def all(self) -> tuple[HeldDelivery, ...]:
        """List them, oldest first."""
        found = await cast("Any", self._redis.hvals(KEY))
        return tuple(sorted(map(HeldDelivery.from_json, found), key=lambda held: (held.received_ms, held.id)))

    async def find(self, id_: str) -> HeldDelivery | None:
        """Look one up."""
        found = await cast("Any", self._redis.hget(KEY, id_))
        return None if found is None else HeldDelivery.from_json(found)

    async def remove(self, id_: str) -> bool:
        """Forget one; False when there is none."""
        return bool(await cast("Any", self._redis.hdel(KEY, id_)))
