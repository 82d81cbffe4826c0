"""From the spool to the ledger: what each entry of the spool is, and how it is handed over when Redis is back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from redis.exceptions import RedisError

from producers.handover import Refused, Taken, Unavailable
from producers.relays import LEDGER_SECONDS, LedgerRelay
from producers.webhooks.held import HeldDelivery, HeldFullError
from producers.webhooks.problems import ProblemError
from tasks.registry import parse_command
from tasks.releases import known_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.handover import Answer, Status
    from producers.outbox import Stored
    from producers.relays import Submits
    from producers.webhooks.held import HeldDeliveries
    from producers.webhooks.moments import Moments
    from tasks.commands import Command

#: Held deliveries wait for nothing and nobody: each has a lane of its own.
HELD_LANE: Final = "held:"
#: What a body has beside the command's kind and fields.
OPTIONS: Final = frozenset({"client", "idempotency_key"})


class Durable(Protocol):
    """Tells whether the ledger would keep what it accepts now."""

    async def require_durable(self) -> None:
        """Return when it would; else raise a ProblemError, or Redis' own error."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry of the spool is from. `event_key` names the event it is a command of, `place` its place there."""

    client: str
    event_key: str = ""
    place: int = 0
    #: The sender told the moment. Otherwise it is when the event came first, which only Redis knows for sure.
    is_told: bool = False
    #: A held delivery and no command.
    is_held: bool = False
    #: The `traceparent` that it came with.
    trace: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, in any release."""
        return cls(**known_fields(cls, json.loads(text)))


def to_body(command: Command, client: str, idempotency_key: str | None) -> str:
    """Write a command as the spool keeps it and the relay hands it over."""
    fields: dict[str, Any] = {"kind": command.kind, **command.model_dump(mode="json", exclude_none=True)}
    options = {"client": client} if idempotency_key is None else {"client": client, "idempotency_key": idempotency_key}
    return json.dumps({**fields, **options})


def key_of(stored: Stored) -> str:
    """Derive the key of the command in an entry."""
    fields = {name: value for name, value in json.loads(stored.body).items() if name not in OPTIONS}
    return parse_command(fields.pop("kind"), fields).key()


class SpoolRelay:
    """Hands over commands as `LedgerRelay` does, each with the first moment of its event, and held deliveries."""

    def __init__(self, ledger: Submits, readiness: Durable, moments: Moments, held: HeldDeliveries) -> None:
        self._relay = LedgerRelay(ledger, is_ready=self._why_not)
        self._readiness = readiness
        self._moments = moments
        self._held = held

    async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
        """Hand a batch over; one answer for each, in their order."""
        commands = [stored for stored in batch if not Origin.from_json(stored.origin).is_held]
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                ready = await asyncio.gather(*map(self.with_first_moment, commands))
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            reason = f"the ledger does not answer ({type(error).__name__})"
            return (Unavailable(reason, unreached=True),) * len(batch)
        answers = {stored.seq: answer for stored, answer in zip(ready, await self._submit(ready), strict=True)}
        return [answers.get(stored.seq) or await self._hold(stored) for stored in batch]

    async def status(self, keys: Sequence[str]) -> Mapping[str, Status] | Unavailable:
        """Look commands up in the ledger."""
        return await self._relay.status(keys)

    async def with_first_moment(self, stored: Stored) -> Stored:
        """Give the entry with the moment at which its event came first, which may have been before Redis went."""
        origin = Origin.from_json(stored.origin)
        if not origin.event_key or origin.is_told:
            return stored
        moment_ms = await self._moments.first(origin.event_key, stored.stock_timestamp - origin.place) + origin.place
        if moment_ms == stored.stock_timestamp:
            return stored
        body = json.dumps({**json.loads(stored.body), "stock_timestamp": moment_ms})
        return replace(stored, stock_timestamp=moment_ms, body=body)

    async def _submit(self, commands: Sequence[Stored]) -> Sequence[Answer]:
        return await self._relay.submit(commands) if commands else ()

    async def _hold(self, stored: Stored) -> Answer:
        if why_not := await self._is_away():
            return Unavailable(why_not, unreached=True)
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                return Taken(duplicate=not await self._held.put(HeldDelivery.from_json(stored.body)))
        except HeldFullError as error:
            return Unavailable(str(error), alone=True)
        except ValueError as error:
            return Refused(f"the entry of the spool cannot be read: {type(error).__name__}")
        except (RedisError, OSError) as error:
            return Unavailable(f"the ledger does not answer ({type(error).__name__})")

    async def _is_away(self) -> str:
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                return await self._why_not()
        except (RedisError, OSError) as error:
            return f"the ledger does not answer ({type(error).__name__})"

    async def _why_not(self) -> str:
        """Say why nothing may be handed over now: a Redis that would lose it counts as away."""
        try:
            await self._readiness.require_durable()
        except ProblemError as error:
            return error.detail
        return ""
