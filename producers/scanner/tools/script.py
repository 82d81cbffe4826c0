"""Files of scans for rehearsals: one scan a line, comments, waits, and control characters written out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Longer waits are a mistake in the file.
MAX_WAIT_SECONDS: Final = 3_600.0

_WAIT: Final = re.compile(r"wait\s+(?P<seconds>\S+)\s*")
_ESCAPE: Final = re.compile(r"\\x(?P<hex>[0-9A-Fa-f]{2})|\\(?P<letter>[trn\\])|\{(?P<name>GS|RS|FS|US|EOT|STX|ETX)\}")
_LETTERS: Final = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\"}
#: ISO/IEC 646 names of what labels hold.
_NAMES: Final = {
    "STX": "\x02",
    "ETX": "\x03",
    "EOT": "\x04",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
    "US": "\x1f",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause before the next scan."""

    seconds: float


Step = bytes | Wait


def read_script(content: bytes) -> tuple[Step, ...]:
    """Read a file of scans. ValueError names the line that cannot be understood."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {number}: not UTF-8; write other bytes as \\x and two digits") from error
    steps = (_step(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1))
    return tuple(step for step in steps if step is not None)


def _step(number: int, line: str) -> Step | None:
    if not line.strip() or line.startswith("#"):
        return None
    wait = _WAIT.fullmatch(line)
    if wait is None:
        return _unescaped(line)
    try:
        seconds = float(wait["seconds"])
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise ValueError(f'line {number}: "{line}": give seconds between 0 and {MAX_WAIT_SECONDS:g}, such as wait 0.5')
    return Wait(seconds)


def _unescaped(line: str) -> bytes:
    r"""Give the bytes of a scan; `\xe4` is one byte, as a scanner that sends Latin-1 would send it."""
    parts = []
    end = 0
    for found in _ESCAPE.finditer(line):
        parts.append(line[end : found.start()].encode())
        if found["hex"] is not None:
            parts.append(bytes.fromhex(found["hex"]))
        else:
            parts.append((_LETTERS.get(found["letter"]) or _NAMES[found["name"]]).encode())
        end = found.end()
    return b"".join([*parts, line[end:].encode()])
