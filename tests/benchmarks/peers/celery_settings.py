"""What every Celery application of the benchmark is told: its own advice for short tasks that must not be lost."""

from __future__ import annotations

from typing import Final

#: At least once, no results, no events, and Celery's prefetch of four for each place.
SETTINGS: Final = {
    "task_acks_late": True,
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_send_task_events": False,
    "worker_prefetch_multiplier": 4,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
}
