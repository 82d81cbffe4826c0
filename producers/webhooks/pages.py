"""`/openapi.json` and `/docs`: the description of the routes for programs, and a page that shows it to people.

The page is three files of ours and asks nobody else for anything; its policy allows no script or style but those.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from producers.webhooks.openapi import PUBLIC, Answer, Operation, Route, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from producers.webhooks.openapi import Handler

_TYPES: Final[Mapping[str, str]] = {
    "docs.html": "text/html",
    "docs.css": "text/css",
    "docs.js": "text/javascript",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: For everything that a browser shows.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class DocumentRoutes:
    """The handlers. `described` gives the routes of the whole application, these included."""

    def __init__(self, described: Callable[[], Iterable[Route]]) -> None:
        self._described = described
        folder = resources.files("producers.webhooks").joinpath("static")
        self._files = {name: folder.joinpath(name).read_bytes() for name in _TYPES}
        self._document: bytes | None = None

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", "/openapi.json", self.show_document, _DOCUMENT),
            ("GET", "/docs", self._file("docs.html"), _operation("The page", "text/html")),
            ("GET", "/docs/docs.css", self._file("docs.css"), _operation("The page's style", "text/css")),
            ("GET", "/docs/docs.js", self._file("docs.js"), _operation("The page's script", "text/javascript")),
        ]

    async def show_document(self, _: web.Request) -> web.Response:
        """`GET /openapi.json`."""
        if self._document is None:
            self._document = json.dumps(document(self._described())).encode()
        return web.Response(body=self._document, content_type="application/json", headers={"Cache-Control": "no-cache"})

    def _file(self, name: str) -> Handler:
        async def show(_: web.Request) -> web.Response:
            return web.Response(
                body=self._files[name], content_type=_TYPES[name], charset="utf-8", headers=PAGE_HEADERS
            )

        return show


def _operation(summary: str, content_type: str) -> Operation:
    return Operation(
        summary=summary,
        tag="documentation",
        roles=PUBLIC,
        answers={200: Answer(description="A file.", content_type=content_type)},
    )


_ANY: Final[Mapping[str, Any]] = {"type": "object"}
_DOCUMENT: Final = Operation(
    summary="This document",
    tag="documentation",
    roles=PUBLIC,
    answers={200: Answer(description="OpenAPI 3.1.", schema=_ANY)},
)
