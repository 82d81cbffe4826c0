"""What a vendor allows and how it stands: the values that the limiter takes and gives."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

#: A permit must be sent within this time of its grant: longer than a busy event loop needs, and at 2 requests a second
#: no more than one request late.
PERMIT_SECONDS = 0.5
#: Fastest rate: intervals are rounded up to a microsecond, here at most a hundredth.
MAX_PER_SECOND = 10_000
#: Longest period, burst and slot, so that times stay exact in a Lua number (53 bits).
MAX_SPAN_SECONDS = 366 * 86_400.0
MIN_PERIOD_SECONDS = 0.001
#: The clock's own resolution.
MIN_DURATION_SECONDS = 1e-6

_UNITS_US = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_RATE = re.compile(r"(\d{1,9})/(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)(?:\+(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` permits per `period_seconds`, evenly spaced, of which `burst` may come at once.

    In any window of `w` seconds at most `limit * w / period_seconds + burst` permits are granted: a vendor's hard
    quota of Q per day is kept by `limit + burst <= Q`. Give a rate slower than one per few seconds a burst of 2 or
    more, or the time a returning command is late is lost to it. Raises ValueError for values that make no sense.
    """

    limit: int
    period_seconds: float
    burst: int = 1

    def __post_init__(self) -> None:
        if self.limit < 1 or self.burst < 1:
            raise ValueError(f"a rate needs a limit and a burst of at least 1, not {self.limit} and {self.burst}")
        if not MIN_PERIOD_SECONDS <= self.period_seconds <= MAX_SPAN_SECONDS:
            raise ValueError(f"a period is between 1 ms and 366 days, not {self.period_seconds} s")
        if self.limit > self.period_seconds * MAX_PER_SECOND:
            raise ValueError(f"{self.limit} per {self.period_seconds} s is above {MAX_PER_SECOND} per second")
        if self.burst * self.period_seconds > self.limit * MAX_SPAN_SECONDS:
            raise ValueError(f"a burst of {self.burst} is worth more than 366 days of this rate")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/1s`, `5000/1d` or, with a burst of 5, `2/1s+5`; units ms, s, m, h, d. Raises ValueError."""
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"not a rate like 2/1s, 5000/1d or 2/1s+5: {text!r}")
        limit, count, unit, burst = match.groups()
        return cls(int(limit), round(float(count) * _UNITS_US[unit]) / 1e6, int(burst or 1))

    def __str__(self) -> str:
        period_us = microseconds(self.period_seconds)
        whole = next((unit for unit, size in _UNITS_US.items() if period_us % size == 0), None)
        period = f"{period_us // _UNITS_US[whole]}{whole}" if whole else f"{self.period_seconds:.6f}s"
        return f"{self.limit}/{period}" + (f"+{self.burst}" if self.burst > 1 else "")


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """What a vendor allows: rates that all hold together, and requests in flight at once.

    `slot_seconds` is how long a granted slot lives if nobody releases it: request timeout + settle_seconds.
    Raises ValueError for values that make no sense.
    """

    rates: tuple[Rate, ...]
    concurrency: int
    slot_seconds: float

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"concurrency is at least 1, not {self.concurrency}; to stop a vendor, pause it")
        if not PERMIT_SECONDS < self.slot_seconds <= MAX_SPAN_SECONDS:
            raise ValueError(
                f"slot_seconds is above {PERMIT_SECONDS} (a permit's) and at most 366 days, not {self.slot_seconds}"
            )

    def to_json(self) -> str:
        """Return the form that a process gives the limiter's script; durations in microseconds."""
        return json.dumps({**self._shared(), "slot_us": microseconds(self.slot_seconds)})

    def live_json(self) -> str:
        """Return the form kept in Redis for all processes: how long a slot lives is each process's own."""
        return json.dumps(self._shared())

    def _shared(self) -> dict[str, Any]:
        rates = [[rate.limit, microseconds(rate.period_seconds), rate.burst] for rate in self.rates]
        return {"rates": rates, "concurrency": self.concurrency}

    @classmethod
    def from_json(cls, text: str, slot_seconds: float | None = None) -> Self:
        """Read what `to_json` wrote, or with a slot's life what `live_json` wrote."""
        found = json.loads(text)
        rates = tuple(Rate(limit, period_us / 1e6, burst) for limit, period_us, burst in found["rates"])
        return cls(rates, found["concurrency"], found["slot_us"] / 1e6 if slot_seconds is None else slot_seconds)


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one request, now. Ask `fresh()` right before sending; if it is stale, acquire the slot id again."""

    slot_id: str
    #: Earliest local time at which the grant can have begun, in seconds of the limiter's clock.
    granted_at: float
    #: Redis server time at which the grant begins, UTC microseconds: what the rate guarantee counts.
    granted_at_us: int
    valid_seconds: float
    clock: Callable[[], float] = field(repr=False, compare=False)

    def fresh(self) -> bool:
        """Tell whether the request may still be sent under this permit."""
        return self.clock() - self.granted_at <= self.valid_seconds


@dataclass(frozen=True, slots=True)
class LimitSnapshot:
    """What a person wants to know about a vendor's limits."""

    rates: tuple[Rate, ...]
    concurrency: int
    slot_seconds: float
    #: The policy was set by `configure` and overrides the processes' own.
    live: bool
    #: Share of the rates in use: 1 at full speed, down to 0.1 after 429s.
    factor: float
    #: A 429 came: one request at a time until one is accepted.
    probing: bool
    in_flight: int
    ghosts: int
    #: UTC milliseconds on the Redis clock; None when not paused, or paused by the operator (no end).
    paused_until_ms: int | None
    pause_reason: str | None
    operator_paused: bool
    granted_total: int
    #: Of those granted, how many had to wait.
    waits_total: int


class PausedError(Exception):
    """The wait would be too long here: put the command back to `delayed`; no attempt is spent.

    `paused` tells a pause, which may end at any moment, from a turn that is too far away.
    """

    def __init__(self, retry_after_seconds: float, reason: str, *, paused: bool = False) -> None:
        super().__init__(retry_after_seconds, reason)
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason
        self.paused = paused

    def __str__(self) -> str:
        return f"{self.reason}; try again in {self.retry_after_seconds:.3f} s"


def microseconds(seconds: float) -> int:
    """Return a duration as Redis keeps it; raises ValueError unless it is at least 1 us and at most 366 days."""
    if not MIN_DURATION_SECONDS <= seconds <= MAX_SPAN_SECONDS:
        raise ValueError(f"a duration is above 0 and at most 366 days, not {seconds} s")
    return round(seconds * 1e6)
