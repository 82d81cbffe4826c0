"""What the operator sees: a line for each scan and each news, JSON for programs, or a whole screen on a terminal."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from producers.outbox import OutboxState
from producers.scanner.flows import Tone

if TYPE_CHECKING:
    from typing import TextIO

    from producers.outbox import Stored
    from producers.scanner.station import Feedback

#: What a screen across the table still shows in large letters.
SHOWN_RESULTS: Final = 5

_TONE_WORDS: Final = {
    Tone.OK: "ok",
    Tone.NOTE: "note",
    Tone.ASK: "CONFIRM?",
    Tone.ERROR: "ERROR",
    Tone.STORED: "stored",
    Tone.UNDONE: "undone",
    Tone.EXPIRED: "EXPIRED",
}
_COLOURS: Final = {
    Tone.OK: "bold",
    Tone.NOTE: "bold",
    Tone.ASK: "bold black on yellow",
    Tone.ERROR: "bold white on red",
    Tone.STORED: "bold black on green",
    Tone.UNDONE: "bold black on green",
    Tone.EXPIRED: "bold white on red",
}
_NEWS_WORDS: Final = {
    None: "waiting",
    OutboxState.STORED: "waiting",
    OutboxState.SENT: "sent",
    OutboxState.UNANSWERED: "unanswered",
    OutboxState.APPLIED: "booked",
    OutboxState.REJECTED: "REFUSED",
    OutboxState.REFUSED: "REFUSED",
    OutboxState.HELD: "HELD",
    OutboxState.CANCELLED: "cancelled",
    OutboxState.WITHDRAWN: "taken back",
}


class Screen(Protocol):
    """What shows a station. Its methods raise OSError when nobody reads it any more."""

    def feedback(self, feedback: Feedback) -> None:
        """Show what a scan led to: mode, message, what to scan next."""

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        """Show what became of a stored command."""

    def note(self, message: str) -> None:
        """Show something about the station itself."""

    def status(self, text: str) -> None:
        """Show how many commands wait, and whether the relay is away."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def status_text(waiting: int, trouble: str) -> str:
    """Say how the deliveries stand."""
    if trouble:
        return f"OFFLINE {waiting} waiting"
    return f"{waiting} waiting" if waiting else "all delivered"


def _news_text(stored: Stored, state: OutboxState | None, reason: str) -> str:
    because = f" ({reason})" if reason else ""
    return f"{_NEWS_WORDS[state]}: {stored.summary}{because}"


class Nothing:
    """Shows nothing: sounds and the exit code have to do."""

    def feedback(self, feedback: Feedback) -> None:
        """Do nothing."""

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        """Do nothing."""

    def note(self, message: str) -> None:
        """Do nothing."""

    def status(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines(Nothing):
    """Writes plain lines, each at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def feedback(self, feedback: Feedback) -> None:
        if feedback.tone is Tone.BOUNCE:
            return
        operator = f" {feedback.operator}" if feedback.operator else ""
        detail = f" ({feedback.detail})" if feedback.detail else ""
        word = _TONE_WORDS[feedback.tone]
        self._line(f"[{feedback.mode}{operator}] {word}: {feedback.message}{detail} | {feedback.prompt}")

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        self._line(f"    {_news_text(stored, state, reason)} [{stored.key}]")

    def note(self, message: str) -> None:
        self._line(f"    {message}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Documents(Nothing):
    """Writes one JSON object a line, for programs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def feedback(self, feedback: Feedback) -> None:
        self._document(
            event="scan",
            tone=feedback.tone.value,
            mode=feedback.mode,
            operator=feedback.operator,
            message=feedback.message,
            detail=feedback.detail,
            next=feedback.prompt,
            key=feedback.key,
        )

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        word = (state or OutboxState.STORED).value
        self._document(event="command", key=stored.key, state=word, summary=stored.summary, reason=reason or None)

    def note(self, message: str) -> None:
        self._document(event="station", message=message)

    def _document(self, **fields: Any) -> None:
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()


class FullScreen(Nothing):
    """Draws a status line, the last message in large, what to do next, and the last results."""

    def __init__(self, stream: TextIO, station_id: str) -> None:
        self._station_id = station_id
        self._feedback: Feedback | None = None
        self._status = ""
        self._results: deque[str] = deque(maxlen=SHOWN_RESULTS)
        self._live = Live(console=Console(file=stream), auto_refresh=False)
        self._live.start()

    def feedback(self, feedback: Feedback) -> None:
        if feedback.tone is Tone.BOUNCE:
            return
        self._feedback = feedback
        if feedback.tone in (Tone.STORED, Tone.UNDONE):
            self._results.append(feedback.message)
        self._draw()

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        # That something waits is on the status line; sent is what is expected.
        if state not in (None, OutboxState.STORED, OutboxState.SENT):
            self._results.append(_news_text(stored, state, reason))
        self._draw()

    def note(self, message: str) -> None:
        self._results.append(message)
        self._draw()

    def status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._draw()

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        self._live.update(self._rendered(), refresh=True)

    def _rendered(self) -> Group:
        last = self._feedback
        line = Table.grid(expand=True, padding=(0, 2))
        mode = "no mode" if last is None else last.mode
        operator = "" if last is None else last.operator
        # Text throughout: a name with brackets in it is no markup.
        line.add_row(Text(self._station_id), Text(operator or "no badge"), Text(mode, "bold"), Text(self._status))
        parts: list[Any] = [line]
        if last is not None:
            prompt = Text(f"\n{last.prompt}")
            message = Text(last.message, _COLOURS[last.tone])
            parts.append(Panel(Group(message, Text(last.detail, "dim"), prompt), padding=(1, 2)))
        return Group(*parts, *(Text(result) for result in reversed(self._results)))
