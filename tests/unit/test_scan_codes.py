"""What a scan means: ids, labels, quantities, command codes, and everything else refused with a reason."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.codes import Code, CodeReader, LabelCode, VendorIdCode
from producers.scanner.commands import (
    LETTERS,
    MAX_NAME_CHARACTERS,
    MODES,
    Badge,
    Instruction,
    QuantityCode,
    Unreadable,
    check_letter,
    checked_prefix,
    decode,
    encode,
    sheet_codes,
)
from producers.scanner.labels import DEFAULT_PATTERN, MAX_LABEL_CHARACTERS
from tasks.commands import MAX_QUANTITY

CODES = sheet_codes()
ID = "0123456789abcdefghjkmnpqrs"
MOUSER = "[)>\x1e06\x1dKP0-1337\x1d14K011\x1d1PMC34063ADR\x1dQ3\x1d11K073121337\x1d4LMX\x1d1VTI\x1e\x04"
READER = CodeReader()


def read(raw: str, reader: CodeReader = READER) -> Code:
    return reader.read(raw.encode()).code


@pytest.mark.parametrize(
    "raw",
    [
        ID,
        ID.upper(),
        f"  {ID}\r\n",
        f"\ufeff{ID}",
        f"{ID}\x00",
        f"\x02{ID}\x03",
        f"]Q1{ID}",
        f"]d1https://partsbox.com/I{ID}",
        f"HTTPS://PARTSBOX.COM/I{ID.upper()}",
        f"http://www.partsbox.com/i{ID}/",
    ],
)
def test_an_id_is_read_through_every_wrapping_a_scanner_adds(raw: str) -> None:
    assert read(raw) == VendorIdCode(ID)


@pytest.mark.parametrize("wrapped", ["{}", "{}\r\n", "\x02{}\x03", "]C0{}", "]Q1{}", " {}\x00"])
@pytest.mark.parametrize("meaning", [*Instruction, QuantityCode(1), QuantityCode(MAX_QUANTITY), Badge("Ada Öström")])
def test_a_command_code_is_read_in_any_case_and_wrapping(wrapped: str, meaning: Instruction | Badge) -> None:
    text = encode(meaning)

    assert read(wrapped.format(text)) == read(wrapped.format(text.lower())) == meaning


def test_command_codes_hold_only_letters_that_no_layout_moves() -> None:
    assert set("".join(code.text for code in CODES)) <= set(LETTERS)
    assert not set(LETTERS) & set("AQWZYM" + string.digits + string.punctuation)


def test_the_sheet_has_every_instruction_and_no_code_twice() -> None:
    meanings = [decode(code.text) for code in CODES]

    assert set(Instruction) <= set(meanings)
    assert len({code.text for code in CODES}) == len(CODES)
    assert [code.title for code in CODES if code.group == "mode"] == list(MODES)
    quantities = [meaning.quantity for meaning in meanings if isinstance(meaning, QuantityCode)]
    assert [int(code.title.split()[0]) for code in CODES if code.group == "quantity"] == quantities


def test_every_single_wrong_letter_in_a_command_code_is_noticed() -> None:
    for code in CODES:
        for place in range(len("STOCK"), len(code.text)):
            for letter in set(LETTERS) - {code.text[place]}:
                damaged = code.text[:place] + letter + code.text[place + 1 :]
                assert isinstance(decode(damaged), Unreadable), damaged


def test_a_lost_letter_in_a_command_code_makes_no_other_command() -> None:
    for code in CODES:
        for place in range(len("STOCK"), len(code.text)):
            damaged = code.text[:place] + code.text[place + 1 :]
            assert isinstance(decode(damaged), Unreadable), damaged


@pytest.mark.parametrize("aim", ["]C1", "]d1", "]A0", "]E0", "]L2"])
def test_a_command_code_in_another_symbol_than_the_sheets_is_refused(aim: str) -> None:
    assert isinstance(read(aim + encode(Instruction.MOVE)), Unreadable)


def test_a_configured_prefix_makes_the_usual_codes_foreign() -> None:
    reader = CodeReader(prefix="DEPOT")

    assert read(encode(Instruction.MOVE, "DEPOT"), reader) is Instruction.MOVE
    assert isinstance(read(encode(Instruction.MOVE), reader), Unreadable)
    assert all(decode(code.text, "DEPOT") is not None for code in sheet_codes("DEPOT"))


@pytest.mark.parametrize("prefix", ["", "ST", "DEPOTA", "stock", "ST-CK", "B" * 13])
def test_a_prefix_that_a_layout_could_move_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        checked_prefix(prefix)


@pytest.mark.parametrize(
    "meaning", [QuantityCode(0), QuantityCode(MAX_QUANTITY + 1), Badge(""), Badge(" x"), Badge("\n")]
)
def test_what_no_station_would_take_is_not_printed(meaning: QuantityCode | Badge) -> None:
    with pytest.raises(ValueError, match=r"quantity|printable"):
        encode(meaning)


def test_a_badge_takes_a_name_of_full_length_and_no_longer() -> None:
    name = "Ö" * MAX_NAME_CHARACTERS

    assert decode(encode(Badge(name))) == Badge(name)
    with pytest.raises(ValueError, match="longer"):
        encode(Badge(name + "x"))


@pytest.mark.parametrize("raw", ["1", "100", "]C0100", str(MAX_QUANTITY), "Q100"])
def test_a_number_that_may_be_something_else_is_a_quantity_only_with_a_doubt(raw: str) -> None:
    code = read(raw)

    assert isinstance(code, QuantityCode)
    assert code.doubt


def test_a_quantity_label_whose_symbol_is_known_is_sure() -> None:
    assert read("]C0Q000000100") == QuantityCode(100)


def test_a_distributors_label_is_read_with_its_repairs() -> None:
    reading = READER.read(("]d1" + MOUSER).encode())
    broken = READER.read(b"[)>\xef\x9c\x8c06\xef\x9c\x8bKP0-1\xef\x9c\x8b1PMC34063ADR\xef\x9c\x8bQ3\r")

    assert isinstance(reading.code, LabelCode)
    assert (reading.code.label.mpn, reading.code.label.quantity) == ("MC34063ADR", 3)
    assert (reading.aim, reading.repairs) == ("]d1", ())
    assert isinstance(broken.code, LabelCode)
    assert broken.repairs


@pytest.mark.parametrize(
    ("raw", "because"),
    [
        ("", "empty"),
        ("0", "article number"),
        ("007", "article number"),
        ("]E04006381", "article number"),
        (str(MAX_QUANTITY + 1), "is no quantity"),
        ("4006381333931", "bare number"),
        ("9" * 4_000, "bare number"),
        ("STOCK", "damaged"),
        ("STOCKSHIFTB", "damaged"),
        ("CMD:MOVE", "no label"),
        (ID[:-1], "no label"),
        ("i" + ID[1:], "no label"),
        ("\u212a" + ID[1:], "no label"),  # the Kelvin sign is a K to a careless comparison
        (f"https://partsbox.example/I{ID}", "an address"),
        ("\u0661\u0662", "no label"),  # Arabic digits
        ("[)>\x1e06\x1dKP0-1337\x1d11K073121337\x1e\x04", "no part"),
    ],
)
def test_anything_else_is_refused_with_a_reason(raw: str, because: str) -> None:
    code = read(raw)

    assert isinstance(code, Unreadable)
    assert because in code.reason


@pytest.mark.parametrize(
    "word",
    ["NONSENSE", "PCS", "PCSBBBBBBBB", "PCSCBBBBBBBB", "PCSDBBBBBBB", "PCSBBBBBBBO", "PERSON", "PERSONB", "PERSONLLLL"],
)
def test_a_sound_code_of_another_version_is_unknown_not_wrong(word: str) -> None:
    code = decode("STOCK" + word + check_letter("STOCK" + word))

    assert isinstance(code, Unreadable)
    assert "unknown command code" in code.reason


def test_a_scan_longer_than_any_label_is_refused() -> None:
    code = read("a" * (MAX_LABEL_CHARACTERS + 1))

    assert isinstance(code, Unreadable)
    assert "longer than" in code.reason


def test_a_configured_pattern_replaces_the_vendors_own() -> None:
    reader = CodeReader(r"BIN-(?P<id>\w{26})")

    assert read(f"bin-{ID}", reader) == VendorIdCode(ID)
    assert isinstance(read(ID, reader), Unreadable)


_JUNK = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet=string.digits + "STOCKPQI]/._-\x1d\x1e\x04\ufeff\t\r", max_size=40).map(str.encode),
    st.text(alphabet=LETTERS, max_size=30).map(lambda text: f"STOCK{text}".encode()),
    st.from_regex(DEFAULT_PATTERN, fullmatch=True).map(str.encode),
)


@given(_JUNK)
def test_no_input_makes_the_reader_raise_or_put_control_characters_on_the_screen(raw: bytes) -> None:
    code = READER.read(raw).code

    match code:
        case Unreadable(reason=reason, advice=advice):
            assert reason.isprintable()
            assert advice.isprintable()
        case VendorIdCode(id=found):
            assert len(found) == 26
            assert not set(found) & set("ilou" + string.ascii_uppercase)
        case QuantityCode(quantity=quantity):
            assert 1 <= quantity <= MAX_QUANTITY
        case Badge(name=name):
            assert name.isprintable()
