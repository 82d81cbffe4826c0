"""The Celery message that hints at a command: protocol version 2 as kombu's Redis transport stores it.

The ledger's script fills the template in, so that admitting a command and hinting at it are one step. The message
holds the kind, the key and a short summary; the command itself stays in the ledger.
Source: Celery's message protocol 2; kept equal to the installed Celery by a contract test.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any, Final

#: Where workers keep messages that never reach a task. Fields: `reason` (why), `raw` (bytes as they came, perhaps no
#: UTF-8), `queue`, `at` (UTC milliseconds).
PARKED_STREAM: Final = "sr:parked"

#: Every hint has the same body: no arguments, no callbacks. The key is the task id.
_BODY = json.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])


def queue_of(vendor: str) -> str:
    """Name the Celery queue of a vendor."""
    return f"vendor.{vendor}"


def hint_template(queue: str) -> str:
    """Build the message with `@kind@`, `@key@`, `@args@` and `@tag@` left to be filled in.

    `@args@` stands for a JSON string with its quotes; the others are plain text without JSON's special characters.
    """
    headers: dict[str, Any] = {
        "lang": "py",
        "task": "@kind@",
        "id": "@key@",
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": "@key@",
        "parent_id": None,
        "argsrepr": "@args@",
        "kwargsrepr": "{}",
        "origin": f"{os.getpid()}@{socket.gethostname()}",
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    properties: dict[str, Any] = {
        "correlation_id": "@key@",
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "@tag@",
    }
    message = {
        "body": base64.b64encode(_BODY.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(message).replace('"@args@"', "@args@")
