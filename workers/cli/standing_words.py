"""How everything stands, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tasks.envelope import PARKED_STREAM
from workers.cli.screen import span

if TYPE_CHECKING:
    from tasks.presence import Seen
    from tasks.redis_client import Durability
    from workers.cli.indexes import BlockedLane

NOBODY_SEEN: Final = "none seen within the last minute"


def parked_words(parked: int | None) -> str:
    """Say how many messages never reached a task; nothing for none."""
    if parked is None:
        return f"cannot be counted: {PARKED_STREAM} is not a stream"
    return str(parked) if parked else ""


def durability_words(durability: Durability | None) -> str:
    """Say what Redis keeps of what it has acknowledged."""
    if durability is None:
        return "cannot be checked: CONFIG GET is not allowed"
    if durability.is_durable:
        return "every accepted command (durable)"
    return f"NOT every accepted command: {durability}"


def blocked_words(blocked: BlockedLane, now_ms: int) -> str:
    """Say who waits behind what, and since when."""
    since = "" if blocked.since_ms is None else f" for {span((now_ms - blocked.since_ms) / 1000)}"
    state = blocked.state.replace("_", " ") or "damaged"
    return f"{blocked.lane}: {blocked.behind} behind {blocked.key} ({state}{since})"


def process_words(seen: Seen, now_ms: int) -> str:
    """Say which process it is, whether it is there, and since when."""
    one = seen.process
    serves = " " + ", ".join(one.serves) if one.serves else ""
    there = f"silent for {span(seen.seconds_ago)}" if seen.is_silent else "there"
    up = span((now_ms - one.started_ms) / 1000)
    return f"{one.role}{serves} on {one.host}, process {one.pid}, release {one.release}: {there}, started {up} ago"
