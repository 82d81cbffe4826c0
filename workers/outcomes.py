"""What became of a try, told to the ledger, the limiter and the log."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tasks import telemetry, tracing
from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError, shared
from tasks.lookup import Landed
from tasks.records import State
from workers import metrics, retries
from workers.limits import PausedError
from workers.reach import Reach, Standing
from workers.work import evidence_of, persist, receipt_of

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.ledger import Ledger
    from tasks.lookup import Undecidable
    from workers.limiter import Limiter
    from workers.work import Work

logger = logging.getLogger(__name__)

#: A vendor that refuses our key or our plan is asked again this seldom.
CLOSED_VENDOR_SECONDS: Final = 60.0
#: One 403 may be about one operation; this many in a row are about our key.
FORBIDDEN_IN_A_ROW: Final = 3


#: For the moment between turning a slot into a ghost and releasing it.
GHOST_SECONDS: Final = 1.0


def is_vendors_trouble(error: VendorError | PausedError) -> bool:
    """Tell what happens to every command alike from what one command may be the cause of."""
    return isinstance(error, VendorBlockedError | PausedError) or (
        isinstance(error, RetryableError) and error.unreachable
    )


@dataclass(slots=True)
class Outcomes:
    """Ends or postpones the work of one vendor. Each method returns in a word what it did."""

    ledger: Ledger
    limiter: Limiter
    budgets: retries.Budgets = field(default_factory=retries.Budgets)
    random: random.Random = field(default_factory=random.Random)
    reach: Reach = field(default_factory=Reach)
    #: Commands that this process has applied.
    _applied: int = 0
    _forbidden: int = 0
    _pausing: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def settle(
        self,
        work: Work,
        state: State,
        reason: str,
        *,
        exchange: Exchange | None = None,
        finding: Landed | Undecidable | None = None,
    ) -> str:
        """End the command; the ledger announces it and lets the lane's next one run.

        `finding` is what was read at the vendor, and the receipt of an applied one.
        """
        entries = () if finding is None else finding.entries
        shown = evidence_of(state.value, work, exchange=exchange, entries=entries, note=reason)
        if state is State.APPLIED:
            self._forbidden = 0
            self._applied += 1
        receipt = receipt_of(finding) if isinstance(finding, Landed) else None
        await persist(
            lambda: self.ledger.settle(work.key, work.owner, state, reason=reason, receipt=receipt, evidence=shown)
        )
        logger.info(telemetry.COMMAND_SETTLED, extra=work.log_fields(state=state.value, reason=reason))
        attempts = work.record.attempts + (1 if work.sent else 0)
        _count_ended(work, state, attempts)
        tracing.ended(work.record, state.value, attempts)
        return state.value

    async def reject(self, work: Work, error: RejectedError) -> str:
        """End a command that the vendor refused, with the vendor's words."""
        self._forbidden = self._forbidden + 1 if error.code == "forbidden" else 0
        if self._forbidden >= FORBIDDEN_IN_A_ROW:
            await self._close(CLOSED_VENDOR_SECONDS, f"{self._forbidden} operations in a row were forbidden")
        return await self.settle(work, State.REJECTED, str(error), exchange=error.exchange)

    async def retry(self, work: Work, error: VendorError | PausedError) -> str:
        """Try again later what certainly did not arrive; an attempt is spent."""
        return await self._postpone(
            work, retries.after_failure(work.attempt, str(error), self.budgets, self.random), error
        )

    async def blocked(self, work: Work, error: VendorError | PausedError) -> str:
        """Wait for a vendor that takes no requests now; nothing is spent."""
        seconds = await self.pause(error)
        decision = retries.after_block(work.record.waits, seconds, str(error), self.budgets, self.random)
        return await self._postpone(work, decision, error)

    async def _postpone(
        self, work: Work, decision: retries.Again | retries.End, error: VendorError | PausedError
    ) -> str:
        exchange = error.exchange if isinstance(error, VendorError) else None
        if isinstance(decision, retries.End):
            return await self.settle(work, decision.state, decision.reason, exchange=exchange)
        # a pause is nothing that happened to this command: only what the vendor answered is evidence
        shown = None if exchange is None else evidence_of("delayed", work, exchange=exchange, note=str(error))
        await persist(
            lambda: self.ledger.delay(
                work.key, work.owner, decision.seconds, spent=decision.spent, reason=str(error), evidence=shown
            )
        )
        logger.info(
            telemetry.COMMAND_DELAYED,
            extra=work.log_fields(seconds=round(decision.seconds, 3), spent=decision.spent, reason=str(error)),
        )
        return State.DELAYED.value

    async def pause(self, error: VendorError | PausedError) -> float:
        """Pause the vendor as its answer asks; returns the seconds until the command may come back.

        Where no connection came about, others may well reach it: this process waits, and only when none of them has got
        anything applied meanwhile is the vendor taken for away.

        For a pause that is 0: while it lasts, the recovery loop brings nothing back, and it may end early.
        """
        if isinstance(error, PausedError):
            return 0.0 if error.paused else error.retry_after_seconds
        # commands that shared a request hear the same in the same moment: one of them says it for all
        pausing = self._pausing.get(str(error))
        if pausing is None:
            pausing = self._pausing[str(error)] = asyncio.create_task(self._pause(error), name="pause")
            pausing.add_done_callback(lambda _: self._pausing.pop(str(error), None))
        await shared(pausing)
        return 0.0

    async def _pause(self, error: VendorError) -> None:
        if isinstance(error, RetryableError) and error.unreachable and not await self._is_away(error):
            return
        metrics.PAUSES.labels(self.ledger.vendor).inc()
        wait = error.retry_after_seconds if isinstance(error, VendorBlockedError | InDoubtError) else None
        if isinstance(error, VendorBlockedError) and not error.throttled:
            await self._close(wait or CLOSED_VENDOR_SECONDS, str(error))
        else:
            seconds = await self.limiter.penalise(wait, str(error))
            logger.warning(telemetry.VENDOR_PAUSED, extra={"seconds": seconds, "reason": str(error)})

    async def _is_away(self, error: RetryableError) -> bool:
        """Tell whether nobody reaches the vendor; where only this process does not, it waits by itself."""
        applied = (await self.ledger.counts()).get(State.APPLIED, 0)
        standing = self.reach.failed(applied - self._applied)
        if standing is Standing.ALONE:
            fields = {"vendor": self.ledger.vendor, "reason": str(error)}
            logger.warning(telemetry.VENDOR_NOT_REACHED, extra=fields)
        return standing is Standing.AWAY

    async def _close(self, seconds: float, reason: str) -> None:
        await self.limiter.pause(seconds, reason)
        logger.warning(telemetry.VENDOR_PAUSED, extra={"seconds": seconds, "reason": reason})

    async def doubt(
        self,
        work: Work,
        error: Exception,
        *,
        seconds: float = retries.FIRST_LOOK_SECONDS,
        refused: bool = False,
        confirmed: bool = False,
    ) -> str:
        """Note that a send's outcome is unknown; the lane and the concurrency slot stay taken until it is known.

        `refused`: the vendor said no to a repeat. `confirmed`: it said yes, and does not show it.
        """
        reason = f"{type(error).__name__}: {error}"
        exchange = error.exchange if isinstance(error, VendorError) else None
        shown = evidence_of("in doubt", work, exchange=exchange, note=reason)
        refusal = {"reason": str(error)} if refused else None
        await persist(
            lambda: self.ledger.doubt(
                work.key, work.owner, seconds, reason=reason, refusal=refusal, confirmed=confirmed, evidence=shown
            )
        )
        logger.warning(telemetry.COMMAND_IN_DOUBT, extra=work.log_fields(reason=reason))
        if isinstance(error, InDoubtError) and error.overloaded:
            await self.pause(error)
        return State.IN_DOUBT.value

    async def look_failed(self, work: Work, error: VendorError | PausedError) -> str:
        """Go on doubting: a look-up without an answer says nothing."""
        if is_vendors_trouble(error):
            return await self.look_again(work, await self.pause(error), str(error))
        decision = retries.after_failed_look(work.record.failed_looks + 1, str(error), self.budgets, self.random)
        if isinstance(decision, retries.End):
            return await self.found(work, decision)
        return await self.look_again(work, decision.seconds, str(error), failed=True)

    async def look_again(self, work: Work, seconds: float, reason: str, *, failed: bool = False) -> str:
        """Look up once more after so many seconds."""
        await persist(lambda: self.ledger.doubt(work.key, work.owner, seconds, reason=reason, failed=failed))
        return State.IN_DOUBT.value

    async def send_again(self, work: Work) -> str:
        """End doubt: the write is proved absent, the command may run again with the same marker."""
        shown = evidence_of("looked up", work, note="absent when the settle time was over")
        await self._free_slot(work)  # before the command is ready: its next send takes the same slot
        await persist(lambda: self.ledger.absent(work.key, work.owner, evidence=shown))
        logger.info(telemetry.COMMAND_LOOKED_UP, extra=work.log_fields(finding="absent"))
        return "absent"

    async def found(self, work: Work, end: retries.End) -> str:
        """End doubt for good; the slot that was kept for the lost request is free."""
        await self._free_slot(work)
        return await self.settle(work, end.state, end.reason, finding=end.finding)

    async def _free_slot(self, work: Work) -> None:
        """Free the slot of the lost request, whichever process took it: a ghost is anybody's to release."""
        await self.limiter.ghost(work.key, GHOST_SECONDS)
        await self.limiter.release(work.key)

    async def hand_back(self, work: Work) -> str:
        """Give the command to another worker: nothing was sent."""
        await persist(lambda: self.ledger.hand_back(work.key, work.owner, unsent=work.ahead))
        logger.info(telemetry.COMMAND_HANDED_BACK, extra=work.log_fields())
        return "handed_back"


def _count_ended(work: Work, state: State, attempts: int) -> None:
    vendor = work.record.vendor
    metrics.COMMANDS_ENDED.labels(vendor, work.record.kind, state.value).inc()
    metrics.ATTEMPTS.labels(vendor).observe(attempts)
    if state is State.APPLIED:
        metrics.APPLIED_SECONDS.labels(vendor).observe(work.age_seconds)
