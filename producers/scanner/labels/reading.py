"""One scan to one label: takes off what the scanner wrapped round it and asks each format in turn."""

from __future__ import annotations

import re
from typing import Final

from producers.scanner.labels.gs1 import read_gs1
from producers.scanner.labels.iso15434 import is_message, read_message
from producers.scanner.labels.label import Label, Refusal, shown
from producers.scanner.labels.lcsc import is_lcsc, read_lcsc
from producers.scanner.labels.linear import read_linear
from producers.scanner.labels.reels import read_reel
from producers.scanner.labels.separators import EOT, GS, RS
from producers.scanner.labels.tme import read_tme
from producers.scanner.labels.vendor_ids import DEFAULT_PATTERN, compile_pattern, read_vendor_id

#: Longer than every label; what is longer is a stuck key or a file piped in by mistake.
MAX_LABEL_CHARACTERS: Final = 4_096
#: What scanners put round a code: blanks, line ends, NUL, STX and ETX, byte order mark.
_WRAPPING: Final = "\0\x02\x03\t\n\v\f\r \ufeff\ufffe"
#: ISO/IEC 15424: the symbology identifier `]cm` that scanners can be set to send in front.
AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_DIGITS: Final = re.compile(r"[0-9]+")
_CONTROLS: Final = str.maketrans("", "", GS + RS + EOT)
#: The separators that some scanners send as characters of a private area, which are not printable.
_PRIVATE: Final = str.maketrans("", "", "\uf70b\uf70c")
_DEFAULT_IDS: Final = compile_pattern(DEFAULT_PATTERN)


def read_label(scan: bytes | str, ids: re.Pattern[str] = _DEFAULT_IDS) -> Label | Refusal:
    """Say what a label says, or why that is not certain. Never raises.

    `scan` is what the scanner sent, an AIM identifier in front included. `ids` is how PartsBox ids stand on labels:
    what `compile_pattern` gives.
    """
    if len(scan) > MAX_LABEL_CHARACTERS:
        return Refusal(f"longer than {MAX_LABEL_CHARACTERS} characters: no label is")
    text = _decoded(scan).strip(_WRAPPING)
    if not text.translate(_CONTROLS).translate(_PRIVATE).isprintable():
        return Refusal(f"unreadable characters in {shown(text)}", "set the scanner to send UTF-8 or ASCII")
    found = AIM.match(text)
    aim = found[0] if found else ""
    return _read(text[len(aim) :].strip(_WRAPPING), aim, ids)


def _read(text: str, aim: str, ids: re.Pattern[str]) -> Label | Refusal:
    if is_message(text):
        return read_message(text)
    if is_lcsc(text):
        return read_lcsc(text)
    return (
        read_vendor_id(text, ids)
        or read_tme(text)
        or read_gs1(text, aim)
        or read_linear(text, aim)
        or read_reel(text, aim)
        or _refusal(text)
    )


def _decoded(scan: bytes | str) -> str:
    """Read bytes as UTF-8, else as Latin-1, in which older labels write their umlauts."""
    if isinstance(scan, str):
        return scan
    try:
        return scan.decode("utf-8")
    except UnicodeDecodeError:
        return scan.decode("latin-1")


def _refusal(text: str) -> Refusal:
    if not text:
        return Refusal("an empty scan")
    if GS in text or RS in text:
        return Refusal("the label's beginning is lost", "scan again")
    if _DIGITS.fullmatch(text):
        return Refusal(
            f"{shown(text)} is a bare number: it may be anything",
            "set the scanner to send the AIM identifier, which tells an article number from another",
        )
    if text.startswith("{"):
        return Refusal(f"{shown(text)} is another program's own label")
    return Refusal(f"{shown(text)} is no label that is known here")
