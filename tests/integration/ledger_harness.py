"""A ledger under test: invented commands, time made to pass by hand, the whole database as a value, and its rules."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from tasks.ledger import Ledger, prefix_of
from tasks.records import Claim, NewCommand, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from redis.asyncio import Redis

VENDOR: Final = "partsbox"
PREFIX: Final = prefix_of(VENDOR)
QUEUE: Final = "vendor.partsbox"
LEASE_SECONDS: Final = 60.0
#: Longer than any test.
LONG_SECONDS: Final = 3_600.0

_SERIAL: Final = itertools.count()
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"


def new_key() -> str:
    """Invent a key of the right form, never the same one twice."""
    number = next(_SERIAL)
    letters = [_BASE32[number >> shift & 31] for shift in range(0, 100, 5)]
    return "".join(reversed(letters))


def command(*lanes: str, key: str | None = None, kind: str = "stock.add", digest: str = "d") -> NewCommand:
    return NewCommand(
        key=key or new_key(),
        kind=kind,
        command='{"quantity": 1}',
        summary='add 1 of part "x"…',
        lanes=lanes or ("part:a",),
        digest=digest,
        client="test",
    )


def child_of(order_lane: str, part_lane: str) -> NewCommand:
    return command(order_lane, part_lane, kind="order.receive_line")


async def dump(redis: Redis) -> dict[str, Any]:
    """Read every key of the database with its type, content and whether it expires."""
    names = sorted(cast("list[str]", await redis.keys("*")))
    pipeline: Any = redis.pipeline()
    for name in names:
        pipeline.type(name)
    kinds = await pipeline.execute()
    for name, kind in zip(names, kinds, strict=True):
        match kind:
            case "string":
                pipeline.get(name)
            case "hash":
                pipeline.hgetall(name)
            case "list":
                pipeline.lrange(name, 0, -1)
            case "zset":
                pipeline.zrange(name, 0, -1, withscores=True)
            case "stream":
                pipeline.xrange(name)
        pipeline.ttl(name)
    answers = iter(await pipeline.execute())
    return {
        name: (kind, content, ttl >= 0) for name, kind, content, ttl in zip(names, kinds, answers, answers, strict=True)
    }


@dataclass
class Desk:
    """A ledger with a person's and a worker's hands on it."""

    redis: Redis
    ledger: Ledger
    _owners: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def at(cls, redis: Redis) -> Desk:
        return cls(redis, Ledger(redis, VENDOR))

    async def admit(self, *lanes: str, kind: str = "stock.add") -> str:
        new = command(*lanes, kind=kind)
        await self.ledger.admit([new])
        return new.key

    async def claim(self, key: str, owner: str = "") -> tuple[str, Claim]:
        owner = owner or f"owner{next(self._owners)}"
        return owner, await self.ledger.claim(key, owner, LEASE_SECONDS)

    async def claimed(self, key: str) -> str:
        """Claim a command that must be claimable; returns the owner."""
        owner, claim = await self.claim(key)
        assert claim.record is not None, claim.verdict
        return owner

    async def sent(self, key: str) -> str:
        owner = await self.claimed(key)
        await self.ledger.intent(key, owner, {"timestamps": [1]})
        return owner

    async def in_doubt(self, key: str) -> str:
        """Bring a ready command into doubt that is due; returns the owner that put it there."""
        owner = await self.sent(key)
        await self.ledger.doubt(key, owner, 0, reason="cut")
        return owner

    async def finish(self, key: str, state: State) -> str:
        owner = await self.claimed(key)
        await self.ledger.settle(key, owner, state, reason="the vendor's words")
        return owner

    async def state(self, key: str) -> State:
        return State(cast("str", await self.redis.hget(PREFIX + "cmd:" + key, "state")))

    async def lane(self, name: str) -> list[str]:
        return cast("list[str]", await self.redis.lrange(PREFIX + "lane:" + name, 0, -1))

    async def index(self, name: str) -> list[str]:
        return cast("list[str]", await self.redis.zrange(PREFIX + name, 0, -1))

    async def events(self, key: str) -> list[str]:
        entries = cast("list[tuple[str, dict[str, str]]]", await self.redis.xrange(PREFIX + "events"))
        return [fields["state"] for _, fields in entries if fields["key"] == key]

    # deliveries

    async def hints(self) -> list[str]:
        """List the keys that the queue hints at, in the order a worker would get them."""
        messages = cast("list[str]", await self.redis.lrange(QUEUE, 0, -1))
        return [json.loads(message)["headers"]["id"] for message in reversed(messages)]

    async def take_hint(self) -> str | None:
        message = cast("str | None", await self.redis.rpop(QUEUE))
        return None if message is None else cast("str", json.loads(message)["headers"]["id"])

    async def take_hints(self) -> None:
        await self.redis.delete(QUEUE)

    # time: the ledger's clock is Redis' own, so what it is compared with is moved instead

    async def end_lease(self, key: str) -> None:
        await self.redis.hset(PREFIX + "cmd:" + key, "lease_ms", "1")
        await self.redis.zadd(PREFIX + "sending", {key: 1}, xx=True)

    async def come_due(self, key: str) -> None:
        await self.redis.hset(PREFIX + "cmd:" + key, "due_ms", "1")
        for index in ("delayed", "doubt"):
            await self.redis.zadd(PREFIX + index, {key: 1}, xx=True)

    async def age_hint(self, key: str) -> None:
        """Let the hint be old enough to be missed, were it not in the queue any more."""
        await self.redis.zadd(PREFIX + "ready", {key: 1}, xx=True)
        if await self.redis.hexists(PREFIX + "cmd:" + key, "hinted_ms"):
            await self.redis.hset(PREFIX + "cmd:" + key, "hinted_ms", "1")
        await self.redis.zadd(PREFIX + "doubt", {key: 1}, xx=True)


async def refused(desk: Desk, error: type[Exception], step: Callable[[], Awaitable[Any]]) -> None:
    """Assert that a step is refused and changes nothing at all."""
    before = await dump(desk.redis)
    with pytest.raises(error):
        await step()
    assert await dump(desk.redis) == before


def _commands(found: dict[str, Any]) -> dict[str, dict[str, str]]:
    start = PREFIX + "cmd:"
    return {name.removeprefix(start): content[1] for name, content in found.items() if name.startswith(start)}


def _members(found: dict[str, Any], index: str) -> set[str]:
    return {key for key, _ in found[PREFIX + index][1]} if PREFIX + index in found else set()


def _lanes(found: dict[str, Any]) -> dict[str, list[str]]:
    start = PREFIX + "lane:"
    return {name.removeprefix(start): content[1] for name, content in found.items() if name.startswith(start)}


def _in_lanes(fields: dict[str, str]) -> bool:
    if fields["state"] == "waiting":
        return "total" not in fields
    return fields["state"] in ("ready", "delayed", "sending", "in_doubt", "held")


def check(found: dict[str, Any]) -> None:
    """Assert what must be true of the ledger between any two steps."""
    commands = _commands(found)
    by_state = {state.value: {key for key, fields in commands.items() if fields["state"] == state} for state in State}
    counts = {state: int(count) for state, count in found.get(PREFIX + "counts", ("", {}, 0))[1].items() if int(count)}
    assert counts == Counter(fields["state"] for fields in commands.values())
    leased = {key for key, fields in commands.items() if "lease_ms" in fields}
    assert leased == {key for key, fields in commands.items() if "owner" in fields}
    assert _members(found, "sending") == leased
    assert by_state["sending"] <= leased <= by_state["sending"] | by_state["in_doubt"]
    assert _members(found, "ready") == by_state["ready"]
    assert _members(found, "delayed") == by_state["delayed"]
    assert _members(found, "doubt") == by_state["in_doubt"] - leased
    forgotten = {key for key in commands if found[PREFIX + "cmd:" + key][2]}
    assert _members(found, "dead") == (by_state["rejected"] | by_state["held"]) - forgotten
    assert forgotten == by_state["applied"] | by_state["cancelled"] | (by_state["rejected"] - _members(found, "dead"))
    _check_lanes(found, commands)


def _check_lanes(found: dict[str, Any], commands: dict[str, dict[str, str]]) -> None:
    lanes = _lanes(found)
    standing = {(lane, key) for lane, keys in lanes.items() for key in keys}
    assert len(standing) == sum(map(len, lanes.values()))
    assert standing == {
        (lane, key) for key, fields in commands.items() if _in_lanes(fields) for lane in json.loads(fields["lanes"])
    }
    waits_for: dict[str, set[str]] = {}
    for key, fields in commands.items():
        if not _in_lanes(fields):
            continue
        names: Sequence[str] = json.loads(fields["lanes"])
        heads = {lanes[lane][0] for lane in names} - {key}
        if fields["state"] == "waiting":
            assert int(fields["blocked"]) == sum(lanes[lane][0] != key for lane in names) > 0
            waits_for[key] = heads
        else:
            assert not heads, f"{key} is {fields['state']} and not the head of its lanes"
    for key in waits_for:
        _check_no_circle(key, waits_for)


def _check_no_circle(key: str, waits_for: dict[str, set[str]]) -> None:
    seen: set[str] = set()
    edge = {key}
    while edge:
        edge = {head for name in edge for head in waits_for.get(name, ())} - seen
        assert key not in edge, f"{key} waits for itself"
        seen |= edge
