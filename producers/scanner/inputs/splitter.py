"""Cuts a byte stream into scans, whatever suffix the scanner sends."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels import MAX_LABEL_CHARACTERS

#: The suffixes scanners are set to; CR LF counts once because the empty scan between them is dropped.
SUFFIXES: Final = b"\r\n\t"
_SUFFIX: Final = re.compile(rb"[" + SUFFIXES + rb"]")


class ScanSplitter:
    """Cuts a byte stream into scans. An over-long scan comes out as its first bytes, one more than allowed."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the scans that this chunk completes."""
        *complete, rest = _SUFFIX.split(self._rest + chunk)
        # The cut marks it as too long and bounds the memory; the bytes up to the next suffix add nothing.
        self._rest = rest[: MAX_LABEL_CHARACTERS + 1]
        return [scan[: MAX_LABEL_CHARACTERS + 1] for scan in complete if scan.strip()]

    def end(self) -> list[bytes]:
        """Give the last scan when the stream ended without a suffix."""
        return self.feed(b"\n")
