"""Our worker without Celery's events: `celery -A tests.benchmarks.silent worker`."""

from __future__ import annotations

import workers.main
from tasks.app import app

__all__ = ["app", "workers"]

app.conf.worker_send_task_events = False
