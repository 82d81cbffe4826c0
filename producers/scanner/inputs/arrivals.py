"""What an input gives: scans, the bytes they are cut from, and news of the devices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class InputError(Exception):
    """An input that cannot work before somebody changes something, such as an address that is taken."""


class News(StrEnum):
    """What happened to a device."""

    CONNECTED = "connected"
    #: Gone, or not there yet; it is awaited.
    LOST = "lost"
    #: The kernel threw key events away; the scan they belonged to is dropped.
    DROPPED = "dropped events, scan again"
    #: Characters came and no suffix after them; they are dropped, so that the next scan is not glued to them.
    UNFINISHED = "scan without suffix dropped, set the scanner to send Enter"
    #: An address that scanners can connect to.
    LISTENING = "listening"


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan without its suffix. `at_ms` is when its end arrived, in UTC milliseconds of this machine."""

    raw: bytes
    device: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class DeviceNews:
    """News of one device; `reason` is for the operator and may be empty. What it had begun to send is dropped."""

    device: str
    news: News
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of one device as they came, suffixes and all; none means that its stream has ended in good order."""

    data: bytes
    device: str
    at_ms: int


#: Hands an arrival on, and waits while too many are waiting.
Deliver = Callable[[Chunk | DeviceNews], Awaitable[None]]


class Input(Protocol):
    """One source of scans, with one device or several."""

    async def read(self, deliver: Deliver) -> None:
        """Deliver what arrives until the source ends, which most never do. InputError when it cannot be used."""
        ...
