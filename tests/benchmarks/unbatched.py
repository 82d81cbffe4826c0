"""Our worker with sharing made impossible: `celery -A tests.benchmarks.unbatched worker`, one item a request."""

from __future__ import annotations

import workers.main
from tasks.app import app
from workers.vendors.partium import records

__all__ = ["app", "workers"]

# read when the worker opens its adapter
setattr(records, "MAX_ITEMS", 1)  # noqa: B010  a constant for everybody else
