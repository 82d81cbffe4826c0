"""How a sandbox is set up."""

from collections.abc import Callable
from typing import Generic, TypedDict, TypeVar

from tests.sandbox.limits import LimitRules

#: from, to: a draw in this range is waited before every answer
Latency = tuple[float, float]

#: writes must be slower than reads, or a second delivery of a command passes its look-up by luck
READ_LATENCY_SECONDS: Latency = (0.005, 0.005)
WRITE_LATENCY_SECONDS: Latency = (0.025, 0.025)

AssumptionsT = TypeVar("AssumptionsT")


class Settings(TypedDict, Generic[AssumptionsT], total=False):
    """How a sandbox is set up; everything has a default."""

    read_latency_seconds: Latency
    write_latency_seconds: Latency
    limit_rules: LimitRules
    assumptions: AssumptionsT
    #: the vendor's clock, UTC milliseconds
    clock_ms: Callable[[], int]
    #: what limits and switches count seconds by; only ever grows
    monotonic: Callable[[], float]
    #: makes ids and latencies repeatable
    seed: int | None
    #: a name of the vendor's seeds
    seed_fixture: str
