"""What every peer's task asks of the vendor, and where broker and vendor are."""

from __future__ import annotations

import os
from typing import Final

BROKER: Final = os.environ.get("BENCH_BROKER", "redis://127.0.0.1:6379/0")
VENDOR: Final = os.environ.get("BENCH_VENDOR", "http://127.0.0.1:8000")
#: Connections stay open while a worker waits for its turn.
KEEP_SECONDS: Final = 3600
TIMEOUT_SECONDS: Final = 30


def urls(number: int, calls: int) -> list[str]:
    """Name the calls of a task, one after the other; the vendor's books find one that comes twice."""
    return [f"{VENDOR}/work?task={number}-{call}" for call in range(calls)]
