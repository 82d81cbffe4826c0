"""What is said of many measurements: the median, how far they lie apart, and percentiles."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some measurements, the least and the most."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 1) -> Spread:
        """Sum measurements up, rounded; ValueError for none."""
        if not values:
            raise ValueError("values: none, so they have no median")
        return cls(round(statistics.median(values), digits), round(min(values), digits), round(max(values), digits))


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that so many percent of all are not above (nearest rank); ValueError for none."""
    if not values:
        raise ValueError("values: none, so they have no percentile")
    if not 0 < percent <= 100:
        raise ValueError(f"percent: {percent:g} is not above 0 and at most 100")
    rank = -(-len(values) * percent // 100)
    return sorted(values)[int(rank) - 1]
