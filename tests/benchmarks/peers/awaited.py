"""The work of a task as a coroutine: aiohttp, one session kept open."""

from __future__ import annotations

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.benchmarks.peers.calls import KEEP_SECONDS, TIMEOUT_SECONDS, urls

_sessions: list[ClientSession] = []


def session() -> ClientSession:
    """Give the process' one session; it is opened on the loop that first asks."""
    if not _sessions:
        connector = TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS)
        _sessions.append(ClientSession(connector=connector, timeout=ClientTimeout(TIMEOUT_SECONDS)))
    return _sessions[0]


async def work(number: int, calls: int) -> None:
    """Make the task's calls; raises what the client raises, so that the task fails."""
    for url in urls(number, calls):
        async with session().get(url, raise_for_status=True) as answer:
            await answer.read()
