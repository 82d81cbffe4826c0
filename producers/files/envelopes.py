"""The envelopes of EDI files: what they count and number must agree, or the file is not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from producers.files.rows import FileProblem, shown

if TYPE_CHECKING:
    from producers.files.segments import Segment

_ASK: Final = "the file is not whole, ask for it again"


def must_match(segment: Segment, element: int, expected: str | int, what: str) -> None:
    """Raise FileProblem where an element of a segment is not what was counted or opened."""
    found = segment.get(element)
    if isinstance(expected, int):
        right = found.isascii() and found.isdecimal() and len(found) <= len("1234567890") and int(found) == expected
    else:
        right = found == expected
    if not right:
        raise FileProblem(
            f"{segment.tag} says {shown(found)} for {what}, it is {expected}; {_ASK}", line=segment.number
        )


class _Envelopes:
    """Envelopes one inside the other; raises FileProblem for one that is out of place."""

    def __init__(self) -> None:
        #: The opening segments that are not closed, from the outermost.
        self._open: list[Segment] = []
        #: How many things each of them holds.
        self._held: list[int] = []
        self._messages = 0

    def _enter(self, segment: Segment, *inside: str) -> None:
        around = self._open[-1].tag if self._open else ""
        if around not in inside:
            raise FileProblem(f"{segment.tag} stands inside {around or 'nothing'}; {_ASK}", line=segment.number)
        if self._held:
            self._held[-1] += 1
        self._open.append(segment)
        self._held.append(0)

    def _leave(self, segment: Segment, opening: str) -> tuple[Segment, int]:
        if not self._open or self._open[-1].tag != opening:
            raise FileProblem(f"{segment.tag} without {opening}; {_ASK}", line=segment.number)
        return self._open.pop(), self._held.pop()

    def _must_be_inside(self, segment: Segment, *messages: str) -> None:
        if not self._open or self._open[-1].tag not in messages:
            raise FileProblem(f"{shown(segment.tag)} stands outside of a message; {_ASK}", line=segment.number)

    def finish(self) -> None:
        """Judge the end of the file."""
        if self._open:
            raise FileProblem(f"ends before its {self._open[-1].tag} is closed; {_ASK}")
        if not self._messages:
            raise FileProblem("holds no message; check the feed's format")


class X12Envelopes(_Envelopes):
    """ISA to IEA, GS to GE, ST to SE, of production data only."""

    def take(self, segment: Segment) -> None:
        """Judge one segment."""
        match segment.tag:
            case "ISA":
                self._enter(segment, "")
                if segment.get(15) == "T":
                    raise FileProblem("test data (ISA15 is T), which is not booked", line=segment.number)
            case "GS":
                self._enter(segment, "ISA")
            case "ST":
                self._enter(segment, "GS")
                self._messages += 1
                if segment.get(1) != "856":
                    raise FileProblem(f"a transaction set {shown(segment.get(1))}, not 856", line=segment.number)
            case "SE":
                opening, _ = self._leave(segment, "ST")
                must_match(segment, 1, segment.number - opening.number + 1, "the number of segments")
                must_match(segment, 2, opening.get(2), "the control number")
            case "GE":
                opening, held = self._leave(segment, "GS")
                must_match(segment, 1, held, "the number of sets")
                must_match(segment, 2, opening.get(6), "the control number")
            case "IEA":
                opening, held = self._leave(segment, "ISA")
                must_match(segment, 1, held, "the number of groups")
                must_match(segment, 2, opening.get(13), "the control number")
            case "TA1":
                pass
            case _:
                self._must_be_inside(segment, "ST")


class EdifactEnvelopes(_Envelopes):
    """UNB to UNZ, UNG to UNE, UNH to UNT, of production data only."""

    def take(self, segment: Segment) -> None:
        """Judge one segment."""
        match segment.tag:
            case "UNB":
                self._enter(segment, "")
                if segment.get(11) == "1":
                    raise FileProblem("test data (UNB 0035 is 1), which is not booked", line=segment.number)
            case "UNG":
                self._enter(segment, "UNB")
            case "UNH":
                self._enter(segment, "UNB", "UNG")
                self._messages += 1
                if segment.get(2) != "DESADV":
                    raise FileProblem(f"a message {shown(segment.get(2))}, not DESADV", line=segment.number)
            case "UNT":
                opening, _ = self._leave(segment, "UNH")
                must_match(segment, 1, segment.number - opening.number + 1, "the number of segments")
                must_match(segment, 2, opening.get(1), "the reference")
            case "UNE":
                opening, held = self._leave(segment, "UNG")
                must_match(segment, 1, held, "the number of messages")
                must_match(segment, 2, opening.get(5), "the reference")
            case "UNZ":
                opening, held = self._leave(segment, "UNB")
                must_match(segment, 1, held, "the number of messages")
                must_match(segment, 2, opening.get(5), "the reference")
            case _:
                self._must_be_inside(segment, "UNH")
