"""What a scan of the test symbol tells about a scanner's settings.

Every known way to set a scanner or a keyboard wrong is applied to the test text; the wrong ways whose outcome is what
was read are the diagnosis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.splitter import SUFFIXES
from producers.scanner.tools import layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Shaped as a label (ISO/IEC 15434), with letters whose places and cases layouts change, and the signs that they move.
TEST_TEXT: Final = "[)>\x1e06\x1d1TAaQqWwYyZzMm\x1d{}[]^@/-_\x1dQ1234567890\x1e\x04"
#: The symbology identifier of Data Matrix (ISO/IEC 15424).
EXPECTED_AIM: Final = "]d1"
_AIM_FORMS: Final = (EXPECTED_AIM, "")
#: More differences than these are no longer worth listing.
_LISTED_DIFFERENCES: Final = 8
_GS, _RS, _EOT = "\x1d", "\x1e", "\x04"


@dataclass(frozen=True, slots=True)
class Finding:
    """One wrong setting: what is seen, and what to change. `is_harmless` ones cost nothing at this station."""

    seen: str
    advice: str
    is_harmless: bool = False


@dataclass(frozen=True, slots=True)
class _Form:
    """One way in which a part of the text may arrive, and what it means; a right way means nothing."""

    change: Callable[[str], str]
    finding: Finding | None = None


_TRANSMIT: Final = "set the scanner to transmit control characters (GS, RS, EOT) as they are, or use serial (USB-CDC)"


def _separated(gs: str, rs: str, eot: str) -> Callable[[str], str]:
    return lambda text: text.replace(_GS, gs).replace(_RS, rs).replace(_EOT, eot)


def _caret_lowered(text: str) -> str:
    """Type control characters as signs, and the letter behind one in lower case, as some Datalogic scanners do."""
    lowered = re.sub(r"([\x1d\x1e])([A-Z])", lambda match: match[1] + match[2].lower(), text)
    return _separated("]", "^", "^d")(lowered)


def _separators(seen: str, change: Callable[[str], str], *, is_harmless: bool = False) -> _Form:
    return _Form(change, Finding(seen, _TRANSMIT, is_harmless))


_SEPARATOR_FORMS: Final = (
    _Form(str),
    _separators(
        "the separators GS, RS and EOT are dropped; labels cannot be read without them", _separated("", "", "")
    ),
    _separators("RS and EOT are dropped; labels are read by GS", _separated(_GS, "", ""), is_harmless=True),
    _separators("GS and EOT are dropped; labels cannot be read without them", _separated("", _RS, "")),
    _separators("EOT is dropped; labels are read without it", _separated(_GS, _RS, ""), is_harmless=True),
    _separators("separators arrive as blanks; labels cannot be read", _separated(" ", " ", " ")),
    _separators("separators arrive in caret notation: ] ^ ^d", _separated("]", "^", "^d")),
    _separators("separators arrive in caret notation: ] ^ ^D", _separated("]", "^", "^D")),
    _separators("separators arrive in caret notation: ^] ^^ ^D", _separated("^]", "^^", "^D")),
    _separators("separators arrive in caret notation, with the next letter in lower case", _caret_lowered),
    _separators("separators arrive as the text {GS} {RS} {EOT}", _separated("{GS}", "{RS}", "{EOT}")),
    _separators("separators arrive as the text <GS> <RS> <EOT>", _separated("<GS>", "<RS>", "<EOT>")),
    _separators("separators arrive as the text \\x1d \\x1e \\x04", _separated("\\x1d", "\\x1e", "\\x04")),
    _separators("separators arrive as pictures: ␝ ␞ ␄", _separated("␝", "␞", "␄")),
    _separators("separators arrive as glyphs: ↔ ▲ ♦", _separated("↔", "▲", "♦")),
    _separators("separators arrive as private characters (U+F70B, U+F70C)", _separated("\uf70b", "\uf70c", "")),
    _separators("separators arrive as @", _separated("@", "@", "@")),
)


def _case(seen: str, change: Callable[[str], str], cause: str) -> _Form:
    return _Form(change, Finding(seen, cause))


_CASE_FORMS: Final = (
    _Form(str),
    _case("upper and lower case are swapped", str.swapcase, "switch Caps Lock off, on the computer and the scanner"),
    _case("all letters arrive in upper case", str.upper, "switch case conversion off in the scanner"),
    _case("all letters arrive in lower case", str.lower, "switch case conversion off in the scanner"),
)


def _translated(table: Mapping[int, str], seen: str, advice: str) -> _Form:
    return _Form(lambda text: text.translate(table), Finding(seen, advice))


def _read_as(layout: str) -> _Form:
    return _translated(
        layouts.us_scanner_on(layout),
        f"the scanner types as a US keyboard and the computer reads it as a {layout} one",
        "read the scanner through evdev: or serial:, or set the computer's keyboard to US",
    )


def _set_to(layout: str) -> _Form:
    return _translated(
        layouts.scanner_set_to(layout),
        f"the scanner types as a {layout} keyboard and is read as a US one",
        "set the scanner's keyboard country to US",
    )


_LAYOUT_FORMS: Final = (
    _Form(str),
    *map(_read_as, layouts.FAR_FROM_US),
    *map(_set_to, layouts.FAR_FROM_US),
    _translated(
        layouts.us_scanner_on(layouts.BRITISH),
        "the scanner types as a US keyboard and is read as a British one, or the other way round",
        "set the scanner's keyboard country to US, and read it through evdev: or serial:",
    ),
)
_NO_AIM: Final = Finding(
    "no AIM identifier in front of the code",
    "switch 'transmit AIM code identifier' on: without it a bare number cannot be told from an article number",
)
_NO_SUFFIX: Final = Finding(
    "nothing after the code: the station waits for ever", "set the scanner to send Enter (CR) after each code"
)
_TWO_SUFFIXES: Final = Finding(
    "the suffix comes twice", "nothing to do here; other programs may count two scans", is_harmless=True
)


def diagnose(scan: bytes) -> tuple[Finding, ...]:
    """Say what is wrong, given one scan of the test symbol with everything behind it; () when all is well."""
    body = scan.rstrip(SUFFIXES)
    return (*_of_text(_decoded(body.lstrip(SUFFIXES))), *_of_suffix(scan[len(body) :]))


def _of_suffix(suffix: bytes) -> Iterator[Finding]:
    if not suffix:
        yield _NO_SUFFIX
    elif len(suffix.replace(b"\r\n", b"\n")) > 1:
        yield _TWO_SUFFIXES


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _of_text(text: str) -> tuple[Finding, ...]:
    explanations = [findings for outcome, findings in _outcomes() if outcome == text]
    # The one with the fewest faults is the likeliest.
    return min(explanations, key=len) if explanations else _unknown(text)


def _outcomes() -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """Give every combination of wrong settings and what it makes of the test text."""
    for aim, case, separators, layout in product(_AIM_FORMS, _CASE_FORMS, _SEPARATOR_FORMS, _LAYOUT_FORMS):
        outcome = layout.change(separators.change(case.change(aim + TEST_TEXT)))
        faults = (None if aim else _NO_AIM, separators.finding, case.finding, layout.finding)
        yield outcome, tuple(filter(None, faults))


def _unknown(text: str) -> tuple[Finding, ...]:
    """List how the text differs where no known setting explains it."""
    wanted = EXPECTED_AIM + TEST_TEXT
    matcher = SequenceMatcher(None, wanted, text, autojunk=False)
    if matcher.ratio() < 0.5:  # noqa: PLR2004  less than half of it is there
        return (Finding(f"this is not the test symbol: {text[:60]!a}", "scan the symbol that doctor --out wrote"),)
    found = [
        f"{wanted[begin:end]!a} came as {text[start:stop]!a}"
        for operation, begin, end, start, stop in matcher.get_opcodes()
        if operation != "equal"
    ]
    listed = ", ".join(found[:_LISTED_DIFFERENCES])
    advice = "set the scanner back to its factory settings, keyboard country US, and try again"
    return (Finding(f"characters arrive changed: {listed}", advice),)
