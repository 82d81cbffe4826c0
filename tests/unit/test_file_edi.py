"""EDI files: X12 856 and EDIFACT DESADV, their separators, escapes, envelopes and levels."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import TYPE_CHECKING

import pytest
from pydifact.parser import Parser

from producers.files.formats import open_rows
from producers.files.rows import BadRow, FileProblem, Row
from producers.files.segments import Separators, split_segments
from tests.unit.file_harness import PART, SHELF, asked, good_rows, make_feed, rows_of, written

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {
    "part_id": {"value": PART},
    "storage_id": {"value": SHELF},
    "quantity": {"column": "quantity"},
    "comments": {"column": "po_number"},
    "lot.name": {"column": "lot"},
}
X12 = make_feed("x12-856", fields=FIELDS)
DESADV = make_feed("edifact-desadv", fields=FIELDS)

ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261121*1305*U*00401*000000042*0*P*>~"
ITEMS = (
    "BSN*00*SHIP1*20261121*1305*0001",
    "HL*1**S",
    "TD1*CTN25*2",
    "HL*2*1*O",
    "PRF*PO-7",
    "HL*3*2*P",
    "MAN*GM*00312345678901234567",
    "HL*4*3*I",
    "LIN*1*BP*B-1*VP*V-1*UP*012345678905",
    "SN1**10*EA",
    "REF*LT*LOT-A",
    "PID*F****Resistor",
    "HL*5*2*P",
    "MAN*GM*00312345678901234574",
    "HL*6*5*I",
    "LIN*2*BP*B-2",
    "SN1**5*EA",
    "CTT*6",
)


def x12(*segments: str, isa: str = ISA, sets: int = 1, st: str = "856", tail: str = "IEA*1*000000042~") -> str:
    body = "".join(f"{segment}~\n" for segment in (f"ST*{st}*0001", *segments, f"SE*{len(segments) + 2}*0001"))
    return f"{isa}\nGS*SH*A*B*20261121*1305*7*X*004010~\n{body * sets}GE*{sets}*7~\n{tail}\n"


def changed(old: str, new: str) -> str:
    assert old in x12(*ITEMS)
    return x12(*ITEMS).replace(old, new)


def test_an_item_has_its_own_values_and_those_of_the_levels_round_it(tmp_path: Path) -> None:
    first, second = rows_of(tmp_path, x12(*ITEMS), X12)

    assert isinstance(first, Row)
    assert first.values == {
        "message_number": "SHIP1",
        "po_number": "PO-7",
        "package": "00312345678901234567",
        "po_line": "1",
        "buyer_part": "B-1",
        "supplier_part": "V-1",
        "gtin": "012345678905",
        "quantity": "10",
        "unit": "EA",
        "lot": "LOT-A",
        "description": "Resistor",
    }
    assert (first.number, first.line, second.number, second.line) == (1, 11, 2, 18)
    assert first.text.startswith("HL*4*3*I~LIN*1*BP*B-1")
    assert isinstance(second, Row)
    assert (second.values["package"], second.values["buyer_part"]) == ("00312345678901234574", "B-2")
    assert "lot" not in second.values


def test_packages_below_an_item_belong_to_it(tmp_path: Path) -> None:
    segments = ("BSN*00*S", "HL*1**S", "HL*2*1*O", "PRF*PO", "HL*3*2*I", "LIN**BP*B-1", "SN1**10*EA", "HL*4*3*P",
                "MAN*GM*1111", "HL*5*3*P", "MAN*GM*2222", "HL*6*2*I", "LIN**BP*B-2", "SN1**1*EA")  # fmt: skip

    first, second = good_rows(tmp_path, x12(*segments), X12)

    assert (first["package"], first["package.2"]) == ("1111", "2222")
    assert "package" not in second


def test_a_row_of_a_notice_becomes_a_command(tmp_path: Path) -> None:
    first, _ = rows_of(tmp_path, x12(*ITEMS), X12)

    assert isinstance(first, Row)
    command = asked(first, X12)
    assert not isinstance(command, BadRow)
    assert command.model_dump(include={"quantity", "comments"}) == {"quantity": 10, "comments": "PO-7"}


@pytest.mark.parametrize(("element", "component", "terminator"), [("|", ">", "\n"), ("^", ":", "!"), ("*", "\\", "'")])
def test_the_separators_are_those_of_the_header(tmp_path: Path, element: str, component: str, terminator: str) -> None:
    content = x12(*ITEMS).replace("\n", "").replace(">", component).replace("*", element).replace("~", terminator)

    assert [row["quantity"] for row in good_rows(tmp_path, content, X12)] == ["10", "5"]


def test_several_sets_and_interchanges_are_read(tmp_path: Path) -> None:
    content = x12(*ITEMS, sets=2) + x12(*ITEMS)

    assert [row.number for row in rows_of(tmp_path, content, X12)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed("SE*20*0001", "SE*19*0001"), 'SE says "19" for the number of segments, it is 20'),
        (changed("SE*20*0001", "SE*20*0002"), 'SE says "0002" for the control number'),
        (changed("GE*1*7", "GE*2*7"), 'GE says "2" for the number of sets, it is 1'),
        (changed("GE*1*7", "GE*1*8"), 'GE says "8" for the control number'),
        (changed("IEA*1*", "IEA*0*"), 'IEA says "0" for the number of groups'),
        (changed("IEA*1*000000042", "IEA*1*42"), 'IEA says "42" for the control number'),
        (changed("IEA*1*000000042~", ""), "ends before its ISA is closed"),
        (changed("IEA*1*000000042~", "IEA*1*0000"), "ends in the middle of a segment"),
        (changed("GE*1*7~\n", ""), "IEA without ISA"),
        (changed("CTT*6", "CTT*7"), 'CTT says "7" for the number of HL segments, it is 6'),
        (changed("HL*6*5*I", "HL*6*3*I"), 'HL names the parent "3", which is not open'),
        (changed("*P*>~", "*T*>~"), "test data"),
        (x12(*ITEMS, st="850"), 'a transaction set "850", not 856'),
        (x12("BSN*00*S"), "a ship notice without HL levels"),
        (f"{ISA}IEA*0*000000042~", "holds no message"),
        (f"{ISA}LIN**BP*X~", "stands outside of a message"),
        (x12(*ITEMS)[:50], "does not begin with an X12 interchange header"),
        ("UNB+UNOC:3", "does not begin with an X12 interchange header"),
        (x12(*ITEMS).replace("SENDER         ", "SENDER"), "has no usable separators|has not 16 elements"),
        (f"{ISA}{'x' * 300_000}", "no segment terminator for a long time"),
    ],
)
def test_a_notice_that_is_not_whole_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, X12)


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("BSN*00*", "BSN*01*", "BSN01", "not an original notice"),
        ("BSN*00*", "BSN*05*", "BSN01", "not an original notice"),
    ],
)
def test_a_notice_that_cancels_or_replaces_books_nothing(
    tmp_path: Path, old: str, new: str, column: str, reason: str
) -> None:
    rows = rows_of(tmp_path, changed(old, new), X12)

    assert [(type(row), getattr(row, "column", ""), getattr(row, "reason", "")[: len(reason)]) for row in rows] == [
        (BadRow, column, reason),
        (BadRow, column, reason),
    ]


def test_two_quantities_of_one_item_are_a_bad_row(tmp_path: Path) -> None:
    segments = ("BSN*00*S", "HL*1**S", "HL*2*1*I", "LIN**BP*B-1", "SN1**10*EA", "SN1**7*EA")
    (bad,) = rows_of(tmp_path, x12(*segments), X12)

    assert isinstance(bad, BadRow)
    assert (bad.column, bad.value) == ("quantity", "7")


LINES = (
    "BGM+351+DES?+1+9",
    "DTM+137:20261121:102",
    "RFF+ON:PO-1",
    "NAD+SU+++it?'s ?'UNAVAILABLE?' here",
    "CPS+1++4",
    "PAC+1++CT",
    "PCI+33E",
    "GIN+BJ+340123450000000018",
    "LIN+1++4711:BP",
    "PIA+1+S-1:SA",
    "PIA+5+M-1:MF+9783161484100:EN",
    "IMD+F++:::Größe ?: 5",
    "QTY+12:10:PCE",
    "QTY+21:12:PCE",
    "RFF+ON:PO-2:30",
    "GIN+BX+LOT-1",
    "CPS+2++4",
    "LIN+2++4712:IN",
    "QTY+12:2,0:PCE",
)
UNB = "UNB+UNOC:3+SENDER:14+RECEIVER:14+261121:1305+42'"


def desadv(*segments: str, unb: str = UNB, una: str = "", kind: str = "DESADV", tail: str = "UNZ+1+42'") -> str:
    body = "'\n".join((f"UNH+1+{kind}:D:96A:UN", *segments, f"UNT+{len(segments) + 2}+1"))
    return f"{una}{unb}\n{body}'\n{tail}\n"


def edited(old: str, new: str) -> str:
    assert old in desadv(*LINES)
    return desadv(*LINES).replace(old, new)


def test_a_line_has_its_own_values_and_those_of_message_and_package(tmp_path: Path) -> None:
    first, second = rows_of(tmp_path, desadv(*LINES).encode("iso8859-1"), DESADV)

    assert isinstance(first, Row)
    assert first.values == {
        "message_number": "DES+1",
        "po_number": "PO-2",
        "po_line": "30",
        "package": "340123450000000018",
        "buyer_part": "4711",
        "supplier_part": "S-1",
        "manufacturer_part": "M-1",
        "gtin": "9783161484100",
        "description": "Größe : 5",
        "quantity": "10",
        "unit": "PCE",
        "lot": "LOT-1",
    }
    assert isinstance(second, Row)
    assert second.values == {
        "message_number": "DES+1",
        "po_number": "PO-1",
        "buyer_part": "4712",
        "quantity": "2.0",
        "unit": "PCE",
    }
    assert (first.number, first.line, second.number, second.line) == (1, 11, 2, 20)
    assert first.text.startswith("LIN+1++4711:BP'PIA+1+S-1:SA'")


@pytest.mark.parametrize(
    "una", ["UNA:+.? '", "UNA:+,? '\r\n", "UNA|^.~ !", "UNA:+.  '"], ids=["standard", "comma", "other", "no escape"]
)
def test_the_separators_are_those_of_the_advice(tmp_path: Path, una: str) -> None:
    table = str.maketrans({":": una[3], "+": una[4], "?": una[6], "'": una[8]})
    segments = [line for line in LINES if "?" not in line] if una[6] == " " else LINES
    content = una + desadv(*segments).translate(table)

    rows = good_rows(tmp_path, content.encode("iso8859-1"), DESADV)

    assert [(row["quantity"], row["buyer_part"]) for row in rows] == [("10", "4711"), ("2.0", "4712")]


@pytest.mark.parametrize(
    ("syntax", "encoding"), [("UNOC", "iso8859-1"), ("UNOD", "iso8859-2"), ("UNOY", "utf-8"), ("UNOA", "cp1252")]
)
def test_the_encoding_is_what_the_header_names(tmp_path: Path, syntax: str, encoding: str) -> None:
    content = desadv(*LINES, unb=UNB.replace("UNOC", syntax)).encode(encoding)

    assert good_rows(tmp_path, content, DESADV)[0]["description"] == "Größe : 5"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (edited("UNT+21+1", "UNT+20+1"), 'UNT says "20" for the number of segments, it is 21'),
        (edited("UNT+21+1", "UNT+21+2"), 'UNT says "2" for the reference'),
        (edited("UNT+21+1", "UNT+٢١+1"), "for the number of segments"),
        (edited("UNZ+1+42", "UNZ+2+42"), 'UNZ says "2" for the number of messages, it is 1'),
        (edited("UNZ+1+42", "UNZ+1+43"), 'UNZ says "43" for the reference'),
        (edited("UNZ+1+42'", ""), "ends before its UNB is closed"),
        (edited("UNZ+1+42'", "UNZ+1+42"), "ends in the middle of a segment"),
        (edited("UNZ+1+42'", "UNZ+1+42?'"), "ends in the middle of a segment"),
        (edited("UNT+21+1'\n", ""), "UNZ without UNB"),
        (edited("261121:1305+42'", "261121:1305+42++++++1'"), "test data"),
        (desadv(*LINES, kind="INVOIC"), 'a message "INVOIC", not DESADV'),
        (f"{UNB}UNZ+0+42'", "holds no message"),
        (f"{UNB}LIN+1'", "stands outside of a message"),
        ("UNH+1+DESADV'", "does not begin with an EDIFACT interchange header"),
        (desadv(*LINES, una="UNA++.? '"), "no usable separators"),
        (desadv(*LINES, una="UNAA+.? '"), "no usable separators"),
    ],
)
def test_an_advice_that_is_not_whole_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, DESADV)


def test_an_escaped_escape_escapes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "FTX+a??+b??'LIN+1'")
    with path.open(newline="") as file:
        first, second = split_segments(file, Separators("+", ":", "'", "?"))

    assert (first.elements, second.tag) == ((("a?",), ("b?",)), "LIN")


def test_a_quantity_outside_of_lines_is_that_of_no_line(tmp_path: Path) -> None:
    rows = good_rows(tmp_path, desadv("BGM+351+1+9", "CPS+1", "QTY+12:99", "LIN+1++1:BP"), DESADV)

    assert rows == [{"message_number": "1", "buyer_part": "1"}]


def test_groups_are_counted(tmp_path: Path) -> None:
    grouped = edited("UNH+1", "UNG+DESADV+A+B+261121:1305+9'\nUNH+1").replace("UNZ", "UNE+1+9'\nUNZ")

    assert len(good_rows(tmp_path, grouped, DESADV)) == 2
    with pytest.raises(FileProblem, match='UNE says "2" for the number of messages'):
        rows_of(tmp_path, grouped.replace("UNE+1", "UNE+2"), DESADV)


@pytest.mark.parametrize("function", ["1", "5", "7", "31"])
def test_an_advice_that_cancels_or_repeats_books_nothing(tmp_path: Path, function: str) -> None:
    rows = rows_of(tmp_path, edited("BGM+351+DES?+1+9", f"BGM+351+DES?+1+{function}"), DESADV)

    assert [(type(row), getattr(row, "value", "")) for row in rows] == [(BadRow, function), (BadRow, function)]


def test_two_despatched_quantities_of_one_line_are_a_bad_row(tmp_path: Path) -> None:
    bad, _ = rows_of(tmp_path, edited("QTY+21:12:PCE", "QTY+12:12:PCE"), DESADV)

    assert isinstance(bad, BadRow)
    assert (bad.column, bad.value) == ("quantity", "12")


def test_segments_are_split_as_another_parser_splits_them(tmp_path: Path) -> None:
    text = desadv(*LINES, una="UNA:+.? '").replace("UNAVAILABLE", "not there")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [(each.tag, each.elements) for each in Parser().parse(text)][1:]
    path = written(tmp_path, text.removeprefix("UNA:+.? '"))
    with path.open(newline="") as file:
        segments = list(split_segments(file, Separators("+", ":", "'", "?")))

    def as_theirs(components: tuple[str, ...]) -> object:
        return components[0] if len(components) == 1 else list(components)

    assert [(each.tag, [as_theirs(element) for element in each.elements]) for each in segments] == theirs


@pytest.mark.parametrize("length", range(65_530, 65_540))
def test_an_escape_at_the_end_of_a_block_counts(tmp_path: Path, length: int) -> None:
    text = f"FTX+{'x' * (length - 4)}?'y'LIN+1'"
    path = written(tmp_path, text)
    with path.open(newline="") as file:
        first, second = split_segments(file, Separators("+", ":", "'", "?"))

    assert (len(first.get(1)), first.get(1)[-2:], second.tag) == (length - 2, "'y", "LIN")


@pytest.mark.parametrize("of_format", ["x12-856", "edifact-desadv"])
def test_memory_does_not_grow_with_the_items(tmp_path: Path, of_format: str) -> None:
    def content(count: int) -> str:
        if of_format == "x12-856":
            items = [each for n in range(count) for each in (f"HL*{n + 2}*1*I", f"LIN**BP*B-{n}", "SN1**1*EA")]
            return x12("BSN*00*S", "HL*1**S", *items)
        return desadv("BGM+351+1+9", *(each for n in range(count) for each in (f"LIN+{n}++{n}:BP", "QTY+12:1:PCE")))

    def peak(count: int) -> int:
        path = written(tmp_path, content(count))
        tracemalloc.start()
        try:
            assert sum(1 for _ in open_rows(path, make_feed(of_format, fields=FIELDS))) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    few = peak(3_000)

    assert peak(15_000) < few * 1.5
