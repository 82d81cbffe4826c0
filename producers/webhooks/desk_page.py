"""`/dead-letters`: the dead-letter desk in a browser. Its files and its session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from producers.webhooks import sessions
from producers.webhooks.page_files import PageFiles, file_operation, page_operation
from producers.webhooks.session_routes import SessionRoutes
from tasks.dead_letters import MAX_PER_SECOND
from tasks.people import MAX_REASON
from tasks.registry import kinds, vendors

if TYPE_CHECKING:
    from producers.webhooks.auth import Clients
    from producers.webhooks.openapi import Route

_PATH: Final = "/dead-letters"
_TAG: Final = "dead-letter page"


class DeskPage:
    """The handlers."""

    def __init__(self, clients: Clients) -> None:
        table = {
            "vendors": list(vendors()),
            "kinds": list(kinds()),
            "longest_reason": MAX_REASON,
            "fastest_redrive": MAX_PER_SECOND,
        }
        self._files = PageFiles("desk", ("desk.html",), {"table.json": json.dumps(table).encode()})
        self._sessions = SessionRoutes(clients, sessions.DESK, _PATH, _TAG)

    def routes(self) -> list[Route]:
        """List what is served."""
        files = self._files
        return [
            ("GET", _PATH, files.show_page, page_operation("The dead-letter desk in a browser", _TAG, "text/html")),
            ("GET", f"{_PATH}/{{version}}/{{name}}", files.show_file, file_operation(_TAG)),
            *self._sessions.routes(),
        ]
