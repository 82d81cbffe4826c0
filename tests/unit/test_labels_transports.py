"""However a scanner mangles the separators, a label is read as it was printed, or refused."""

from __future__ import annotations

import pytest

from producers.scanner.labels import Label, Refusal, read_label, vouched
from tests.unit.labels_harness import (
    ACCEPTED,
    CLEAN_ISO,
    EOT,
    GS,
    ISO,
    RS,
    SAMPLES,
    TRANSPORTS,
    Sample,
    content,
    directory,
)

#: In GS1 these stand for nothing: `]` and `@` cannot be told from damage, arrows are no text of GS1.
UNREADABLE_IN_GS1 = ("hid-caret", "cp437-glyphs", "separator-at")


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize("sample", CLEAN_ISO, ids=lambda sample: sample.id)
def test_a_message_is_the_same_through_every_transport(sample: Sample, name: str) -> None:
    arrived = read_label(TRANSPORTS[name](sample.clean))

    assert isinstance(arrived, Label)
    assert content(arrived) == content(read_label(sample.clean))
    assert (arrived.repairs == ()) is (name in ("clean", "hid-rs-eot-dropped"))


@pytest.mark.parametrize("sample", [one for one in ACCEPTED if one.format != ISO], ids=lambda sample: sample.id)
def test_every_other_label_is_the_same_or_refused_where_it_needs_the_separators(sample: Sample) -> None:
    for name, changed in TRANSPORTS.items():
        arrived = read_label(changed(sample.scan))

        if GS in sample.scan.rstrip(GS) and name in UNREADABLE_IN_GS1:
            assert isinstance(arrived, Refusal), name
        elif not (GS in sample.scan and name in UNREADABLE_IN_GS1):
            assert content(arrived) == content(sample.label), name


@pytest.mark.parametrize("sample", ACCEPTED, ids=lambda sample: sample.id)
def test_without_any_separator_no_label_is_booked_unasked(sample: Sample) -> None:
    bare = "".join(character for character in sample.clean if character not in (GS, RS, EOT))
    arrived = read_label(bare)

    if bare == sample.clean:
        return
    if sample.format == ISO:
        assert isinstance(arrived, Refusal)
        assert "transmit FNC1/GS" in arrived.advice
    elif GS in sample.clean.rstrip(GS):
        assert isinstance(arrived, Refusal) or not vouched(arrived, directory())


@pytest.mark.parametrize("wrapped", ["  {}\r\n", "\ufeff{}", "{}\x00", "\x02{}\x03", "{}\t", "]d1 {}"])
def test_what_a_scanner_wraps_round_a_label_changes_nothing(wrapped: str) -> None:
    for sample in SAMPLES:
        if wrapped.startswith("]") and sample.format != ISO:
            continue
        arrived = read_label(wrapped.format(sample.clean if sample.accept else sample.raw))

        if sample.accept:
            assert isinstance(arrived, Label), sample.id
            assert arrived.fields == sample.fields
        else:
            assert isinstance(arrived, Refusal), sample.id


def test_what_could_be_a_separator_stays_where_a_real_one_arrived() -> None:
    scan = f"[)>{RS}06{GS}1PA]B^C@D{{GS}}E{GS}Q5{RS}{EOT}"

    arrived = read_label(scan)

    assert isinstance(arrived, Label)
    assert arrived.mpn == "A]B^C@D{GS}E"


def test_a_caret_inside_a_typed_number_is_kept() -> None:
    arrived = read_label("[)>^06]1PAB^CD]Q5^d")

    assert isinstance(arrived, Label)
    assert arrived.fields == {"1P": "AB^CD", "Q": "5"}
