"""Whether this machine's clock is right, told from the Date of the relay's answers (RFC 9110 6.6.1)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Scans of two stations are told apart in time by people; beyond this they would be misled.
WRONG_CLOCK_SECONDS: Final = 5.0


class ClockWatch:
    """Calls `announce` with the seconds that this clock is ahead (negative: behind) when they are too many.

    Called again only when that changes by as much, and once with 0.0 when the clock is right again.
    """

    def __init__(self, announce: Callable[[float], None] | None) -> None:
        self._announce = announce
        self._told = 0.0

    def compare(self, asked_at: float, answered_at: float, date: str | None) -> None:
        """Look at one answer; the moments are this machine's, in seconds since 1970."""
        ahead = _ahead_seconds(asked_at, answered_at, date)
        if ahead is None or self._announce is None:
            return
        if abs(ahead) <= WRONG_CLOCK_SECONDS:
            ahead = 0.0
        is_news = abs(ahead - self._told) > WRONG_CLOCK_SECONDS or (ahead == 0.0) != (self._told == 0.0)
        if is_news:
            self._told = ahead
            self._announce(ahead)


def _ahead_seconds(asked_at: float, answered_at: float, date: str | None) -> float | None:
    """Give the least that this clock can be ahead or behind; None when the header says nothing."""
    try:
        relay = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None
    # the relay wrote its whole second somewhere between the two moments
    earliest, latest = asked_at - relay - 1.0, answered_at - relay
    if earliest > 0:
        return earliest
    return latest if latest < 0 else 0.0
