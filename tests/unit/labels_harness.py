"""The labels of `tests/fixtures/labels.json`, what scanners make of them, and a directory that knows their parts."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from producers.scanner.labels import Label, Refusal, open_doubts, read_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

GS, RS, EOT = "\x1d", "\x1e", "\x04"
ISO = "iso15434-06"


@dataclass(frozen=True)
class Sample:
    """One label of the collection. `scan` begins with the AIM identifier if the collection names one."""

    id: str
    raw: str
    scan: str
    format: str
    accept: bool
    fields: Mapping[str, str]
    normalized: Mapping[str, Any]

    @property
    def label(self) -> Label:
        found = read_label(self.scan)
        assert isinstance(found, Label)
        return found

    @property
    def clean(self) -> str:
        """The scan as its printer meant it: whole separators and the trailer."""
        if self.format != ISO:
            return self.scan
        return f"[)>{RS}06" + "".join(f"{GS}{name}{value}" for name, value in self.fields.items()) + RS + EOT


def _sample(entry: dict[str, Any]) -> Sample:
    raw, aim = entry["raw"], entry.get("aim") or ""
    scan = raw if raw.startswith("]") else aim + raw
    return Sample(entry["id"], raw, scan, entry["format"], entry["accept"], entry["fields"], entry["normalized"])


_FIXTURE = Path(__file__).parents[1] / "fixtures" / "labels.json"
SAMPLES = tuple(map(_sample, json.loads(_FIXTURE.read_text(encoding="utf-8"))["labels"]))
ACCEPTED = tuple(sample for sample in SAMPLES if sample.accept)
REFUSED = tuple(sample for sample in SAMPLES if not sample.accept)
CLEAN_ISO = tuple(sample for sample in ACCEPTED if sample.format == ISO)
BY_ID = {sample.id: sample for sample in SAMPLES}


def _caret(text: str) -> str:
    """Ctrl+], Ctrl+^ and Ctrl+D as typed; the letter behind comes small, and the RS before EOT is lost."""
    pieces = text.replace(RS + EOT, "^d").replace(RS, "^").split(GS)
    return "]".join([pieces[0], *(piece[:1].lower() + piece[1:] for piece in pieces[1:])])


#: How scanners without the control characters send a message that begins with `[)>`.
TRANSPORTS: Mapping[str, Callable[[str], str]] = {
    "clean": lambda text: text,
    "hid-rs-eot-dropped": lambda text: text.replace(RS, "").replace(EOT, "") + "\r",
    "hid-caret": _caret,
    "hid-private-use": lambda text: text.replace(GS, "\uf70b").replace(RS, "\uf70c").replace(EOT, ""),
    "cp437-glyphs": lambda text: text.replace(GS, "\u2194").replace(RS, "\u25b2").replace(EOT, "\u2666"),
    "literal-tags {GS}": lambda text: text.replace(GS, "{GS}").replace(RS, "{RS}").replace(EOT, "{EOT}"),
    "literal-tags <GS>": lambda text: text.replace(GS, "<GS>").replace(RS, "<RS>").replace(EOT, "<EOT>"),
    "literal-tags \\x1d": lambda text: text.replace(GS, "\\x1d").replace(RS, "\\x1e").replace(EOT, "\\x04"),
    "literal-tags pictures": lambda text: text.replace(GS, "\u241d").replace(RS, "\u241e").replace(EOT, "\u2404"),
    "separator-at": lambda text: text.replace(GS, "@").replace(RS, "@").replace(EOT, "@"),
}


def content(found: Label | Refusal) -> Label | Refusal:
    """What was read, whatever had to be repaired."""
    return replace(found, repairs=()) if isinstance(found, Label) else found


@cache
def directory() -> Mapping[str, frozenset[str]]:
    """Every true number of the collection; labels that share one are of one part."""
    parts: dict[str, frozenset[str]] = {}
    for sample in ACCEPTED:
        codes = sample.label.codes_to_check
        part = next((parts[code] for code in codes if code in parts), frozenset({sample.id}))
        parts |= dict.fromkeys(codes, part)
    return parts


def part_of(label: Label) -> str | None:
    """The part that the directory finds for a label."""
    known = [directory()[code] for code in label.codes_to_check if code in directory()]
    return next(iter(frozenset.intersection(*known)), None) if known else None


@dataclass(frozen=True)
class Damage:
    """What came of damaged labels: how many, how many were booked without asking, and which of these wrong."""

    cases: int
    booked: int
    wrong_parts: tuple[str, ...]
    wrong_quantities: tuple[str, ...]


def outcome(samples: Iterable[Sample], damaged: Callable[[str], Iterator[str]]) -> Damage:
    """Damage each clean label in every given way and book what nothing speaks against."""
    cases = booked = 0
    parts, quantities = [], []
    for sample in samples:
        true = read_label(sample.clean)
        assert isinstance(true, Label)
        for text in dict.fromkeys(damaged(sample.clean)):
            if text == sample.clean:
                continue
            cases += 1
            found = read_label(text)
            if isinstance(found, Refusal) or open_doubts(found, directory()):
                continue
            booked += 1
            if part_of(found) != part_of(true):
                parts.append(text)
            if found.quantity != true.quantity:
                quantities.append(text)
    return Damage(cases, booked, tuple(parts), tuple(quantities))


def without(text: str, positions: Iterable[int]) -> str:
    gone = set(positions)
    return "".join(character for position, character in enumerate(text) if position not in gone)


def separators_of(text: str) -> list[int]:
    return [position for position, character in enumerate(text) if character == GS]


def one_separator_lost(text: str) -> Iterator[str]:
    return (without(text, (position,)) for position in separators_of(text))


def two_separators_lost(text: str) -> Iterator[str]:
    return (without(text, positions) for positions in itertools.combinations(separators_of(text), 2))


def separator_mistaken(text: str) -> Iterator[str]:
    return (text[:at] + other + text[at + 1 :] for at in separators_of(text) for other in (" ", "]", "?", "@", "\x1e"))


def one_character_lost(text: str) -> Iterator[str]:
    return (without(text, (position,)) for position in range(len(text)))


def neighbours_swapped(text: str) -> Iterator[str]:
    return (text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1))


def end_lost(text: str) -> Iterator[str]:
    return (text[:length] for length in range(len(text)))


def start_lost(text: str) -> Iterator[str]:
    return (text[start:] for start in range(1, len(text)))


def digit_changed(text: str) -> Iterator[str]:
    return (
        text[:at] + digit + text[at + 1 :]
        for at, character in enumerate(text)
        if character.isdigit()
        for digit in "0123456789"
    )
