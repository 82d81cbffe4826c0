"""Letting time pass: due, lost and forgotten commands move on, whichever worker looks first."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.errors import told
from workers import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.ledger import Ledger
    from workers.limiter import Limiter

logger = logging.getLogger(__name__)

#: A command whose time comes between two looks is late by at most this.
LONGEST_GAP_SECONDS: Final = 0.25
#: The shortest gap, so that a due time in the past cannot spin the loop.
SHORTEST_GAP_SECONDS: Final = 0.01
#: How long to leave Redis alone after an error.
ERROR_GAP_SECONDS: Final = 1.0


async def recover_for_ever(ledger: Ledger, limiter: Limiter, ledger_of: Callable[[str], Ledger]) -> None:
    """Promote due commands, recover ended leases, publish lost hints again and tell parents, until cancelled.

    While the vendor is paused nothing is brought back: it would only be turned away again.
    """
    while True:  # noqa: ASYNC110  it is time that is waited for
        await asyncio.sleep(await _look(ledger, limiter, ledger_of))


async def _look(ledger: Ledger, limiter: Limiter, ledger_of: Callable[[str], Ledger]) -> float:
    try:
        moved = await ledger.promote(paused=await limiter.paused())
        if moved.closed:
            await tell_parents(ledger, ledger_of)
    except RedisError as error:
        logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"vendor": ledger.vendor, "error": told(error)})
        return ERROR_GAP_SECONDS
    except Exception:
        # whatever it is: without this loop nothing that is due, lost or delayed would ever move again
        logger.exception(telemetry.LOOP_BROKEN, extra={"vendor": ledger.vendor, "loop": "recovery"})
        return ERROR_GAP_SECONDS
    metrics.RECOVERED.labels(ledger.vendor, "lease").inc(moved.recovered)
    metrics.RECOVERED.labels(ledger.vendor, "hint").inc(moved.republished)
    if moved.recovered or moved.republished:
        logger.warning(
            telemetry.COMMANDS_RECOVERED,
            extra={"vendor": ledger.vendor, "leases_ended": moved.recovered, "hints_lost": moved.republished},
        )
    if moved.next_in_ms is None:
        return LONGEST_GAP_SECONDS
    return min(max(moved.next_in_ms / 1000, SHORTEST_GAP_SECONDS), LONGEST_GAP_SECONDS)


async def tell_parents(ledger: Ledger, ledger_of: Callable[[str], Ledger]) -> None:
    """Tell the parents at other vendors which of their children have ended; forgotten only when the parent knows."""
    for closing in await ledger.closings():
        await ledger_of(closing.vendor).close_child(closing)
        await ledger.forget_closing(closing)
