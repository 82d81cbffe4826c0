"""A request as a vendor's server sees it, and its end of the connection: aiohttp's, as far as a sandbox asks them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion11
from multidict import CIMultiDict

from tests.simulation.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from tests.simulation.network import Connection


class Transport:
    """What the vendor sees of its end of a connection."""

    def __init__(self, connection: Connection) -> None:
        self.closed = False
        self._connection = connection
        #: What was written of an answer that was begun.
        self.begun: Answer | None = None

    def get_extra_info(self, _name: str) -> Any:
        return SimpleNamespace(setsockopt=lambda *_options: None)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._connection.hung_up(self.begun, reset=False)

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self._connection.hung_up(self.begun, reset=True)


class Request:
    """A request as the vendor's server sees it: aiohttp's, as far as a sandbox asks one."""

    version = HttpVersion11
    keep_alive = True

    def __init__(self, connection: Connection, method: str, url: URL, given: dict[str, Any], body: bytes) -> None:
        self.method = method
        self.transport = Transport(connection)
        self.headers: Mapping[str, str] = CIMultiDict(given["headers"])
        self.url = url if given["params"] is None else url.with_query(given["params"])
        self._body = body

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def match_info(self) -> dict[str, str]:
        base = "/api/1/" if self.url.path.startswith("/api/1/") else "/"
        return {"operation": self.url.path.removeprefix(base)}

    @property
    def query(self) -> Any:
        return self.url.query

    @property
    def query_string(self) -> str:
        return self.url.query_string

    @property
    def path_qs(self) -> str:
        return self.url.path_qs

    @property
    def host(self) -> str:
        return self.url.host or ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "application/octet-stream")

    @property
    def content_length(self) -> int | None:
        return len(self._body)

    @property
    def text(self) -> str:
        return self._body.decode()

    async def read(self) -> bytes:
        return self._body

    async def json(self) -> Any:
        return json.loads(self._body)

    # what aiohttp's streamed response asks of it

    @property
    def _payload_writer(self) -> Request:
        return self

    async def _prepare_hook(self, response: Any) -> None:
        self.transport.begun = Answer(response.status, response.headers, b"")

    def send_headers(self) -> None:
        return

    async def write_headers(self, _line: str, _headers: Mapping[str, str]) -> None:
        return

    async def write(self, piece: bytes) -> None:
        if self.transport.begun is not None:
            self.transport.begun = replace(self.transport.begun, body=self.transport.begun.body + piece)
