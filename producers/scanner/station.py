"""One station: each scan becomes feedback, and a complete entry becomes a command on disk before the feedback."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producers.outbox import OutboxError, now_ms
from producers.scanner.codes import CodeReader, Unreadable, clean, shown
from producers.scanner.flows import Entry, Flows, Tone
from tasks.registry import InvalidCommandError, parse_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.outbox import Outbox
    from producers.scanner.flows import Draft

#: The same code again within this time is the scanner's trigger bouncing, not a second scan.
BOUNCE_SECONDS: Final = 0.7


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the operator sees after a scan. `key` is there when a command was stored."""

    tone: Tone
    mode: str
    message: str
    prompt: str
    key: str | None = None


class BounceFilter:
    """Recognises the same code again within the window, counted from its last arrival, taken or not."""

    def __init__(self, window_seconds: float, clock: Callable[[], float]) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._last = ""
        self._last_at = float("-inf")

    def is_bounce(self, text: str) -> bool:
        """Tell whether this arrival repeats the one before; every arrival is remembered."""
        now = self._clock()
        bounced = text.lower() == self._last and now - self._last_at < self._window_seconds
        self._last, self._last_at = text.lower(), now
        return bounced


class Station:
    """The operator's side of a station. `scan` never raises; nothing it calls stored is lost afterwards."""

    def __init__(
        self,
        station_id: str,
        outbox: Outbox,
        reader: CodeReader,
        flows: Flows,
        *,
        bounce_seconds: float = BOUNCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._station_id = station_id
        self._outbox = outbox
        self._reader = reader
        self._flows = flows
        self._bounces = BounceFilter(bounce_seconds, clock)
        self._clock_ms = clock_ms
        self._entry = Entry()
        latest = outbox.latest()
        self._last_timestamp = 0 if latest is None else latest.stock_timestamp

    def greet(self) -> Feedback:
        """Give the first feedback, before any scan."""
        return self._feedback(Tone.NOTE, f"station {self._station_id} is ready")

    def scan(self, raw: bytes) -> Feedback:
        """Take one scan as it came from the scanner."""
        text = clean(raw)
        if isinstance(text, Unreadable):
            return self._feedback(Tone.ERROR, text.reason)
        if self._bounces.is_bounce(text):
            return self._feedback(Tone.NOTE, f"{shown(text)} came twice at once, counted once")
        reply = self._flows.take(self._entry, self._reader.read(text))
        if reply.draft is not None:
            return self._store(reply.draft, reply.entry)
        self._entry = reply.entry
        return self._feedback(reply.tone, reply.message)

    def _store(self, draft: Draft, following: Entry) -> Feedback:
        # Fixed here, at capture: it is part of the command's key and never changes again.
        timestamp = max(self._clock_ms(), self._last_timestamp + 1)
        fields = {**draft.fields, "stock_timestamp": timestamp, "source": self._station_id}
        try:
            command = parse_command(draft.kind, fields)
            key = command.key()
            body = json.dumps({"kind": draft.kind, **fields}, separators=(",", ":"))
            self._outbox.store(key=key, stock_timestamp=timestamp, body=body, summary=command.summary())
        except InvalidCommandError as error:
            # The ids and the quantity are checked by now: this is a clock that was never set.
            return self._feedback(Tone.ERROR, f"NOT STORED, {error}")
        except OutboxError as error:
            return self._feedback(Tone.ERROR, f"NOT STORED, call for help and scan again: {error}")
        self._last_timestamp = timestamp
        self._entry = following
        return self._feedback(Tone.STORED, command.summary(), key)

    def _feedback(self, tone: Tone, message: str, key: str | None = None) -> Feedback:
        mode = self._entry.mode
        return Feedback(tone, "no mode" if mode is None else mode.value, message, self._flows.prompt(self._entry), key)
