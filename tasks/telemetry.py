"""Every event name that a log line may carry, and the form of a log line.

A line has a sentence for people, the event's name and fields for machines; `key` is the same from scan to settlement.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Final

COMMAND_ACCEPTED: Final = "command.accepted"
COMMAND_SETTLED: Final = "command.settled"
COMMAND_DELAYED: Final = "command.delayed"
COMMAND_OF_NEWER: Final = "command.of_newer"
COMMAND_IN_DOUBT: Final = "command.in_doubt"
COMMAND_LOOKED_UP: Final = "command.looked_up"
COMMAND_EXPANDED: Final = "command.expanded"
COMMAND_HANDED_BACK: Final = "command.handed_back"
COMMAND_BROKEN: Final = "command.broken"
RECORD_DAMAGED: Final = "record.damaged"
DELIVERY_IGNORED: Final = "delivery.ignored"
HOOK_ACCEPTED: Final = "hook.accepted"
HOOK_HELD: Final = "hook.held"
HOOK_IGNORED: Final = "hook.ignored"
HOOK_REFUSED: Final = "hook.refused"
DESK_DECIDED: Final = "desk.decided"
SOURCES_READ: Final = "sources.read"
SOURCES_NOT_READ: Final = "sources.not_read"
SPOOL_BEGUN: Final = "spool.begun"
SPOOL_DAMAGED: Final = "spool.damaged"
SPOOL_DRAINED: Final = "spool.drained"
SPOOL_REFUSED: Final = "spool.refused"
FILE_DONE: Final = "file.done"
FILE_FAILED: Final = "file.failed"
FILE_IGNORED: Final = "file.ignored"
FILE_PROGRESS: Final = "file.progress"
FILE_WAITS: Final = "file.waits"
FEEDS_READ: Final = "feeds.read"
FOLDER_NOT_READ: Final = "folder.not_read"
FOLDER_POLLED: Final = "folder.polled"
OUTBOX_DAMAGED: Final = "outbox.damaged"
ROW_REFUSED: Final = "row.refused"
ROWS_WAIT: Final = "rows.wait"
LEASE_LOST: Final = "lease.lost"
LEASES_NOT_RENEWED: Final = "leases.not_renewed"
LEDGER_UNREACHABLE: Final = "ledger.unreachable"
LOOP_BROKEN: Final = "loop.broken"
COMMANDS_RECOVERED: Final = "commands.recovered"
COMMANDS_REDRIVEN: Final = "commands.redriven"
DIRECTORY_REFRESHED: Final = "directory.refreshed"
DIRECTORY_NOT_REFRESHED: Final = "directory.not_refreshed"
VENDOR_RECONCILED: Final = "vendor.reconciled"
DIFFERENCE_FOUND: Final = "difference.found"
VENDOR_PAUSED: Final = "vendor.paused"
VENDOR_NOT_REACHED: Final = "vendor.not_reached"
VENDOR_SERVED: Final = "vendor.served"
REDIS_NOT_DURABLE: Final = "redis.not_durable"
REQUEST_REFUSED: Final = "request.refused"
REQUEST_FAILED: Final = "request.failed"
CONNECTION_REFUSED: Final = "connection.refused"
TRACES_BROKEN: Final = "traces.broken"
TRACES_SENT: Final = "traces.sent"
TRACES_NOT_SENT: Final = "traces.not_sent"
SERVER_LISTENING: Final = "server.listening"
SERVER_STOPPING: Final = "server.stopping"
SERVER_STOPPED: Final = "server.stopped"

#: Where Celery logs that a task was received, and that it succeeded.
SAID_BETTER: Final = ("celery.worker.strategy", "celery.app.trace")
#: What every LogRecord has; anything else on it was given by the caller as a field.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


class LineFormatter(logging.Formatter):
    """One line a record: time, level, event or sentence, and the fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = " ".join(
            f"{name}={json.dumps(value, default=str)}" for name, value in vars(record).items() if name not in _STANDARD
        )
        line = f"{stamp}.{int(record.msecs):03d}Z {record.levelname:<7} {record.getMessage()} {fields}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(level: str = "INFO") -> None:
    """Send the process's log to standard error, one line a record."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # two more lines for each command, which its own line says better; their warnings and errors stay
    quieter = logging.NOTSET if root.level <= logging.DEBUG else max(root.level, logging.WARNING)
    for name in SAID_BETTER:
        logging.getLogger(name).setLevel(quieter)
