"""The one way in for commands: into the ledger, or, while Redis is away, onto this machine's disk until it is back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from producers.delivery import Delivery
from producers.outbox import Capture, Outbox, OutboxError, OutboxFullError, OutboxState, Stored
from producers.outbox_writer import OutboxWriter
from producers.webhooks.drain import HELD_LANE, OPTIONS, Origin, SpoolRelay, key_of, to_body
from producers.webhooks.held import HeldFullError
from producers.webhooks.problems import RETRY_AFTER_SECONDS, ProblemError, unavailable
from tasks.endings import end_loops
from tasks.errors import KeyReusedError
from tasks.registry import command_type, kinds
from tasks.telemetry import LEDGER_UNREACHABLE, SPOOL_BEGUN, SPOOL_DRAINED, SPOOL_REFUSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from producers.relays import Submits
    from producers.webhooks.drain import Durable
    from producers.webhooks.held import HeldDeliveries, HeldDelivery
    from producers.webhooks.mapping import Delivered, Mapped
    from producers.webhooks.moments import Moments
    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tasks.submit import Accepted

#: Redis answers in milliseconds. Below every deadline around this, so that there is time left to spool.
LEDGER_SECONDS: Final = 2.0
#: How long a request waits for the spool to be empty while Redis takes what is in it.
PACE_SECONDS: Final = 0.5
SPOOLED: Final = "spooled"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Intaken:
    """A command that is kept: in the ledger with its state there, or `spooled`."""

    key: str
    kind: str
    state: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class SpooledRecord:
    """A command that is on this machine's disk only. `refused`: the ledger did not take it, `reason` says why."""

    key: str
    kind: str
    vendor: str
    summary: str
    client: str
    state: str
    reason: str

    def public(self) -> dict[str, Any]:
        """Give what the one who submitted it may see, as a record of the ledger does."""
        return {
            "key": self.key,
            "kind": self.kind,
            "vendor": self.vendor,
            "state": self.state,
            "summary": self.summary,
            "reason": self.reason,
        }


class Intake:
    """Accepts commands and deliveries. Use it while `running` is open.

    While anything waits in the spool, what is new goes behind it, so that each lane keeps its order.
    """

    def __init__(
        self, ledger: Submits, readiness: Durable, moments: Moments, held: HeldDeliveries, outbox: Outbox
    ) -> None:
        self._ledger = ledger
        self._readiness = readiness
        self._moments = moments
        self._held = held
        self._outbox = outbox
        self._writer = OutboxWriter(outbox)
        self._relay = SpoolRelay(ledger, readiness, moments, held)
        self._delivery = Delivery(outbox, self._relay, self._announce)
        self._is_spooling = outbox.first_undelivered() is not None
        self._storing = 0
        #: Redis is back and takes what was spooled.
        self._is_draining = False
        self._drained = asyncio.Event()
        #: First moments of events that wait in the spool; Redis gets them when it is back.
        self._waiting_moments = _moments_in(outbox)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hand over what is spooled whenever Redis is there; what is left then stays on the disk."""
        async with self._writer:
            drain = asyncio.create_task(self._delivery.deliver(), name="spool")
            try:
                yield
            finally:
                await end_loops([drain])

    @property
    def waiting(self) -> int:
        """How many commands and deliveries wait on this disk."""
        return self._outbox.count_undelivered() if self._is_spooling else 0

    async def accept(
        self, command: Command, *, idempotency_key: str | None = None, client: str, trace: str = ""
    ) -> Intaken:
        """Keep a command. Raises InvalidCommandError, KeyReusedError, and a 503 ProblemError when nothing is kept."""
        was_asked = not self._is_spooling
        if was_asked:
            try:
                async with asyncio.timeout(LEDGER_SECONDS):
                    await self._readiness.require_durable()
                    accepted = await self._ledger.submit(
                        command, idempotency_key=idempotency_key, client=client, trace=trace
                    )
                    return _intaken(accepted)
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                _ledger_is_away(error)
        capture = _capture(command, Origin(client, trace=trace), idempotency_key)
        (is_new,) = await self._spool([capture])
        if not is_new:
            self._require_same(capture)
        elif was_asked:
            self._note_asked(capture.key)
        return Intaken(capture.key, command.kind, SPOOLED, duplicate=not is_new)

    async def deliver(self, delivered: Delivered, mapped: Mapped) -> tuple[Intaken, ...]:
        """Keep the commands of an event, all or none, once however often the event comes; raises as `accept`.

        The moment is the one that the sender told, else the one at which the event came first.
        """
        moment_ms = mapped.moment_ms if mapped.is_told else None
        was_asked = not self._is_spooling
        if was_asked:
            try:
                async with asyncio.timeout(LEDGER_SECONDS):
                    await self._readiness.require_durable()
                    if moment_ms is None:
                        moment_ms = await self._moments.first(delivered.key, mapped.moment_ms)
                    return await self._submit(delivered, mapped.at(moment_ms))
            except (RedisError, OSError) as error:
                _ledger_is_away(error)
        # what came twice while Redis is away must not become two
        known_ms = self._waiting_moments.setdefault(delivered.key, moment_ms or mapped.moment_ms)
        commands = mapped.at(moment_ms or known_ms).commands
        captures = [
            _capture(
                command,
                Origin(
                    delivered.source,
                    event_key=delivered.key,
                    place=place,
                    is_told=mapped.is_told,
                    trace=delivered.trace,
                ),
                delivered.place_key(place),
            )
            for place, command in enumerate(commands)
        ]
        fresh = await self._spool(captures)
        for capture, is_new in zip(captures, fresh, strict=True):
            if not is_new:
                self._require_same(capture)
            elif was_asked:
                self._note_asked(capture.key)
        return tuple(
            Intaken(capture.key, command.kind, SPOOLED, duplicate=not is_new)
            for capture, command, is_new in zip(captures, commands, fresh, strict=True)
        )

    async def hold(self, held: HeldDelivery) -> bool:
        """Keep a delivery that cannot become commands; False when it is held already. Raises a 503 ProblemError."""
        if not self._is_spooling:
            try:
                async with asyncio.timeout(LEDGER_SECONDS):
                    await self._readiness.require_durable()
                    return await self._held.put(held)
            except HeldFullError as error:
                detail = f"{error}; an operator must look at them (stockrelay-webhooks dead ls) before more are taken"
                raise unavailable(detail) from error
            except (RedisError, OSError) as error:
                _ledger_is_away(error)
        origin = Origin(held.source, is_held=True)
        lane = f"{HELD_LANE}{held.id}"
        capture = Capture(held.id, (lane,), held.received_ms, held.to_json(), held.reason, origin.to_json())
        (is_new,) = await self._spool([capture])
        return is_new

    async def find(self, key: str) -> CommandRecord | SpooledRecord | None:
        """Look a command up, in the spool and in the ledger. Redis errors come as they are."""
        stored = self._outbox.find(key)
        if stored is not None and Origin.from_json(stored.origin).is_held:
            return None
        if stored is not None and stored.state in (OutboxState.STORED, OutboxState.REFUSED):
            return _record(stored)
        found = await self._ledger.find(key)
        if found is None and stored is not None and stored.state is OutboxState.SENT:
            # the event had come before Redis went, so that its commands have that moment
            found = await self._ledger.find(key_of(await self._relay.with_first_moment(stored)))
        return found

    def withdraw(self, key: str) -> bool:
        """Take a spooled command back; False when it is not spooled, or the ledger may have it."""
        return self._outbox.withdraw(key)

    async def _submit(self, delivered: Delivered, mapped: Mapped) -> tuple[Intaken, ...]:
        # one after the other: they may share a lane
        return tuple(
            [
                _intaken(
                    await self._ledger.submit(
                        command,
                        idempotency_key=delivered.place_key(place),
                        client=delivered.source,
                        trace=delivered.trace,
                    )
                )
                for place, command in enumerate(mapped.commands)
            ]
        )

    async def _spool(self, captures: Sequence[Capture]) -> tuple[bool, ...]:
        if not self._is_spooling:
            logger.warning(SPOOL_BEGUN)
        self._is_spooling = True
        self._storing += 1
        self._drained.clear()
        try:
            stored = await self._writer.store(*captures)
        except OutboxFullError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "spool-full",
                "the ledger does not answer and the spool is full; send the same request again, it counts once",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from error
        except OutboxError as error:
            raise unavailable("neither the ledger nor the spool can store it; send the same request again") from error
        finally:
            self._storing -= 1
            self._delivery.wake()
            self._end_if_drained()
        await self._pace()
        return stored

    async def _pace(self) -> None:
        """Slow the senders down while the spool is emptied: it must not be filled as fast as it is emptied."""
        if self._is_draining and self._is_spooling:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PACE_SECONDS):
                    await self._drained.wait()

    def _note_asked(self, key: str) -> None:
        """Note that the ledger may have the command although it gave no answer: it cannot be withdrawn any more."""
        stored = self._outbox.find(key)
        if stored is not None:
            self._outbox.offer((stored,))

    def _require_same(self, capture: Capture) -> None:
        """See to it that what stands under the key is this command and goes on waiting."""
        stored = self._outbox.find(capture.key)
        if stored is None:
            return
        if _said(stored.body) != _said(capture.body):
            raise KeyReusedError(
                f"{capture.key}: the key is used for a different command; send a new event with its own timestamp"
            )
        if stored.state is OutboxState.REFUSED:
            self._outbox.retry(capture.key)

    def _announce(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        if state is OutboxState.REFUSED:
            logger.error(SPOOL_REFUSED, extra={"key": stored.key, "summary": stored.summary, "reason": reason})
        self._is_draining = state is not None
        if self._is_draining:
            self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._is_spooling and not self._storing and self._outbox.first_undelivered() is None:
            self._is_spooling = False
            self._is_draining = False
            self._drained.set()
            self._waiting_moments.clear()
            logger.info(SPOOL_DRAINED)


def _moments_in(outbox: Outbox) -> dict[str, int]:
    found = {}
    for stored in outbox.every_row(OutboxState.STORED):
        origin = Origin.from_json(stored.origin)
        if origin.event_key:
            found[origin.event_key] = stored.stock_timestamp - origin.place
    return found


def _capture(command: Command, origin: Origin, idempotency_key: str | None) -> Capture:
    lanes = tuple(f"{command.vendor}:{lane}" for lane in command.lanes())
    body = to_body(command, origin.client, idempotency_key)
    return Capture(command.key(), lanes, command.stock_timestamp, body, command.summary(), origin.to_json())


def _intaken(accepted: Accepted) -> Intaken:
    return Intaken(accepted.key, accepted.kind, accepted.state.value, accepted.duplicate)


def _said(body: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(body).items() if name not in OPTIONS}


def _record(stored: Stored) -> SpooledRecord:
    kind = str(json.loads(stored.body)["kind"])
    is_refused = stored.state is OutboxState.REFUSED
    return SpooledRecord(
        key=stored.key,
        kind=kind,
        vendor=_vendor_of(stored, kind),
        summary=stored.summary,
        client=Origin.from_json(stored.origin).client,
        state="refused" if is_refused else SPOOLED,
        reason=(stored.result if is_refused else stored.last_error) or "",
    )


def _vendor_of(stored: Stored, kind: str) -> str:
    # a newer release's kind is not known here; its lanes were noted with their vendor
    return command_type(kind).vendor if kind in kinds() else "".join(stored.lanes[:1]).partition(":")[0]


def _ledger_is_away(error: Exception) -> None:
    logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
