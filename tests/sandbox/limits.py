"""The server's own count of how fast and how many at once requests came, and optional enforcement."""

import bisect
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

#: windows that a report always shows
REPORTED_WINDOWS_SECONDS = (1.0, 10.0, 60.0)


@dataclass(frozen=True)
class LimitRules:
    """What a client must keep to: in any window of t seconds at most `burst + rate * t` requests."""

    rate_per_second: float | None = None
    burst: int = 1
    #: requests the server works on at one time, those of clients that have left included
    concurrency: int | None = None
    #: answer 429 to what breaks a rule, instead of only noting it
    enforce: bool = False
    #: how much earlier than allowed a request may arrive: what a loaded machine adds between sending and arrival
    jitter_seconds: float = 0.05


@dataclass(frozen=True)
class Violation:
    """A request that broke a rule."""

    rule: str
    request_seq: int
    at_seconds: float
    #: requests in flight with this one, or tokens missing in the bucket
    measured: float


class Limits:
    """Books of all arrivals; times are seconds since the sandbox started."""

    def __init__(self, rules: LimitRules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self.violations: list[Violation] = []
        self.arrivals: list[float] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.max_writes_in_flight_per_subject = 0
        self._writing: Counter[str] = Counter()
        self._clock = clock
        self._started = clock()
        self._tokens = float(rules.burst)
        self._filled_at = 0.0

    def arrived(self, request_seq: int) -> float | None:
        """Count a request in; gives the seconds after which it may be repeated when it is to be refused."""
        now = self._clock() - self._started
        self.arrivals.append(now)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        too_many = self._check_concurrency(request_seq, now)
        too_fast = self._check_rate(request_seq, now)
        if not self.rules.enforce or not (too_many or too_fast):
            return None
        return max(too_fast, 1 / (self.rules.rate_per_second or 1))

    def left(self) -> None:
        """Count a request out: the server has done with it, whether or not the client waited."""
        self.in_flight -= 1

    def broken(self, rule: str, request_seq: int, measured: float) -> None:
        """Note a request that broke a rule which the vendor itself checks."""
        self.violations.append(Violation(rule, request_seq, self._clock() - self._started, measured))

    def write_began(self, subject: str) -> None:
        """Count a write on a part, an assembly or the like in."""
        self._writing[subject] += 1
        self.max_writes_in_flight_per_subject = max(self.max_writes_in_flight_per_subject, self._writing[subject])

    def write_ended(self, subject: str) -> None:
        """Count a write on it out."""
        self._writing[subject] -= 1

    def max_in_window(self, window_seconds: float) -> int:
        """Give the largest number of requests that arrived in any window of this length."""
        return max(
            (bisect.bisect_right(self.arrivals, at + window_seconds) - i for i, at in enumerate(self.arrivals)),
            default=0,
        )

    def worst_excess(self) -> float:
        """Give how many requests the worst window had over `burst + rate * t`; 0 or less keeps the rule."""
        rate = self.rules.rate_per_second
        if rate is None or not self.arrivals:
            return -math.inf
        # For every pair i <= j: (j - i + 1) - rate * (t_j - t_i); the best i so far is enough.
        worst, best_start = -math.inf, -math.inf
        for index, at in enumerate(self.arrivals):
            best_start = max(best_start, rate * at - index)
            worst = max(worst, index + 1 - rate * at + best_start)
        return worst - self.rules.burst

    def describe(self, windows_seconds: tuple[float, ...] = REPORTED_WINDOWS_SECONDS) -> dict[str, Any]:
        """Give the books as JSON."""
        excess = self.worst_excess()
        return {
            "rules": asdict(self.rules),
            "requests": len(self.arrivals),
            "arrivals_seconds": self.arrivals,
            "max_in_window": {f"{window:g}": self.max_in_window(window) for window in windows_seconds},
            "worst_excess_requests": excess if math.isfinite(excess) else None,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "max_writes_in_flight_per_subject": self.max_writes_in_flight_per_subject,
            "violations": [asdict(violation) for violation in self.violations],
        }

    def _check_concurrency(self, request_seq: int, now: float) -> bool:
        limit = self.rules.concurrency
        if limit is None or self.in_flight <= limit:
            return False
        self.violations.append(Violation("concurrency", request_seq, now, self.in_flight))
        return True

    def _check_rate(self, request_seq: int, now: float) -> float:
        """Take a token; gives the seconds until there is one again, 0 when there was one."""
        rate = self.rules.rate_per_second
        if rate is None:
            return 0.0
        self._tokens = min(self.rules.burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        missing = 1 - self._tokens
        if missing <= self.rules.jitter_seconds * rate:
            self._tokens -= 1
            return 0.0
        self.violations.append(Violation("rate", request_seq, now, missing))
        if not self.rules.enforce:
            # Let through, so it counts: the debt makes every window that is too full a violation.
            self._tokens -= 1
        return missing / rate
