"""What the ledgers hold, read straight from Redis: every command, and every step it took."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import redis

from tests.checker.evidence import Entry, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OPEN_STATES = ("waiting", "ready", "sending", "delayed", "in_doubt")
ENDED_STATES = ("applied", "rejected", "held")


class Ledgers:
    """Reads the ledgers of these vendors; a redis.RedisError comes through."""

    def __init__(self, url: str, vendors: Sequence[str]) -> None:
        self._url = url
        self._vendors = vendors

    def counts(self) -> dict[str, Counter[str]]:
        """Count the commands of each vendor by state, all at one moment: none is on its way between two ledgers."""
        with self._client() as client, client.pipeline(transaction=True) as asking:
            for vendor in self._vendors:
                asking.hgetall(f"{_prefix(vendor)}counts")
            found: list[dict[str, str]] = asking.execute()
        return {
            vendor: Counter({state: int(count) for state, count in counts.items()})
            for vendor, counts in zip(self._vendors, found, strict=True)
        }

    def entries(self, vendor: str) -> list[Entry]:
        """List every command of a vendor."""
        with self._client() as client:
            return list(_entries(client, vendor))

    def steps(self, vendor: str) -> list[Step]:
        """List every step of a vendor's commands, in their order."""
        with self._client() as client:
            events: Any = client.xrange(f"{_prefix(vendor)}events")
        return [Step(fields["key"], fields["state"], fields["reason"]) for _, fields in events]

    def story(self, vendor: str, key: str) -> dict[str, Any]:
        """Give all that is kept of a command: its fields, its steps and its evidence."""
        with self._client() as client:
            fields: Any = client.hgetall(f"{_prefix(vendor)}cmd:{key}")
            evidence: Any = client.lrange(f"{_prefix(vendor)}evidence:{key}", 0, -1)
        steps = [f"{step.state}: {step.reason}" for step in self.steps(vendor) if step.key == key]
        return {"fields": fields, "steps": steps, "evidence": [json.loads(entry) for entry in evidence]}

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self._url, decode_responses=True, socket_timeout=2)


def _prefix(vendor: str) -> str:
    return f"sr:{{{vendor}}}:"


def _entries(client: redis.Redis, vendor: str) -> Iterator[Entry]:
    fields = ("kind", "state", "reason", "parent", "attempts")
    for name in sorted(map(str, client.scan_iter(f"{_prefix(vendor)}cmd:*", count=1000))):
        found: Any = client.hmget(name, *fields)
        kind, state, reason, parent, attempts = (value or "" for value in found)
        yield Entry(vendor, name.rsplit(":", 1)[1], kind, state, reason, parent, int(attempts or 0))
