"""Ending for certain: background loops, and output that nobody takes any more."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A loop that did not end within this time has missed its cancel.
LOST_CANCEL_SECONDS: Final = 0.1


async def end_loops(loops: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: one cancel is lost when it meets the end of a write to Redis.

    redis-py writes under `asyncio.wait_for`, which in Python 3.11 then returns the result instead of being cancelled.
    """
    running = set(loops)
    while running := {loop for loop in running if not loop.done()}:
        for loop in running:
            loop.cancel()
        await asyncio.wait(running, timeout=LOST_CANCEL_SECONDS)


def drop_output() -> None:
    """Let what is still buffered for standard output go nowhere: at its end Python would fail to write it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
