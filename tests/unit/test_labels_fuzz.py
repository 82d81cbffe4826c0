"""Whatever a scanner sends, the answer is a label or a refusal, and both are fit for a screen."""

from __future__ import annotations

import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.scanner.labels import Label, Refusal, open_doubts, read_label
from tasks.commands import MAX_QUANTITY
from tests.unit.labels_harness import EOT, GS, RS, SAMPLES

#: Enough to meet every branch of the readers; 60,000 and more were run by hand.
MUTANTS = 3_000
PIECES = (
    *(GS, RS, EOT, "]", "^", "@", "{GS}", "\uf70b", "\u2194", "\u241d", "\x00", "\r", "\ud800", "\u0661", "[)>", "06"),
    *(
        "]C1",
        "]d2",
        "|]e0",
        "Q10",
        "1PABC",
        "30P",
        "{pbn:",
        "qty:",
        "QTY:",
        "https://",
        "/01/",
        "?37=",
        "%",
        "01",
        "37",
    ),
)

aims = st.sampled_from(["", "]C0", "]C1", "]d1", "]d2", "]Q1", "]Q3", "]e0", "]E0", "]E3", "]E4", "]I1", "]A0", "]J1"])


def check(scan: bytes | str) -> None:
    found = read_label(scan)

    if isinstance(found, Refusal):
        assert found.reason
        assert (found.reason + found.advice).isprintable()
        return
    assert isinstance(found, Label)
    assert found.quantity is None or 1 <= found.quantity <= MAX_QUANTITY
    assert all(doubt.isprintable() for doubt in open_doubts(found, {}))
    assert all(found.codes_to_check)


def mutant(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        match chance.randint(0, 4):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            case 3:
                text = text[:at] + chance.choice(string.printable) + text[at + 1 :]
            case _:
                text = text[:to] + text[at:to] + text[to:]
    return text


def test_no_mutant_of_a_label_raises() -> None:
    chance = random.Random(20_261_122)
    for number in range(MUTANTS):
        sample = chance.choice(SAMPLES)
        text = mutant(chance.choice([sample.raw, sample.scan]), chance)

        check(text if number % 2 else text.encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=200)
@given(aim=aims, text=st.text(max_size=200))
def test_no_text_raises(aim: str, text: str) -> None:
    check(aim + text)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_raise(scan: bytes) -> None:
    check(scan)


@settings(deadline=None, max_examples=300)
@given(aim=aims, pieces=st.lists(st.sampled_from(PIECES), max_size=20))
def test_no_sequence_of_what_labels_are_made_of_raises(aim: str, pieces: list[str]) -> None:
    check(aim + "".join(pieces))


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789", min_size=1, max_size=40))
def test_no_bare_number_is_booked_without_asking(number: str) -> None:
    found = read_label(number)

    assert isinstance(found, Refusal) or found.doubts
