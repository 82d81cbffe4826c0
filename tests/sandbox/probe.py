"""A plain client for the tests of the sandboxes, which shows every answer and mends nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp


@dataclass(frozen=True)
class Seen:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    text: str
    json: Any


class Probe:
    """Sends one request at a time and never follows a redirect."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str, headers: dict[str, str] | None = None) -> AsyncIterator[Self]:
        """Open a client for one base URL."""
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(20)) as session:
            yield cls(session, url)

    async def post(self, path: str, body: Any = None, **options: Any) -> Seen:
        """Send JSON; options are those of aiohttp."""
        return await self.send("POST", path, json={} if body is None else body, **options)

    async def send(self, method: str, path: str, **options: Any) -> Seen:
        """Send anything; raises what aiohttp raises."""
        url = f"{self._url}/{path}"
        async with self._session.request(method, url, allow_redirects=False, **options) as response:
            text = await response.text()
            try:
                value = await response.json()
            except (ValueError, aiohttp.ContentTypeError):
                value = None
            return Seen(response.status, dict(response.headers), text, value)
