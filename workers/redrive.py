"""Moving bulk replays on at their rates, whichever worker looks first."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.errors import told

if TYPE_CHECKING:
    from tasks.ledger import Ledger
    from workers.limiter import Limiter

logger = logging.getLogger(__name__)

#: A new bulk replay, or the end of a pause, is noticed this late at most.
LONGEST_GAP_SECONDS: Final = 1.0
#: The shortest gap, so that a time that is just over cannot spin the loop.
SHORTEST_GAP_SECONDS: Final = 0.01
#: How long to leave Redis alone after an error.
ERROR_GAP_SECONDS: Final = 1.0


async def redrive_for_ever(ledger: Ledger, limiter: Limiter) -> None:
    """Replay what the bulk replays of a vendor have due, until cancelled.

    While the vendor is paused nothing is replayed: it would only wait somewhere else, where nobody can cancel it.
    """
    while True:  # noqa: ASYNC110  it is time that is waited for
        await asyncio.sleep(await _look(ledger, limiter))


async def _look(ledger: Ledger, limiter: Limiter) -> float:
    try:
        if await limiter.paused():
            return LONGEST_GAP_SECONDS
        moved = await ledger.move_redrives()
    except RedisError as error:
        logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"vendor": ledger.vendor, "error": told(error)})
        return ERROR_GAP_SECONDS
    except Exception:
        # whatever it is: without this loop no bulk replay would ever move again
        logger.exception(telemetry.LOOP_BROKEN, extra={"vendor": ledger.vendor, "loop": "redrive"})
        return ERROR_GAP_SECONDS
    if moved.replayed or moved.skipped or moved.ended:
        fields = {"replayed": moved.replayed, "skipped": moved.skipped, "ended": moved.ended}
        logger.info(telemetry.COMMANDS_REDRIVEN, extra={"vendor": ledger.vendor, **fields})
    if moved.next_in_ms is None:
        return LONGEST_GAP_SECONDS
    return min(max(moved.next_in_ms / 1000, SHORTEST_GAP_SECONDS), LONGEST_GAP_SECONDS)
