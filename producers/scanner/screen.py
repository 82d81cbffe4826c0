"""What the operator sees and hears: one line for each scan and each news from the relay, plain text or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from producers.outbox import OutboxState
from producers.scanner.flows import Tone

if TYPE_CHECKING:
    from typing import TextIO

    from producers.outbox import Stored
    from producers.scanner.station import Feedback

#: BEL: one when stored, two when a scan was not taken, three when a stored command came to nothing.
_BELL: Final = "\a"
_SCAN_BELLS: Final = {Tone.STORED: 1, Tone.ERROR: 2}
_BAD_NEWS: Final = frozenset({OutboxState.REFUSED, OutboxState.REJECTED, OutboxState.HELD})
_BAD_NEWS_BELLS: Final = 3

_TONE_WORDS: Final = {Tone.OK: "ok", Tone.NOTE: "note", Tone.ERROR: "ERROR", Tone.STORED: "stored"}
_NEWS_WORDS: Final = {
    None: "waiting",
    OutboxState.STORED: "waiting",
    OutboxState.SENT: "sent",
    OutboxState.UNANSWERED: "unanswered",
    OutboxState.APPLIED: "applied",
    OutboxState.REJECTED: "REFUSED",
    OutboxState.REFUSED: "REFUSED",
    OutboxState.HELD: "HELD",
    OutboxState.CANCELLED: "cancelled",
}


class Screen:
    """Writes each line at once. OSError when nobody reads it any more."""

    def __init__(self, stream: TextIO, *, as_json: bool = False, bell: bool = False) -> None:
        self._stream = stream
        self._as_json = as_json
        self._bell = bell

    def feedback(self, feedback: Feedback) -> None:
        """Show what a scan led to: mode, message, what to scan next."""
        if self._as_json:
            self._document(
                event="scan",
                tone=feedback.tone.value,
                mode=feedback.mode,
                message=feedback.message,
                next=feedback.prompt,
                key=feedback.key,
            )
            return
        text = f"[{feedback.mode}] {_TONE_WORDS[feedback.tone]}: {feedback.message} | {feedback.prompt}"
        self._line(text, _SCAN_BELLS.get(feedback.tone, 0))

    def news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        """Show what became of a stored command."""
        if self._as_json:
            state_word = (state or OutboxState.STORED).value
            self._document(
                event="command", key=stored.key, state=state_word, summary=stored.summary, reason=reason or None
            )
            return
        because = f" ({reason})" if reason else ""
        text = f"    {_NEWS_WORDS[state]}: {stored.summary}{because} [{stored.key}]"
        self._line(text, _BAD_NEWS_BELLS if state in _BAD_NEWS else 0)

    def note(self, message: str) -> None:
        """Show something about the station itself."""
        if self._as_json:
            self._document(event="station", message=message)
            return
        self._line(f"    {message}", 0)

    def _document(self, **fields: Any) -> None:
        self._line(json.dumps(fields), 0)

    def _line(self, text: str, bells: int) -> None:
        self._stream.write(text + (_BELL * bells if self._bell else "") + "\n")
        self._stream.flush()
