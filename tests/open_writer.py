"""What aiohttp writes a request's body to, where a test or a play takes its place: an open connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def open_writer(write: Callable[[bytes], Awaitable[None]]) -> Any:
    """Give a writer that hands each piece on."""
    return SimpleNamespace(write=write, transport=SimpleNamespace(is_closing=lambda: False, abort=lambda: None))
