"""EDI as a stream of segments: X12 (X12.6) and EDIFACT (ISO 9735) differ in separators and in the escape character."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from producers.files.rows import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from producers.files.rows import Fault, Record

#: What stands between segments without meaning: line ends, blanks, the old end-of-file mark, padding.
_AROUND: Final = "\r\n \t\x1a\0"
_CHUNK_CHARACTERS: Final = 1 << 16
#: No segment is longer; without terminators a file would be read into memory whole.
_MAX_SEGMENT_CHARACTERS: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Separators:
    """The characters between things. `release` makes the character behind it plain text; empty in X12."""

    element: str
    component: str
    terminator: str
    release: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its place in the file from 1, its tag, and its elements, each a list of components."""

    number: int
    tag: str
    elements: tuple[tuple[str, ...], ...]
    text: str

    def get(self, element: int, component: int = 1) -> str:
        """Give a component by its numbers from 1; empty where there is none."""
        if element > len(self.elements) or component > len(self.elements[element - 1]):
            return ""
        return self.elements[element - 1][component - 1].strip()


class Envelopes(Protocol):
    """Judges what stands round the messages; raises FileProblem."""

    def take(self, segment: Segment) -> None:
        """Judge one segment."""

    def finish(self) -> None:
        """Judge the end of the file."""


class Message(Protocol):
    """Follows one message."""

    def take(self, segment: Segment) -> Iterator[Record | Fault]:
        """Take one segment; gives what is complete now."""

    def end(self, segment: Segment) -> Iterator[Record | Fault]:
        """Take the message's last segment; gives what is left."""


def read_messages(
    segments: Iterator[Segment], envelopes: Envelopes, tags: tuple[str, str], open_message: Callable[[], Message]
) -> Iterator[Record | Fault]:
    """Give the records of all messages; `tags` are those of a message's first and last segment."""
    first, last = tags
    message: Message | None = None
    for segment in segments:
        envelopes.take(segment)
        if segment.tag == first:
            message = open_message()
        elif segment.tag == last and message is not None:
            yield from message.end(segment)
            message = None
        elif message is not None:
            yield from message.take(segment)
    envelopes.finish()


def split_segments(file: TextIO, separators: Separators, *, first: int = 1) -> Iterator[Segment]:
    """Read segments to the end; line ends between them do not count.

    Raises FileProblem for what is behind the last terminator: the file was cut.
    """
    number = first
    around = "\r\n" if separators.terminator in "\r\n" else _AROUND
    for raw in _raw_segments(file, separators):
        text = raw.strip(around)
        if not text:
            continue
        elements = tuple(_components(each, separators) for each in _split(text, separators.element, separators.release))
        yield Segment(number, elements[0][0].strip(), elements[1:], text)
        number += 1


def _raw_segments(file: TextIO, separators: Separators) -> Iterator[str]:
    rest = ""
    while chunk := file.read(_CHUNK_CHARACTERS):
        *whole, rest = _split(rest + chunk, separators.terminator, separators.release)
        yield from whole
        if len(rest) > _MAX_SEGMENT_CHARACTERS:
            raise FileProblem("no segment terminator for a long time; this is no EDI, or its separators are wrong")
    if rest.strip(_AROUND):
        raise FileProblem(f"ends in the middle of a segment ({rest.strip()[:20]!r}); it was cut, ask for it again")


def _split(text: str, at: str, release: str) -> list[str]:
    """Split where the character stands unescaped."""
    pieces = text.split(at)
    if not release or release not in text:
        return pieces
    joined: list[str] = []
    escaped = False
    for piece in pieces:
        if escaped:
            joined[-1] += at + piece
        else:
            joined.append(piece)
        # an odd number of them at the end: the last one is for the separator
        escaped = (len(piece) - len(piece.rstrip(release))) % 2 == 1
    return joined


def _components(text: str, separators: Separators) -> tuple[str, ...]:
    pieces = _split(text, separators.component, separators.release)
    return tuple(_plain(piece, separators.release) for piece in pieces)


def _plain(text: str, release: str) -> str:
    if not release or release not in text:
        return text
    letters = iter(text)
    return "".join(next(letters, "") if letter == release else letter for letter in letters)
