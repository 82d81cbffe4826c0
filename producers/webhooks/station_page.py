"""`/station`: the station in a browser. Its files, the worker that opens it without a network, and its session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from producers.webhooks import sessions
from producers.webhooks.page_files import PageFiles, file_operation, fresh_answer, page_operation
from producers.webhooks.session_routes import SessionRoutes
from producers.webhooks.station_table import station_table

if TYPE_CHECKING:
    from aiohttp import web

    from producers.webhooks.auth import Clients
    from producers.webhooks.openapi import Route

_PATH: Final = "/station"
_TAG: Final = "browser station"
_WORKER: Final = "worker.js"
#: In the worker, for the list of the page's files.
_FILES_MARK: Final = b'["{files}"]'


class StationRoutes:
    """The handlers."""

    def __init__(self, clients: Clients) -> None:
        table = json.dumps(station_table(), ensure_ascii=False).encode()
        self._files = PageFiles("station", ("station.html", _WORKER), {"table.json": table})
        names = json.dumps(self._files.names()).encode()
        self._worker = self._files.marked(_WORKER).replace(_FILES_MARK, names)
        self._sessions = SessionRoutes(clients, sessions.STATION, _PATH, _TAG)

    def routes(self) -> list[Route]:
        """List what is served."""
        files = self._files
        return [
            ("GET", _PATH, files.show_page, page_operation("The station in a browser", _TAG, "text/html")),
            ("GET", f"{_PATH}/{_WORKER}", self.show_worker, _SHOW_WORKER),
            ("GET", f"{_PATH}/{{version}}/{{name}}", files.show_file, file_operation(_TAG)),
            *self._sessions.routes(),
        ]

    async def show_worker(self, _: web.Request) -> web.Response:
        """`GET /station/worker.js`: serves the page when there is no network."""
        return fresh_answer(self._worker, "text/javascript", {"Service-Worker-Allowed": _PATH})


_SHOW_WORKER: Final = page_operation("What opens the station without a network", _TAG, "text/javascript")
