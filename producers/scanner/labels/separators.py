"""The control characters GS, RS and EOT in the forms in which scanners really send them, made whole again.

ISO/IEC 15434 and GS1 need them; a scanner that types like a keyboard has no keys for them and sends something else.
"""

from __future__ import annotations

import re
from typing import Final

GS: Final = "\x1d"
RS: Final = "\x1e"
EOT: Final = "\x04"

ADVICE: Final = (
    'set the scanner to send GS (ASCII 29; "transmit FNC1/GS", "send control characters") or use its serial mode; '
    "`stockrelay-station doctor` tests it"
)
ADVICE_ALT: Final = (
    "the scanner types Alt+029 and only the digits arrive: "
    'switch its "ALT mode" off, use its serial mode, or connect it as an evdev input'
)

_NAMES: Final = {"gs": GS, "rs": RS, "eot": EOT, "1d": GS, "1e": RS, "04": EOT}
_TAG: Final = re.compile(r"\{(GS|RS|EOT)\}|<(GS|RS|EOT)>|\\x(1d|1e|04)", re.ASCII | re.IGNORECASE)
_PICTURES: Final = str.maketrans({"\u241d": GS, "\u241e": RS, "\u2404": EOT})
#: What a Teemi T22 sends to a Mac.
_PRIVATE: Final = str.maketrans({"\uf70b": GS, "\uf70c": RS})
#: How code page 437 draws the three characters.
_GLYPHS: Final = str.maketrans({"\u2194": GS, "\u25b2": RS, "\u2666": EOT})

_HEADER_AT: Final = "[)>@06@"
_HEADER_CARET: Final = re.compile(r">?\[\)>\^?06\]")
#: RS and EOT of the caret form, of which the RS is often lost: `^^D`, `^d`.
_TRAILER_CARET: Final = re.compile(r"\^{1,2}[dD]?\Z")
_FIRST_LETTER: Final = re.compile(r"(?<=\])[a-z]")


def restore_tags(text: str) -> tuple[str, tuple[str, ...]]:
    """Put the characters back where a text or a private character stands for each; say what was done."""
    if GS in text:
        return text, ()
    for name, changed in (
        ("separators as text", _TAG.sub(_named, text)),
        ("separators as control pictures", text.translate(_PICTURES)),
        ("separators as private-use characters", text.translate(_PRIVATE)),
    ):
        if changed != text:
            return changed, (name,)
    return text, ()


def restore_message(text: str) -> tuple[str, tuple[str, ...]]:
    """Put the characters back in an ISO/IEC 15434 message, which begins with `[)>`; say what was done.

    The forms that could be part of a value (`]`, `@`, arrows) are only taken for separators where the header shows
    them in the separator's place and no real GS arrived.
    """
    restored, repairs = restore_tags(text)
    if repairs or GS in text:
        return restored, repairs
    if (drawn := text.translate(_GLYPHS)) != text:
        return drawn, ("separators as code page 437 glyphs",)
    if text.startswith(_HEADER_AT):
        return text.replace("@", GS).replace(GS, RS, 1), ('separators as "@"',)
    if _HEADER_CARET.match(text):
        return _restore_caret(text)
    return text, ()


def _restore_caret(text: str) -> tuple[str, tuple[str, ...]]:
    text = _TRAILER_CARET.sub("", text)
    raised = _FIRST_LETTER.sub(lambda letter: letter[0].upper(), text)
    repairs = ["separators as keyboard characters"]
    if raised != text:
        repairs.append("small letters after a separator")
    return raised.replace(">^06]", ">\x1e06]", 1).replace("]", GS), tuple(repairs)


def _named(tag: re.Match[str]) -> str:
    return _NAMES[(tag[1] or tag[2] or tag[3]).lower()]
