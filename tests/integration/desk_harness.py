"""A dead-letter desk with letters as a night leaves them: on the real ledger, with the evidence that a worker keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tasks.dead_letters import DeadLetters
from tasks.directory import Thing, ThingType, directory_prefix
from tasks.ledger import Ledger, prefix_of
from tasks.records import State
from tasks.registry import command_type, parse_command
from tasks.submit import to_new_command
from tests.integration.command_api_harness import ROLE_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from tasks.records import NewCommand
    from tests.integration.command_api_harness import Door

PATH: Final = "/v1/dead-letters"
DESK: Final = {"Authorization": f"Bearer {ROLE_TOKENS['operate']}"}
BY: Final = "operate-only"
PART: Final = "4kd1m0q7x3c9v5b2n8hj6gtrwz"
SHELF: Final = "0sh3fa7e1xq9zr5t2w8y4mnbcg"
BIN: Final = "2bnk8v4c6x1z3q5w7r9t0ymhjg"
NAMES: Final = {PART: "RC0603-10R", SHELF: "A-03-2", BIN: "Bench 4"}
EVENT_MS: Final = 1_790_000_000_000
OWNER: Final = "partsbox-1@relay:77:0"
LEASE_SECONDS: Final = 600.0
#: One request and its answer, as a worker keeps them.
ADDED: Final = {
    "operation": "stock/add",
    "request": {"stock/part-id": PART, "stock/storage-id": SHELF, "stock/quantity": 5},
    "status": None,
    "answer": None,
    "elapsed_ms": 30_000,
}
REFUSED: Final = {
    "operation": "stock/remove",
    "request": {"stock/part-id": PART, "stock/storage-id": SHELF, "stock/quantity": 25},
    "status": 400,
    "answer": {"status/code": 400, "status/message": "not enough stock: 3 left"},
    "elapsed_ms": 212,
}


@dataclass
class Night:
    """The ledger, and a worker's hands on it."""

    redis: Redis
    #: Of the last command: each is its own event.
    moment_ms: int = EVENT_MS
    _ledgers: dict[str, Ledger] = field(default_factory=dict)

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.redis)

    def ledger(self, vendor: str = "partsbox") -> Ledger:
        return self._ledgers.setdefault(vendor, Ledger(self.redis, vendor))

    def command(self, kind: str = "stock.add", **fields: Any) -> NewCommand:
        self.moment_ms += 1
        usual = {"part_id": PART, "storage_id": SHELF, "quantity": 5} if kind in ("stock.add", "stock.remove") else {}
        command = parse_command(kind, {"stock_timestamp": self.moment_ms, **usual, **fields})
        return to_new_command(command, command.key(), "station-1")

    async def admit(self, kind: str = "stock.add", **fields: Any) -> str:
        """Accept a command; returns its key."""
        new = self.command(kind, **fields)
        await self.ledger(command_type(kind).vendor).admit([new])
        return new.key

    async def rejected(
        self, kind: str = "stock.remove", *, reason: str = "not enough stock: 3 left", **given: Any
    ) -> str:
        """Let a vendor refuse a command that was sent."""
        ledger = self.ledger(command_type(kind).vendor)
        key = await self.admit(kind, **given)
        await ledger.claim(key, OWNER, LEASE_SECONDS)
        await ledger.intent(key, OWNER, {"timestamps": [EVENT_MS - 5, EVENT_MS - 4]})
        seen = {"what": "rejected", "attempt": 1, "owner": OWNER, "note": reason, "before": {"stock_entries": 2}}
        await ledger.settle(key, OWNER, State.REJECTED, reason=reason, evidence={**seen, "exchange": REFUSED})
        return key

    async def held(self, **fields: Any) -> str:
        """Cut the answer to a stock addition, and let the look-up find something that nobody can decide about."""
        ledger = self.ledger()
        key = await self.admit("stock.add", **fields)
        await ledger.claim(key, OWNER, LEASE_SECONDS)
        await ledger.intent(key, OWNER, {"timestamps": [EVENT_MS - 5]})
        seen = {"attempt": 1, "owner": OWNER, "before": {"stock_entries": 1}}
        lost = {**seen, "what": "in doubt", "note": "TimeoutError: no answer within 30 s", "exchange": ADDED}
        await ledger.doubt(key, OWNER, 0, reason="no answer within 30 s", evidence=lost)
        await ledger.claim(key, OWNER, LEASE_SECONDS)
        reason = "outcome unknown: an entry like it is there, without a marker"
        entry = {"part_id": PART, "timestamp_ms": EVENT_MS + 20_000, "quantity": 5, "storage_id": SHELF, "lot_id": None}
        found = {
            **seen,
            "what": "held",
            "note": reason,
            "after": [{**entry, "comments": "booked by hand", "user": "ada"}],
        }
        await ledger.settle(key, OWNER, State.HELD, reason=reason, evidence=found)
        return key

    async def damaged(self) -> str:
        """Spoil the record of a held command."""
        key = await self.held(part_id="9" * 26)
        await self.redis.hset(prefix_of("partsbox") + "cmd:" + key, "attempts", "many")
        return key

    async def apply(self, key: str) -> None:
        """Let a worker do a command that may run."""
        await self.ledger().claim(key, OWNER, LEASE_SECONDS)
        await self.ledger().settle(key, OWNER, State.APPLIED)

    async def state(self, key: str) -> str | None:
        """Tell what the ledger says of a command."""
        for vendor in ("partsbox", "partium"):
            found = await self.redis.hget(prefix_of(vendor) + "cmd:" + key, "state")
            if found is not None:
                return str(found)
        return None

    async def name_things(self, names: Mapping[str, str] = NAMES) -> None:
        """Write the names of the ids into the directory, as a worker does."""
        prefix = directory_prefix("partsbox")
        types = {PART: ThingType.PART}
        things: dict[Any, Any] = {
            one: Thing(one, types.get(one, ThingType.STORAGE), name).to_json() for one, name in names.items()
        }
        head: dict[Any, Any] = {"generation": "g", "refreshed_ms": "1", "counts": json.dumps({}), "codes": 0}
        await self.redis.hset(prefix + "head", mapping=head)
        await self.redis.hset(prefix + "g:things", mapping=things)


async def ask(door: Door, path: str = "", **query: Any) -> tuple[int, dict[str, Any]]:
    """Get something of the desk."""
    async with door.session.get(door.url + PATH + path, params=query, headers=DESK) as answer:
        return answer.status, await answer.json(content_type=None)


async def decide(door: Door, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """Post something to the desk."""
    status, _, document = await door.post(body, PATH + path, **DESK)
    return status, document


async def listed(door: Door, **query: Any) -> list[str]:
    """Give the keys of a page of the list."""
    status, found = await ask(door, **query)
    assert status == 200, found
    return [letter["key"] for letter in found["dead_letters"]]
