"""Reconciling by schedule: once a day one process compares a vendor with its ledger and keeps the report in Redis.

A time that was missed, because no worker ran, is made up for as soon as one does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import RedisError, ResponseError

from tasks import telemetry
from tasks.endings import end_loops
from tasks.errors import told
from tasks.ledger import prefix_of
from workers.reconciler.findings import KEPT_DIFFERENCES
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

    from workers.reconciler.findings import Report
    from workers.reconciler.reconciling import Reconciler

logger = logging.getLogger(__name__)

#: When few work: the reads are behind all commands, but they share the vendor's rate.
RECONCILE_AT: Final = "02:30"
#: Not at any time.
NEVER: Final = "off"
#: Each night looks this far back, so that a difference is told more than once before it is out of sight.
RECONCILE_DAYS: Final = 2.0
#: Renewed three times as often; a killed process is replaced after it.
LEASE_SECONDS: Final = 60.0
#: A vendor that could not be read to the end is tried again so long after the beginning of the try.
RETRY_GAP_SECONDS: Final = 900.0
#: A due time, or a lease that ended, is noticed this late at most.
LONGEST_GAP_SECONDS: Final = 5.0
SHORTEST_GAP_SECONDS: Final = 0.01
#: How long to leave Redis alone after an error.
ERROR_GAP_SECONDS: Final = 1.0
#: Added to what the next one looks back beyond the last one's beginning: what ended while that one read.
OVERLAP_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_SCRIPT: Final = (Path(__file__).with_suffix(".lua")).read_text(encoding="utf-8")


def minutes_of(text: str) -> int | None:
    """Read a time of day like 02:30 as minutes after midnight; None for `off`. ValueError for anything else."""
    if text == NEVER:
        return None
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", text)
    if found is None:
        raise ValueError(f"not a time of day in UTC like {RECONCILE_AT}, and not {NEVER}")
    return int(found[1]) * 60 + int(found[2])


def reconcile_prefix(vendor: str) -> str:
    """Name the key prefix of a vendor's schedule and last report."""
    return prefix_of(vendor) + "reconcile:"


class ScheduledReconciler:
    """Compares one vendor every day; run one in every process that serves it, Redis says whose turn it is."""

    def __init__(
        self,
        redis: Redis,
        reconciler: Reconciler,
        *,
        at_minutes: int,
        days: float = RECONCILE_DAYS,
        lease_seconds: float = LEASE_SECONDS,
        retry_gap_seconds: float = RETRY_GAP_SECONDS,
    ) -> None:
        self._reconciler = reconciler
        self._vendor = reconciler.vendor
        self._at_ms = at_minutes * _MINUTE_MS
        self._days_ms = int(days * _DAY_MS)
        self._lease_seconds = lease_seconds
        self._lease_ms = int(lease_seconds * 1000)
        self._gap_ms = int(retry_gap_seconds * 1000)
        self._redis = redis
        self._prefix = reconcile_prefix(self._vendor)
        self._script = redis.register_script(_SCRIPT)

    async def keep_for_ever(self) -> None:
        """Compare when it is time, until cancelled."""
        while True:  # noqa: ASYNC110  it is time that is waited for
            await asyncio.sleep(await self._look())

    async def _look(self) -> float:
        owner = uuid.uuid4().hex
        try:
            mine, said, *began = await self._run("take", owner, self._lease_ms, self._at_ms, self._gap_ms)
            if not mine:
                return min(max(int(said) / 1000, SHORTEST_GAP_SECONDS), LONGEST_GAP_SECONDS)
            await self._reconcile(owner, slot_ms=int(said), last_ms=int(began[0]))
        except WorkerStoppingError:
            return LONGEST_GAP_SECONDS  # another process takes over
        except RedisError as error:
            logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"vendor": self._vendor, "error": told(error)})
            return ERROR_GAP_SECONDS
        except Exception:
            # whatever it is: the lease ends by itself, and the next try comes after its gap
            logger.exception(telemetry.LOOP_BROKEN, extra={"vendor": self._vendor, "loop": "reconciler"})
            return ERROR_GAP_SECONDS
        return 0.0

    async def _reconcile(self, owner: str, *, slot_ms: int, last_ms: int) -> None:
        seconds, _ = await self._redis.time()
        since_ms = int(seconds) * 1000 - self._days_ms
        if last_ms:
            since_ms = min(since_ms, last_ms - OVERLAP_MS)
        comparing = asyncio.create_task(self._reconciler.run(since_ms), name=f"comparison of {self._vendor}")
        try:
            while not (await asyncio.wait({comparing}, timeout=self._lease_seconds / 3))[0]:
                if not await self._run("renew", owner, self._lease_ms):
                    logger.warning(telemetry.LEASE_LOST, extra={"vendor": self._vendor, "loop": "reconciler"})
                    return
            await self._keep(owner, slot_ms, comparing.result())
        except (WorkerStoppingError, asyncio.CancelledError):
            with suppress(RedisError):  # the lease ends by itself
                await self._run("release", owner)
            raise
        finally:
            await end_loops([cast("asyncio.Task[None]", comparing)])

    async def _keep(self, owner: str, slot_ms: int, report: Report) -> None:
        text = json.dumps(report.kept())
        served = ("", "") if report.gave_up else (slot_ms, report.began_ms)
        if not await self._run("keep", owner, *served, text):
            logger.warning(telemetry.LEASE_LOST, extra={"vendor": self._vendor, "loop": "reconciler"})
            return
        tell(report)

    async def _run(self, operation: str, owner: str, *arguments: Any) -> Any:
        return await self._script(keys=[self._prefix], args=[operation, owner, *arguments])


def tell(report: Report) -> None:
    """Write a report to the log: one line for the whole, and one for each difference that is kept."""
    counts = {finding.value: count for finding, count in report.counts().items()}
    fields = {"vendor": report.vendor, "compared": report.compared, **counts, "uncompared": len(report.uncompared)}
    agrees = not report.differences and not report.uncompared
    logger.log(logging.INFO if agrees else logging.WARNING, telemetry.VENDOR_RECONCILED, extra=fields)
    for difference in report.differences[:KEPT_DIFFERENCES]:
        about = {"vendor": report.vendor, "finding": difference.finding.value, "subject": difference.subject}
        told = {"key": difference.key, "kind": difference.kind, "detail": difference.detail}
        logger.warning(telemetry.DIFFERENCE_FOUND, extra={**about, **told})


async def last_report(redis: Redis, vendor: str) -> dict[str, Any] | None:
    """Read the last report that was kept, as `Report.public` gave it; None where there is none that can be read."""
    try:
        text = await cast("Awaitable[str | None]", redis.get(reconcile_prefix(vendor) + "last"))
        found = json.loads(text or "null")
    except (ResponseError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
