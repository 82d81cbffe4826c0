"""A relay for the tests of the station's tools: takes every scan, knows a few things, applies all commands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from tasks.registry import parse_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.testing import Result


class FakeRelay:
    """Serves on a free port of 127.0.0.1 until its block is left."""

    def __init__(self, things: Sequence[dict[str, Any]], *, refuses: str = "") -> None:
        self._things = things
        self._refuses = refuses
        self.commands: list[dict[str, Any]] = []
        self.tokens: set[str] = set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/scans", self._scans)
        app.router.add_get("/v1/commands", self._states)
        app.router.add_get("/v1/directory/ids/{id}", self._thing)
        app.router.add_get("/v1/directory/parts", self._parts)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def beside(self, run: Callable[[], Result]) -> Result:
        """Run a program while the relay serves."""
        return await asyncio.to_thread(run)

    async def _scans(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers["Authorization"].removeprefix("Bearer "))
        results = []
        for body in await request.json():
            self.commands.append(body)
            fields = dict(body)
            command = parse_command(fields.pop("kind"), fields)
            if self._refuses:
                results.append({"key": command.key(), "status": "refused", "problem": {"detail": self._refuses}})
            else:
                results.append({"key": command.key(), "status": "stored", "state": "ready"})
        return web.json_response({"results": results})

    async def _states(self, request: web.Request) -> web.Response:
        return web.json_response({"commands": {key: {"state": "applied"} for key in request.query["keys"].split(",")}})

    async def _thing(self, request: web.Request) -> web.Response:
        found = [thing for thing in self._things if thing["id"] == request.match_info["id"]]
        return web.json_response(found[0]) if found else web.json_response({}, status=404)

    async def _parts(self, request: web.Request) -> web.Response:
        code = request.query["code"]
        found = [thing for thing in self._things if code in map(str.casefold, thing.get("codes", ()))]
        return web.json_response({"parts": found, "known": bool(found)})
