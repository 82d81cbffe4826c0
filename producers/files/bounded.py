"""A file whose parser shall meet no endless token: one of megabytes costs it minutes, or the process its life.

`expat` before 2.6 reads a tag from its beginning again with every piece of it, and `yajl` a text; `ijson` ends the
whole process over a number of some hundred thousand digits.
"""

from __future__ import annotations

import re
from typing import IO, Final

from producers.files.rows import FileProblem

#: Between two marks of the format; sixteen times the longest cell.
MAX_TOKEN_BYTES: Final = 1 << 20
#: Below what Python converts by default (4,300); a number of more digits is none of ours.
MAX_DIGITS: Final = 4_000
_DIGITS: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))


class Bounded:
    """Reads like the file; FileProblem where it goes on for too long without `mark`, the end of every long token.

    With `digits` it also refuses a number that is too long, in a text as well.
    """

    def __init__(self, file: IO[bytes], mark: bytes, *, digits: bool = False) -> None:
        self._file = file
        self._mark = mark
        self._digits = digits
        self._since_mark = 0
        #: The last bytes of what was read: a number may go over two reads.
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        """Read as `file.read`; whoever asks for everything at once gets one piece."""
        piece = self._file.read(min(size, MAX_TOKEN_BYTES) if size >= 0 else MAX_TOKEN_BYTES)
        first = piece.find(self._mark)
        if self._since_mark + (len(piece) if first < 0 else first) > MAX_TOKEN_BYTES:
            raise FileProblem(
                f"more than {MAX_TOKEN_BYTES} bytes without {self._mark.decode()}; this is no list of records"
            )
        self._since_mark = self._since_mark + len(piece) if first < 0 else len(piece) - piece.rfind(self._mark)
        if self._digits:
            if _DIGITS.search(self._last + piece):
                raise FileProblem(f"a number of more than {MAX_DIGITS} digits; correct the file")
            self._last = piece[-MAX_DIGITS:]
        return piece
