"""Our worker without Celery's events: `celery -A tests.benchmarks.silent worker`, one item a request."""

from __future__ import annotations

from tests.benchmarks.unbatched import app, workers

__all__ = ["app", "workers"]

app.conf.worker_send_task_events = False
