"""When a scan is not a new one: the trigger's bounce, the same label again, the bag that is booked already."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from producers.scanner.modes import ARRIVALS, BOUNCE_MS, REPEAT_SECONDS, SCOPES
from producers.scanner.words import line

if TYPE_CHECKING:
    from producers.scanner.captures import Captures
    from producers.scanner.commands import Instruction
    from producers.scanner.flows import Picks

#: What `label_identity` begins with when no other bag can carry the same label.
_UNIQUE: Final = "unique:"


class BounceFilter:
    """Recognises the same raw scan of one device again, counted from the end of its last arrival, taken or not."""

    def __init__(self, window_ms: int = BOUNCE_MS) -> None:
        self._window_ms = window_ms
        self._last: dict[str, tuple[bytes, int]] = {}
        #: How many were swallowed.
        self.swallowed = 0

    def is_bounce(self, raw: bytes, device: str, at_ms: int) -> bool:
        """Tell whether this arrival repeats the one before on its device; every arrival is remembered."""
        last, last_at_ms = self._last.get(device, (b"", 0))
        self._last[device] = (raw, at_ms)
        # A clock that was set back says nothing.
        bounced = raw == last and 0 <= at_ms - last_at_ms < self._window_ms
        self.swallowed += bounced
        return bounced


class RepeatedLabels:
    """Knows which labels were booked, across restarts."""

    def __init__(self, captures: Captures, repeat_seconds: float = REPEAT_SECONDS) -> None:
        self._captures = captures
        self._repeat_ms = int(repeat_seconds * 1000)

    def judge(self, picks: Picks, mode: Instruction, now_ms: int) -> tuple[Picks, str]:
        """Add the doubt about a label that was booked a moment ago; a text says why the bag cannot be taken at all."""
        identity = picks.choices[0].label
        booked_at_ms = self._captures.label_booked_at(SCOPES[mode], identity) if identity else None
        if booked_at_ms is None:
            return picks, ""
        moment = dt.datetime.fromtimestamp(booked_at_ms / 1000, dt.UTC).astimezone()
        if identity.startswith(_UNIQUE) and mode in ARRIVALS:
            return picks, f"this very bag was booked on {moment:%Y-%m-%d at %H:%M:%S}"
        # A clock that was set back by a little must not make the same bag a new one.
        if abs(now_ms - booked_at_ms) >= self._repeat_ms:
            return picks, ""
        doubt = f"same label again, booked at {moment:%H:%M:%S}: CONFIRM only for a second bag"
        return replace(picks, doubts=(doubt, *picks.doubts)), ""


def refusal(picks: Picks) -> str:
    """Write the first line about a bag that is booked already."""
    return line("seen_before", name=picks.choices[0].shown())
