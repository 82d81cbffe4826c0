"""The vendor's clock, which a test can step."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def wall_clock_ms() -> int:
    """Read the time in UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Clock:
    """A clock beside another one."""

    #: the clock it follows, UTC milliseconds
    read_ms: Callable[[], int] = wall_clock_ms
    #: added to what is read; negative plays a clock stepping back
    offset_ms: int = 0

    def now_ms(self) -> int:
        """Read the time in UTC milliseconds."""
        return self.read_ms() + self.offset_ms
