"""The files of a page in a browser, and the headers that keep anything foreign out of it.

The files stand under a version made of their content: a page never mixes files of two releases, and keeps them for
ever. Nothing of it comes from another server, and its policy allows no script or style but those files.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from producers.webhooks.openapi import PUBLIC, Answer, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: In the page, for the version.
_VERSION_MARK: Final = b"{version}"
_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
}
_VERSION_CHARACTERS: Final = 16
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FRESH: Final = {"Cache-Control": "no-cache"}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class PageFiles:
    """The files of `static/<folder>` and those that are `made` at the start.

    A browser asks about the first of `fresh`, the page, each time; the rest of them have routes of their own.
    """

    def __init__(self, folder: str, fresh: Sequence[str], made: Mapping[str, bytes] | None = None) -> None:
        found = resources.files("producers.webhooks").joinpath("static", folder)
        files = {each.name: each.read_bytes() for each in found.iterdir() if each.name.rpartition(".")[2] in _TYPES}
        files |= made or {}
        self._version = _version_of(files)
        self._fresh = tuple(fresh)
        self._files = files

    def names(self) -> list[str]:
        """List the files that are kept for ever."""
        return sorted(self._files.keys() - set(self._fresh))

    def marked(self, name: str) -> bytes:
        """Give a file with the version written where it belongs."""
        return self._files[name].replace(_VERSION_MARK, self._version.encode())

    async def show_page(self, _: web.Request) -> web.Response:
        """Serve the page."""
        return fresh_answer(self.marked(self._fresh[0]), "text/html")

    async def show_file(self, request: web.Request) -> web.Response:
        """`…/{version}/{name}`: serve a file of this release's page."""
        name = request.match_info["name"]
        if request.match_info["version"] != self._version or name not in self.names():
            raise web.HTTPNotFound
        headers = {**_HEADERS, **_FOR_EVER}
        content_type = _TYPES[name.rpartition(".")[2]]
        return web.Response(body=self._files[name], content_type=content_type, charset="utf-8", headers=headers)


def fresh_answer(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a file that a browser asks about each time."""
    return web.Response(
        body=body, content_type=content_type, charset="utf-8", headers={**_HEADERS, **_FRESH, **(headers or {})}
    )


def page_operation(summary: str, tag: str, content_type: str, **more: Any) -> Operation:
    """Describe a route that gives a file."""
    answers = {200: Answer(description="A file.", content_type=content_type)}
    return Operation(summary=summary, tag=tag, roles=PUBLIC, answers=answers, **more)


def file_operation(tag: str) -> Operation:
    """Describe the route of a page's files."""
    return page_operation(
        "A file of the page",
        tag,
        "text/javascript",
        parameters=(
            Parameter(name="version", place="path", description="The page's version, as it stands in the page."),
            Parameter(name="name", place="path", description="The file's name.", example="main.js"),
        ),
        problems={404: "No such file in this release."},
    )


def _version_of(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])} ".encode() + files[name])
    return digest.hexdigest()[:_VERSION_CHARACTERS]
