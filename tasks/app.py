"""The Celery application: its settings, and nothing that runs. `celery -A tasks.app flower` needs no more."""

from __future__ import annotations

import os
import sys
from typing import Final

from celery import Celery
from kombu.entity import Queue

from tasks.envelope import queue_of
from tasks.registry import command_type, kinds, vendors
from tasks.settings import SettingsError, redis_url

#: Exit code of a process that was told something it cannot use.
EX_USAGE: Final = 2

#: How long Celery waits before it gives a delivery to another worker. Only a hint is late by it: the ledger's own
#: recovery takes one lease.
VISIBILITY_TIMEOUT_SECONDS: Final = 300


def _settings() -> dict[str, object]:
    """Give the settings that the measured failure modes of Celery on Redis ask for."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "event_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_default_queue": queue_of("unrouted"),
        "task_queues": [Queue(queue_of(vendor), routing_key=queue_of(vendor)) for vendor in vendors()],
        "task_routes": {kind: {"queue": queue_of(command_type(kind).vendor)} for kind in kinds()},
        "task_create_missing_queues": False,
        "task_send_sent_event": False,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_pool_acquire_timeout": 5,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 30,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "priority_steps": [0],
        },
    }


def create_app(broker_url: str) -> Celery:
    """Build the Celery application for a broker."""
    application = Celery("stockrelay", broker=broker_url)
    application.conf.update(_settings())
    return application


def _broker_url() -> str:
    """Read REDIS_URL, or end the process with one line: Celery would answer an exception with its own traceback."""
    try:
        return redis_url(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EX_USAGE) from None


#: `celery -A` wants a module-level application: the one place that reads the environment at import.
app = create_app(_broker_url())
