"""The event names of the producers' log lines, beside those of `tasks.telemetry`."""

from typing import Final

REQUEST_REFUSED: Final = "request.refused"
REQUEST_FAILED: Final = "request.failed"
CONNECTION_REFUSED: Final = "connection.refused"
SERVER_LISTENING: Final = "server.listening"
SERVER_STOPPING: Final = "server.stopping"
SERVER_STOPPED: Final = "server.stopped"
