"""Runs the operator's program against a real server, with states that the ledger itself has made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from click.testing import CliRunner, Result

from tasks.ledger import Ledger
from tasks.records import NewCommand, State
from tasks.registry import parse_command
from tasks.submit import to_new_command
from workers.cli import main

if TYPE_CHECKING:
    from redis.asyncio import Redis

VENDOR: Final = "partsbox"
#: Invented identities in the vendor's form.
PART: Final = "0123456789abcdefghjkmnpqrs"
OTHER_PART: Final = "1123456789abcdefghjkmnpqrs"
STORAGE: Final = "2123456789abcdefghjkmnpqrs"
ORDER: Final = "3123456789abcdefghjkmnpqrs"
EVENT_MS: Final = 1_790_000_000_000
OWNER: Final = "host-1:77:0"
LEASE_SECONDS: Final = 60.0
#: One request and its answer, as the worker keeps them.
EXCHANGE: Final = {
    "operation": "stock/add",
    "request": {"stock/part-id": PART, "stock/quantity": 5},
    "status": 200,
    "answer": {"data": {"stock/quantity": 5}},
    "elapsed_ms": 31,
}


def command(number: int, kind: str = "stock.add", **fields: Any) -> NewCommand:
    """Make a command whose event happened `number` milliseconds after the first."""
    payload = {"stock_timestamp": EVENT_MS + number, "part_id": PART, "storage_id": STORAGE, "quantity": 5, **fields}
    parsed = parse_command(kind, {name: value for name, value in payload.items() if value is not None})
    return to_new_command(parsed, parsed.key(), "station-1")


@dataclass(frozen=True, slots=True)
class Operator:
    """A person at the command line, and the ledger that the program works on."""

    url: str
    ledger: Ledger

    async def run(self, *words: str, code: int = 0, env: dict[str, str] | None = None) -> Result:
        """Run the program; fails when its exit code is another."""
        given = {"REDIS_URL": self.url, "COLUMNS": None, "NO_COLOR": None, **(env or {})}
        # the program brings its own event loop, so it needs a thread without one
        result = await asyncio.to_thread(CliRunner().invoke, main, words, env=given)
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        return result

    async def json(self, *words: str, code: int = 0) -> Any:
        """Run the program with --json and read what it prints."""
        return json.loads((await self.run(*words, "--json", code=code)).stdout)

    async def admit(self, *commands: NewCommand) -> tuple[str, ...]:
        """Accept commands and return their keys."""
        return tuple(admission.key for admission in await self.ledger.admit(commands))

    async def claimed(self, command: NewCommand) -> str:
        """Accept a command and let a worker take it."""
        (key,) = await self.admit(command)
        await self.ledger.claim(key, OWNER, LEASE_SECONDS)
        return key

    async def dead(self, command: NewCommand, state: State = State.REJECTED, **ending: Any) -> str:
        """Accept a command and end it as a dead letter."""
        key = await self.claimed(command)
        await self.ledger.settle(key, OWNER, state, **{"reason": "quantity: not enough stock", **ending})
        return key


def operator(url: str, redis: Redis) -> Operator:
    """Put a person in front of the server."""
    return Operator(url, Ledger(redis, VENDOR))
