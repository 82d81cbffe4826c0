"""What most people would write: a Celery task on the threads pool that calls the vendor with `requests`.

It makes the same three calls as our worker (read, write, read back) and gives none of its promises: no ledger, no
lanes, no limits, no look-up. `acks_late` is on, as everyone is told.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import requests
from celery import Celery

app = Celery("plain", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    task_default_queue="plain",
    broker_connection_retry_on_startup=True,
)

_local = threading.local()


def _call(operation: str, body: dict[str, Any]) -> Any:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = f"APIKey {os.environ['STOCKRELAY_PARTSBOX_API_KEY']}"
    url = f"{os.environ['STOCKRELAY_PARTSBOX_URL']}/{operation}"
    answer = _local.session.post(url, json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()


@app.task(name="plain.add")  # type: ignore[untyped-decorator]  # Celery ships no types
def add(part_id: str, storage_id: str, quantity: int, comments: str) -> None:
    """Add stock, reading the part before and after."""
    _call("part/get", {"part/id": part_id})
    _call(
        "stock/add",
        {
            "stock/part-id": part_id,
            "stock/storage-id": storage_id,
            "stock/quantity": quantity,
            "stock/comments": comments,
        },
    )
    _call("part/get", {"part/id": part_id})
