"""What a scan means: ids, quantities, instructions, and everything else refused with a reason."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.codes import (
    DEFAULT_PATTERN,
    MAX_SCAN_BYTES,
    Code,
    CodeReader,
    Instruction,
    QuantityCode,
    Unreadable,
    VendorIdCode,
    clean,
    compile_pattern,
)
from tasks.commands import MAX_QUANTITY

ID = "0123456789abcdefghjkmnpqrs"
READER = CodeReader()


def read(raw: bytes, reader: CodeReader = READER) -> Code:
    text = clean(raw)
    return text if isinstance(text, Unreadable) else reader.read(text)


@pytest.mark.parametrize(
    "raw",
    [
        ID,
        ID.upper(),
        f"  {ID}\r\n",
        f"{ID}\t",
        f"\ufeff{ID}",
        f"{ID}\x00",
        f"\x02{ID}\x03",
        f"{ID}\x1e\x04",
        f"]Q1{ID}",
        f"]d1https://partsbox.com/I{ID}",
        f"https://partsbox.com/I{ID}",
        f"HTTPS://PARTSBOX.COM/I{ID.upper()}",
        f"http://www.partsbox.com/i{ID}/",
    ],
)
def test_an_id_is_read_through_every_wrapping_a_scanner_adds(raw: str) -> None:
    assert read(raw.encode()) == VendorIdCode(ID)


@pytest.mark.parametrize(
    ("raw", "quantity"),
    [
        ("1", 1),
        ("100", 100),
        ("Q100", 100),
        ("q100", 100),
        ("Q000000001", 1),
        ("CMD:QTY:25", 25),
        ("cmd:qty:25", 25),
        ("]C0100", 100),
        (str(MAX_QUANTITY), MAX_QUANTITY),
    ],
)
def test_a_quantity_is_read_in_each_of_its_forms(raw: str, quantity: int) -> None:
    assert read(raw.encode()) == QuantityCode(quantity)


@pytest.mark.parametrize("raw", ["CMD:MOVE", "cmd:move", "]Q1CMD:MOVE", "CMD:MOVE\r"])
def test_an_instruction_is_read_in_any_case(raw: str) -> None:
    assert read(raw.encode()) is Instruction.MOVE


@pytest.mark.parametrize(
    ("raw", "because"),
    [
        ("", "not a code"),
        ("0", "article number"),
        ("007", "article number"),
        ("]E04006381333931", "article number"),
        ("4006381333931", "is no quantity"),
        (str(MAX_QUANTITY + 1), "is no quantity"),
        ("01040063813339311012345678", "article number"),  # GS1: 26 digits, never taken for an id
        ("12345678901234567890123456", "is no quantity"),
        ("Q0", "is no quantity"),
        ("9" * 4_000, "is no quantity"),
        ("1.5", "not a code"),
        ("-5", "not a code"),
        ("1_000", "not a code"),
        ("1E3", "not a code"),
        ("\u0661\u0662", "not a code"),  # Arabic digits
        ("\uff11\uff10", "not a code"),  # full-width digits
        ("CMD:", "not a code"),
        ("CMD:UNDO", "unknown instruction"),
        (ID[:-1], "not a code"),
        (ID + "0", "not a code"),
        ("i" + ID[1:], "never i, l, o or u"),
        ("\u212a" + ID[1:], "not a code"),  # the Kelvin sign is a K to a careless comparison
        (f"https://partsbox.example/I{ID}", "not a code"),
        ("[)>\x1e06\x1dP296-1\x1dQ10", "not a code"),
        ("]", "not a code"),
    ],
)
def test_anything_else_is_refused_with_a_reason(raw: str, because: str) -> None:
    code = read(raw.encode())

    assert isinstance(code, Unreadable)
    assert because in code.reason


def test_bytes_that_are_no_text_are_refused() -> None:
    code = read(b"\xff\xfe\x80abc")

    assert isinstance(code, Unreadable)
    assert "unreadable characters" in code.reason


def test_a_scan_longer_than_any_label_is_refused() -> None:
    code = read(b"a" * (MAX_SCAN_BYTES + 1))

    assert isinstance(code, Unreadable)
    assert "longer than" in code.reason


def test_a_configured_pattern_replaces_the_vendors_own() -> None:
    reader = CodeReader(r"BIN-(?P<id>\w{26})")

    assert read(f"bin-{ID}".encode(), reader) == VendorIdCode(ID)
    assert isinstance(read(ID.encode(), reader), Unreadable)


def test_a_configured_pattern_cannot_let_an_impossible_id_through() -> None:
    reader = CodeReader(r"(?P<id>x+)?y*")

    assert isinstance(read(b"xx", reader), Unreadable)
    assert isinstance(read(b"yy", reader), Unreadable)


@pytest.mark.parametrize("pattern", ["(", r"\w{26}", r"(?P<part>\w{26})", r"(?P<id>\w{26})(?P<more>.*)"])
def test_a_pattern_without_exactly_the_group_id_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|named group"):
        compile_pattern(pattern)


_JUNK = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet=string.digits + "QCMD:TYI]/._-\x1d\x1e\x04\ufeff\t\r", max_size=40).map(str.encode),
    st.from_regex(DEFAULT_PATTERN, fullmatch=True).map(str.encode),
)


@given(_JUNK)
def test_no_input_makes_the_reader_raise_or_put_control_characters_on_the_screen(raw: bytes) -> None:
    code = read(raw)

    if isinstance(code, Unreadable):
        assert code.reason.isprintable()
    if isinstance(code, VendorIdCode):
        assert len(code.id) == 26
        assert not set(code.id) & set("ilou" + string.ascii_uppercase)
    if isinstance(code, QuantityCode):
        assert 1 <= code.quantity <= MAX_QUANTITY
