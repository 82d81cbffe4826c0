"""Connections to a vendor: used again while they are warm, and never a reason for doubt."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from tasks.errors import Exchange, InDoubtError
from tests.scripted_vendor import Limiter, Permission, call, envelope, make
from workers.vendors import base
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(envelope()) + envelope()


@dataclass
class Vendor:
    """Answers on connections that it keeps open, or closes at once without a word, or on the next request."""

    closes: str = ""
    url: str = ""
    connections: int = 0
    requests: int = 0
    #: Set while no connection is open.
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answered = 0
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b"{}"))
                self.requests += 1
                if self.closes == "when asked again" and answered:
                    return
                writer.write(ANSWER)
                answered += 1
                if self.closes == "after each answer":
                    return
        except asyncio.IncompleteReadError:
            pass  # the client has left
        finally:
            writer.close()


@asynccontextmanager
async def vendor(closes: str = "") -> AsyncIterator[Vendor]:
    played = Vendor(closes)
    server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
    played.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/1"
    try:
        yield played
    finally:
        server.close()


async def test_requests_in_a_row_share_a_connection() -> None:
    async with vendor() as played, open_session() as session:
        client = make(session, base_url=played.url)
        for _ in range(3):
            await client.read(call("part/get", {}))

    assert (played.requests, played.connections) == (3, 1)


async def test_a_connection_that_is_no_longer_warm_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WARM_SECONDS", 0.0)
    async with vendor() as played, open_session() as session:
        client = make(session, base_url=played.url)
        for _ in range(3):
            await client.read(call("part/get", {}))

    assert (played.requests, played.connections) == (3, 3)


@pytest.mark.parametrize("times", [2, 20])
async def test_a_vendor_that_closes_after_each_answer_and_does_not_say_so_leaves_no_write_in_doubt(times: int) -> None:
    limiter = Limiter()
    async with vendor("after each answer") as played, open_session() as session:
        client = make(session, limiter, base_url=played.url)
        for _ in range(times):
            answer = await client.write(call("stock/add", {}), Permission(limiter))
            assert isinstance(answer.exchange(), Exchange)

    assert played.requests == times
    assert [entry[0] for entry in limiter.log] == ["acquire", "permitted", "release"] * times


async def test_a_write_on_a_kept_connection_that_is_closed_with_the_request_in_it_is_in_doubt() -> None:
    limiter = Limiter()
    async with vendor("when asked again") as played, open_session() as session:
        client = make(session, limiter, base_url=played.url)
        await client.read(call("part/get", {}))
        with pytest.raises(InDoubtError):
            await client.write(call("stock/add", {}), Permission(limiter))

    assert (played.requests, played.connections) == (2, 1)
    assert limiter.log[-1][0] == "ghost"
