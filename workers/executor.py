"""One command, from delivery to settlement.

claim → look first if in doubt → before-image → permit → durable intent → send once → settle → announce → ack.
Settling and announcing are one step of the ledger; Celery acknowledges when `deliver` returns.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError

from tasks import telemetry, tracing
from tasks.errors import InDoubtError, LeaseLostError, RejectedError, VendorError, told
from tasks.lookup import Absent, Finding, Image, Landed, Proof, Undecidable, Why
from tasks.records import State, Verdict
from tasks.registry import InvalidCommandError, expansion_of, task_of
from tasks.routes import Routes
from tasks.submit import to_child
from tasks.task import Target
from tasks.trace_context import trace_below
from workers import metrics, retries
from workers.limits import PausedError
from workers.newer import NewerReleaseError, Patience, read_command
from workers.outcomes import is_vendors_trouble
from workers.work import Intent, Work, WorkerStoppingError, evidence_of, persist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.ledger import Ledger
    from tasks.records import Claim, CommandRecord, NewCommand
    from tasks.task import Expansion
    from workers.leases import Leases
    from workers.outcomes import Outcomes

logger = logging.getLogger(__name__)

#: After an error of our own behind a send: long enough for a person to see it in the log, short enough to go on.
BROKEN_LOOK_SECONDS: Final = 5.0
#: Writes whose lateness is measured at once: a figure for people, not worth more memory.
MAX_UNSEEN: Final = 10_000


def process_name() -> str:
    """Make a name that no other process has had or will have."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(slots=True)
class Executor:
    """Applies one vendor's commands. One instance a process and vendor; `deliver` runs many at once."""

    #: What this vendor's tasks ask it through.
    port: Any
    leases: Leases
    outcomes: Outcomes
    #: The vendor commits a request within this time after our connection closed: the stated assumption.
    settle_seconds: float
    #: The ledger of any vendor, for commands that become commands at other vendors.
    ledger_of: Callable[[str], Ledger]
    #: The vendor's name of our API user, where it is known.
    user: str | None = None
    #: Where catalog parts go.
    routes: Routes = field(default_factory=Routes)
    #: Set when the worker stops: nothing new is claimed or sent from then on.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: Names this process in the ledger, unlike any other.
    process: str = field(default_factory=process_name)
    _claims: itertools.count[int] = field(default_factory=itertools.count)
    _patience: Patience = field(default_factory=Patience)
    #: Writes in doubt that this process has looked for in vain, and how long they were in doubt then.
    _unseen: dict[str, float] = field(default_factory=dict)

    async def deliver(self, key: str) -> str:
        """Run one delivery of a command; returns in a word what came of it.

        A delivery that is not needed does nothing. Redis errors come through: the command stays in the ledger, and
        its lease or its hint brings it back.
        """
        outcome = await self._deliver(key)
        metrics.DELIVERIES.labels(self.leases.ledger.vendor, outcome).inc()
        return outcome

    async def _deliver(self, key: str) -> str:
        if self.stopping.is_set():
            return "stopping"
        owner = f"{self.process}:{next(self._claims)}"
        asked_at, began = self.leases.clock(), tracing.now()
        claim = await self._claim(key, owner)
        if claim.record is None:
            logger.debug(telemetry.DELIVERY_IGNORED, extra={"key": key, "verdict": claim.verdict.value})
            return claim.verdict.value
        with tracing.delivery(claim.record, began) as span:
            try:
                with self.leases.held(key, owner, asked_at):
                    outcome = await self._run(claim.record, owner, in_doubt=claim.verdict is Verdict.IN_DOUBT)
            except LeaseLostError as error:
                fields = {"key": key, "kind": claim.record.kind, "vendor": claim.record.vendor}
                logger.warning(telemetry.LEASE_LOST, extra={**fields, "error": str(error)})
                outcome = "lease_lost"
            span.note(outcome=outcome)
            return outcome

    async def _claim(self, key: str, owner: str) -> Claim:
        try:
            return await self.leases.ledger.claim(key, owner, self.leases.lease_seconds)
        except NoConnectionError:
            # a server that was restarted leaves dead connections behind; claiming twice as the same owner is once
            return await self.leases.ledger.claim(key, owner, self.leases.lease_seconds)

    async def _run(self, record: CommandRecord, owner: str, *, in_doubt: bool) -> str:
        try:
            command = read_command(record)
        except NewerReleaseError as error:
            await self._patience.give_back(self.leases.ledger, record, owner, error, in_doubt=in_doubt)
            return Verdict.NOT_READY.value
        except InvalidCommandError as error:
            reason = f"unreadable: {error}"
            await persist(lambda: self.leases.ledger.settle(record.key, owner, State.HELD, reason=reason))
            tracing.ended(record, State.HELD.value, record.attempts)
            return State.HELD.value
        target = Target(self.port, record.key, self.user, doubted=record.doubted, routes=self.routes)
        work = Work(record, owner, command, target, in_doubt=in_doubt)
        try:
            return await self._step(work)
        except LeaseLostError:
            raise
        except WorkerStoppingError as error:
            # behind the intent only a look-up may say that nothing was sent
            return await (self.outcomes.doubt(work, error) if work.sent else self.outcomes.hand_back(work))
        except asyncio.CancelledError:
            await asyncio.shield(self._interrupted(work))
            raise
        except RedisError:
            if not work.sent:
                # an intent whose answer was lost may be there: then the ledger refuses, and the lease decides
                with suppress(LeaseLostError):
                    await self.outcomes.hand_back(work)
            raise
        except Exception as error:
            logger.exception(telemetry.COMMAND_BROKEN, extra=work.log_fields())
            return await self._broken(work, error)

    async def _step(self, work: Work) -> str:
        if work.record.doubted:
            # as it was before the last send: a new one may have to know as well
            work.target = replace(work.target, image=Image.model_validate(work.record.image or {}, strict=False))
        if work.in_doubt:
            return await self._look(work)
        expansion = expansion_of(work.record.kind)
        return await (self._attempt(work) if expansion is None else self._expand(work, expansion))

    async def _attempt(self, work: Work) -> str:
        task = task_of(work.record.kind)
        try:
            before = await task.before(work.command, work.target)
            work.target = replace(work.target, image=before.image)
            match before.finding:
                case Landed() as landed:
                    return await self.outcomes.settle(work, State.APPLIED, "already at the vendor", finding=landed)
                case Undecidable(why) as undecidable:
                    return await self.outcomes.settle(work, State.HELD, why.value, finding=undecidable)
            intent = Intent(work, self.leases, self.stopping, work.key)
            exchange = await task.send(work.command, work.target, intent)
        except (VendorError, PausedError) as error:
            return await self._not_confirmed(work, error)
        return await self._confirmed(work, exchange)

    async def _confirmed(self, work: Work, exchange: Exchange) -> str:
        match await self._proof(work):
            case Undecidable(Why.INCOMPLETE):
                # what is missing may be sent, once nothing of this request can still arrive
                return await self.outcomes.doubt(work, InDoubtError("confirmed in part", exchange=exchange))
            case Undecidable(Why.IGNORED):
                # its reads may be behind its writes: until the settle time is over
                not_shown = InDoubtError("confirmed, and not shown", exchange=exchange)
                return await self.outcomes.doubt(work, not_shown, confirmed=True)
            case Undecidable(why) as found if why is not Why.UNMARKED:
                reason = f"{retries.CONFIRMED_BUT} {why.value}"
                return await self.outcomes.settle(work, State.HELD, reason, exchange=exchange, finding=found)
            case Landed() as found:
                return await self.outcomes.settle(work, State.APPLIED, "", exchange=exchange, finding=found)
            case unseen:
                entries = unseen.entries if isinstance(unseen, Undecidable) else ()
                answered = Landed(entries, Proof.ANSWER)
                return await self.outcomes.settle(work, State.APPLIED, "", exchange=exchange, finding=answered)

    async def _proof(self, work: Work) -> Finding:
        # the vendor has confirmed the write: a read that fails costs the receipt its timestamps, nothing else
        try:
            return await task_of(work.record.kind).proof(work.command, work.target)
        except (VendorError, PausedError, WorkerStoppingError, RedisError) as error:
            logger.info(telemetry.COMMAND_LOOKED_UP, extra=work.log_fields(failed=str(error)))
            return Absent()

    async def _not_confirmed(self, work: Work, error: VendorError | PausedError) -> str:
        match error:
            case _ if is_vendors_trouble(error):
                return await self.outcomes.blocked(work, error)
            case RejectedError() if work.record.doubted and work.sent:
                # a refused repeat says nothing about the first send: only the vendor's history does
                return await self.outcomes.doubt(work, error, refused=True)
            case RejectedError():
                return await self.outcomes.reject(work, error)
            case InDoubtError() if work.sent:
                return await self.outcomes.doubt(work, error)
            case _:
                return await self.outcomes.retry(work, error)

    async def _expand(self, work: Work, expansion: Expansion[Any]) -> str:
        try:
            children = await expansion.children(work.command, work.target)
        except (VendorError, PausedError) as error:
            return await self._not_confirmed(work, error)
        own = [_child(child, work) for child in children if child.vendor == work.record.vendor]
        foreign = await self._admit_elsewhere(work, children)
        shown = evidence_of("expanded", work, note=f"{len(children)} commands")
        await persist(lambda: self.leases.ledger.expand(work.key, work.owner, own, foreign=foreign, evidence=shown))
        logger.info(telemetry.COMMAND_EXPANDED, extra=work.log_fields(children=len(children)))
        tracing.ended(work.record, "expanded", work.record.attempts)
        return "expanded"

    async def _admit_elsewhere(self, work: Work, children: Sequence[Command]) -> list[str]:
        """Admit the children of other vendors there; again after a crash, since admitting twice is admitting once."""
        names = []
        for vendor in sorted({child.vendor for child in children} - {work.record.vendor}):
            admitted = [_child(child, work) for child in children if child.vendor == vendor]
            # refused without the lease: what this worker read may be older by now than what another one has admitted
            await self.leases.ledger.announce_children(work.key, work.owner)
            await self.ledger_of(vendor).admit(admitted)
            names += [f"{vendor}:{child.key}" for child in admitted]
        return names

    async def _look(self, work: Work) -> str:
        record = work.record
        try:
            with tracing.step("look"):
                finding = await task_of(record.kind).look(work.command, work.target)
        except RejectedError as error:
            logger.warning(telemetry.COMMAND_LOOKED_UP, extra=work.log_fields(refused=str(error)))
            finding = Undecidable(Why.UNREADABLE)
        except (VendorError, PausedError) as error:
            return await self.outcomes.look_failed(work, error)
        _count_look(work, finding, self._unseen.pop(work.key, None))
        refusal = record.refusal["reason"] if record.refusal else None
        decision = retries.after_look(
            finding,
            work.doubt_seconds,
            self.settle_seconds,
            refusal,
            confirmed=record.confirmed,
            attempts=record.attempts,
            budgets=self.outcomes.budgets,
        )
        match decision:
            case retries.LookAgain(seconds):
                if len(self._unseen) < MAX_UNSEEN:
                    self._unseen[work.key] = work.doubt_seconds
                return await self.outcomes.look_again(work, seconds, "not there yet")
            case retries.SendAgain():
                return await self.outcomes.send_again(work)
            case retries.End() as end:
                return await self.outcomes.found(work, end)

    # ends that nobody planned

    async def _interrupted(self, work: Work) -> None:
        """Leave a cancelled command so that nothing is lost: sent ones in doubt, others handed back."""
        try:
            if work.sent and not work.in_doubt:
                await self.outcomes.doubt(work, InDoubtError("the worker was told to stop at once"))
            else:
                await self.outcomes.hand_back(work)
        except (RedisError, LeaseLostError) as error:
            logger.warning(telemetry.LEDGER_UNREACHABLE, extra=work.log_fields(error=told(error)))

    async def _broken(self, work: Work, error: Exception) -> str:
        """Postpone or hold after an error of our own: behind a send it is a doubt, before it a person must see it."""
        if work.in_doubt:
            return await self.outcomes.look_failed(work, VendorError(f"{type(error).__name__}: {error}"))
        if work.sent:
            return await self.outcomes.doubt(work, error, seconds=BROKEN_LOOK_SECONDS)
        return await self.outcomes.settle(work, State.HELD, f"internal error: {type(error).__name__}: {error}")


def _child(command: Command, work: Work) -> NewCommand:
    record = work.record
    return to_child(
        command, record.vendor, record.key, record.client, trace_below(record.key, record.trace, record.parent)
    )


def _count_look(work: Work, finding: Finding, unseen_seconds: float | None) -> None:
    vendor = work.record.vendor
    verdict = finding.why.name if isinstance(finding, Undecidable) else type(finding).__name__
    metrics.LOOKUPS.labels(vendor, verdict.lower()).inc()
    if isinstance(finding, Landed) and unseen_seconds is not None:
        metrics.LATE_COMMIT_SECONDS.labels(vendor).observe(unseen_seconds)
