"""A client of the event stream: reads server-sent events as a browser does, its position included."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.integration.command_api_harness import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.command_api_harness import Door

#: A busy machine takes its time; nothing here waits so long when all is well.
PATIENCE_SECONDS = 40.0


@dataclass(frozen=True)
class Sent:
    """One event as it came."""

    type: str
    data: Any
    id: str


class StreamEndedError(Exception):
    """The server has ended the stream."""


class Reader:
    """Reads one stream. `last_id` is what a browser would send when it comes back."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""

    async def block(self) -> dict[str, str]:
        """Give the fields of the next block; a comment alone is one too, under an empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (line := (await self.answer.content.readuntil(b"\n")).decode()) != "\n":
                if not line.endswith("\n"):
                    raise StreamEndedError
                name, _, value = line.rstrip("\n").partition(":")
                fields[name] = value.strip()
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def event(self) -> Sent:
        """Give the next event, over what is none."""
        while "data" not in (fields := await self.block()):
            pass
        return Sent(fields["event"], json.loads(fields["data"]), fields["id"])

    async def states(self, count: int) -> list[tuple[str, str]]:
        """Give key and state of the next events."""
        events = [await self.event() for _ in range(count)]
        assert {event.type for event in events} <= {"command.state"}
        return [(event.data["key"], event.data["state"]) for event in events]

    async def rest(self) -> list[Sent]:
        """Give all whole events there are until the server ends the stream or cuts it off."""
        events = []
        with contextlib.suppress(aiohttp.ClientError, StreamEndedError):
            while True:
                events.append(await self.event())
        return events


@contextlib.asynccontextmanager
async def streaming(
    door: Door, *, token: str = TOKEN, last_id: str = "", path: str = "/v1/stream"
) -> AsyncIterator[Reader]:
    """Open a stream, which has begun when this returns: what happens from then on arrives."""
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last_id} if last_id else {})}
    async with door.session.get(f"{door.url}{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        yield Reader(answer)
