"""Slow-loris: connections that send a byte now and then are cut, and good requests are answered beside them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from producers.webhooks import body as body_module
from producers.webhooks import connection as connection_module
from tests.integration.hooks_harness import PATIENCE_SECONDS, picked, serving_hooks

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.conftest import SharedValkey
    from tests.integration.hooks_harness import HookDoor

SLOW_CONNECTIONS = 200
HEAD = b"POST /v1/hooks/repo HTTP/1.1\r\nHost: x\r\n"
#: In the middle of the head, and in the middle of the body.
OPENINGS = (
    HEAD,
    HEAD + b"X-Slow: ",
    HEAD + b"Content-Length: 1000\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
)


async def _drip(door: HookDoor, opening: bytes) -> bytes:
    """Send a byte now and then until the server has had enough; gives what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    said = b""
    writer.write(opening)
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"5\r\nhello\r\n" if b"chunked" in opening else b"x")
            with contextlib.suppress(TimeoutError):
                said += await asyncio.wait_for(reader.read(1000), 0.1)
    writer.close()
    return said


async def test_two_hundred_slow_senders_are_cut_and_good_ones_answered_meanwhile(
    tmp_path: Path, valkey: SharedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 2.0)
    monkeypatch.setattr(body_module, "BODY_SECONDS", 2.0)
    monkeypatch.setattr(connection_module, "LINGER_SECONDS", 0.2)
    async with serving_hooks(tmp_path, valkey.url) as door, asyncio.timeout(PATIENCE_SECONDS):
        slow = [asyncio.create_task(_drip(door, OPENINGS[place % 4])) for place in range(SLOW_CONNECTIONS)]
        good = [await door.repo(picked(), str(number)) for number in range(20)]
        assert sum(task.done() for task in slow) < SLOW_CONNECTIONS
        said = await asyncio.gather(*slow)
        accepted = await door.accepted()

    assert [status for status, _, _ in good] == [202] * 20
    assert len(accepted) == 20
    assert {answer[:12] for answer in said} <= {b"", b"HTTP/1.1 408"}
    assert sum(answer.startswith(b"HTTP/1.1 408") for answer in said) > 0
