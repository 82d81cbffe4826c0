"""Server-sent events: from bytes to events, as the HTML standard says (section 9.2, https://html.spec.whatwg.org)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: More than any event of the relay: a stream that is none must not fill the memory.
MAX_EVENT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `position` is the last id that was given, with this event or before.

    An id alone, which is no event by the standard, is one without a name here: it tells how far the stream is.
    """

    name: str
    data: str
    position: str


class EventParser:
    """Reads one stream; what is cut off at its end is no event."""

    def __init__(self, position: str = "") -> None:
        self._position = position
        self._rest = b""
        self._is_start = True
        self._name = ""
        self._data: list[str] = []
        self._has_id = False
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Give the events that are complete with these bytes; ValueError for what is too long to be one."""
        text = self._rest + chunk
        # a CR at the end may be the first half of CR LF
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, self._rest = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest += held
        events = [event for line in lines if (event := self._line(line)) is not None]
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return events

    def _line(self, line: bytes) -> ServerEvent | None:
        if self._is_start:
            line, self._is_start = line.removeprefix(b"\xef\xbb\xbf"), False
        if not line:
            return self._end()
        self._size += len(line)
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._position, self._has_id = value, True
        return None

    def _end(self) -> ServerEvent | None:
        event = None
        if self._data:
            event = ServerEvent(self._name or "message", "\n".join(self._data), self._position)
        elif self._has_id:
            event = ServerEvent("", "", self._position)
        self._name, self._data, self._has_id, self._size = "", [], False, 0
        return event
