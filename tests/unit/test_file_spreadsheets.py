"""XLSX workbooks: what their cells are read as, and files that would end the process."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from producers.files.rows import BadRow, FileProblem, Row
from tests.unit.file_harness import asked, bad_row, good_rows, make_feed, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEED = make_feed("xlsx")
SHEET_HEAD = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
SHEET_END = "</sheetData></worksheet>"


def workbook(*rows: tuple[Any, ...], sheets: tuple[str, ...] = ("Sheet1",), first: tuple[int, int] = (0, 0)) -> bytes:
    """A workbook with these rows in its first sheet; a function writes its cell itself."""
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "dd.mm.yyyy hh:mm"})
    for name in sheets:
        book.add_worksheet(name)
    sheet = book.worksheets()[0]
    for line, cells in enumerate(rows, first[0]):
        for column, cell in enumerate(cells, first[1]):
            if callable(cell):
                cell(book, sheet, line, column)
            else:
                sheet.write(line, column, cell)
    book.close()
    return content.getvalue()


def formula(text: str, result: object) -> Callable[[Any, Any, int, int], None]:
    return lambda _, sheet, line, column: sheet.write_formula(line, column, text, None, result)


def as_date(moment: object, form: str) -> Callable[[Any, Any, int, int], None]:
    def write(book: Any, sheet: Any, line: int, column: int) -> None:
        sheet.write_datetime(line, column, moment, book.add_format({"num_format": form}))

    return write


def patched(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.namelist():
            new.writestr(each, change(old.read(each)) if each == name else old.read(each))
    return out.getvalue()


def with_sheet(data: str) -> bytes:
    content = workbook(("quantity", "note"))
    return patched(content, "xl/worksheets/sheet1.xml", lambda _: f"{SHEET_HEAD}{data}{SHEET_END}".encode())


HEADER_CELLS = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>quantity</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>note</t></is></c></row>'
)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (0.1 + 0.2, "0.3"),
        (0.000_000_1, "0.0000001"),
        (123_456_789_012_345, "123456789012345"),
        ("0603", "0603"),
        (True, "true"),
        (formula("=2+3", 5), "5"),
        (formula('="R"&"1"', "R1"), "R1"),
        (as_date(datetime(2026, 11, 21, 13, 5), "dd.mm.yyyy hh:mm"), "2026-11-21T13:05:00"),  # noqa: DTZ001
        (as_date(date(2026, 3, 5), "d-mmm"), "2026-03-05"),
        (as_date(time(12, 30), "hh:mm"), "12:30:00"),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_a_cell_is_read_as_a_text_file_would_have_it(tmp_path: Path, cell: object, text: str) -> None:
    assert good_rows(tmp_path, workbook(("quantity", "note"), (1, cell)), FEED) == [{"quantity": "1", "note": text}]


def test_a_number_is_written_with_the_mark_of_the_feed(tmp_path: Path) -> None:
    feed = make_feed("xlsx", decimal=",", thousands=".")

    assert good_rows(tmp_path, workbook(("quantity", "note"), (1234.5, "x")), feed)[0]["quantity"] == "1234,5"


def test_a_quantity_that_became_a_date_is_refused(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, workbook(("quantity", "note"), (as_date(date(2026, 3, 5), "d-mmm"), "x")), FEED)

    assert isinstance(row, Row)
    bad = asked(row, FEED)
    assert isinstance(bad, BadRow)
    assert "looks like a date that a spreadsheet made" in bad.reason


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (formula("=NA()", "#N/A"), "an error instead of a value"),
        (1e18, "more than 15 digits"),
        (-1e15, "more than 15 digits"),
    ],
)
def test_a_cell_without_a_true_value_is_a_bad_row(tmp_path: Path, cell: object, reason: str) -> None:
    bad = bad_row(tmp_path, workbook(("quantity", "note"), ("1", "a"), ("2", cell), ("3", "c")), FEED)

    assert (bad.number, bad.line, bad.column) == (2, 3, "note")
    assert bad.reason.startswith(reason)


def test_such_a_cell_in_a_column_that_is_not_read_is_nothing(tmp_path: Path) -> None:
    content = workbook(("quantity", "note", "other"), ("1", "a", formula("=NA()", "#N/A")))

    assert good_rows(tmp_path, content, FEED)[0]["quantity"] == "1"


def test_a_formula_that_was_never_worked_out_is_a_bad_row(tmp_path: Path) -> None:
    data = HEADER_CELLS + '<row r="2"><c r="A2"><f>1+1</f></c></row><row r="3"><c r="A3"><v>3</v></c></row>'

    bad = bad_row(tmp_path, with_sheet(data), FEED)

    assert (bad.number, bad.line, bad.column) == (1, 2, "quantity")
    assert bad.reason.startswith("a formula without its result")


def test_a_table_may_begin_anywhere_in_the_sheet(tmp_path: Path) -> None:
    error = formula("=NA()", "#N/A")
    content = workbook(("quantity", "note"), (1, error), (2, "b"), (None, error), first=(3, 2))
    bad, good, only_an_error = rows_of(tmp_path, content, make_feed("xlsx", header_row=4))

    assert isinstance(bad, BadRow)
    assert (bad.number, bad.line, bad.column) == (1, 5, "note")
    assert good == Row(2, 6, {"quantity": "2", "note": "b"}, "2\tb")
    assert isinstance(only_an_error, BadRow)
    assert (only_an_error.line, only_an_error.column) == (7, "note")


def test_empty_rows_are_none_and_a_value_beside_the_table_is_a_bad_row(tmp_path: Path) -> None:
    content = workbook(("quantity", "note"), (1, "a"), (None,), (2, "b", "beside"), (3,))
    first, bad, last = rows_of(tmp_path, content, FEED)

    assert (first.number, first.line, last.number, last.line) == (1, 2, 3, 5)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("a value beside the named columns")


def test_a_sheet_without_a_header_has_declared_columns(tmp_path: Path) -> None:
    feed = make_feed("xlsx", columns=["quantity", "note"])

    assert good_rows(tmp_path, workbook((1, "a"), (2, "b")), feed) == [
        {"quantity": "1", "note": "a"},
        {"quantity": "2", "note": "b"},
    ]


def test_of_several_sheets_one_has_to_be_named(tmp_path: Path) -> None:
    content = workbook(("quantity", "note"), (1, "a"), sheets=("Receipts & more", "Notes"))

    with pytest.raises(FileProblem, match=r"2 sheets .* name one in the feed, as sheet = 'Receipts & more'"):
        rows_of(tmp_path, content, FEED)
    with pytest.raises(FileProblem, match="no sheet 'Stock'; there are 'Receipts & more', 'Notes'"):
        rows_of(tmp_path, content, make_feed("xlsx", sheet="Stock"))
    assert len(good_rows(tmp_path, content, make_feed("xlsx", sheet="Receipts & more"))) == 1


GOOD = workbook(("quantity", "note"), *((number, "a") for number in range(1, 50)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[: len(GOOD) // 2], "not a whole XLSX file"),
        (GOOD[:-10], "not a whole XLSX file"),
        (b"quantity;note\n1;a\n", "not a whole XLSX file"),
        (b"PK\x03\x04" + bytes(100), "not a whole XLSX file"),
        (GOOD[:200] + b"\xff\xff\xff" + GOOD[203:], "not a whole XLSX file|damaged"),
        (patched(GOOD, "xl/workbook.xml", lambda _: b"<workbook/>"), "no sheet|not a whole"),
        (patched(GOOD, "xl/worksheets/sheet1.xml", lambda part: part[:-40]), "damaged: .* is no XML"),
        (workbook(("Menge", "note"), (1, "a")), 'line 1: no column "quantity"; there are "Menge", "note"'),
        (workbook(), "no row 1"),
        (
            patched(GOOD, "xl/_rels/workbook.xml.rels", lambda part: part.replace(b"UTF-8", b"UTF-0")),
            "does not say where",
        ),
        (
            patched(GOOD, "xl/_rels/workbook.xml.rels", lambda part: part.replace(b"rId1", b"rId0")),
            "does not say|not a",
        ),
        (with_sheet('<row r="1"><c r="?1"/></row>'), "a cell is called"),
        # each of them would make calamine ask for terabytes, which ends the process
        (
            with_sheet('<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"/></row>'),
            "reaches to row 1048576",
        ),
        (with_sheet('<row r="1"><c r="A1"/></row><row r="26000"><c r="GR26000"/></row>'), "more than 5000000 cells"),
        (with_sheet('<row r="999999"><c/><c/></row><row r="9999999"><c/></row>'), "reaches to row 9999999"),
        (with_sheet(f'<row r="1">{"<c/>" * 201}</row>'), "reaches to column 201, 200 at most"),
    ],
)
def test_a_workbook_that_cannot_be_read_is_refused_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, FEED)


def test_the_sheet_is_judged_wherever_the_file_hides_it(tmp_path: Path) -> None:
    content = workbook(("quantity", "note"))
    far = f'{SHEET_HEAD}<row r="1"><c r="A1"/></row><row r="9999999"><c r="A9999999"/></row>{SHEET_END}'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for each in old.namelist():
            if each != "xl/worksheets/sheet1.xml":
                new.writestr(each, old.read(each).replace(b"worksheets/sheet1.xml", b"media/image1.png"))
        new.writestr("xl/media/image1.png", far)

    with pytest.raises(FileProblem, match="reaches to row 9999999"):
        rows_of(tmp_path, out.getvalue(), FEED)


def test_the_sheet_is_judged_whatever_encoding_it_declares(tmp_path: Path) -> None:
    far = f'{SHEET_HEAD}<row r="9999999"><c r="A9999999"/></row>{SHEET_END}'.replace(
        'version="1.0"', 'version="1.0" encoding="cp037"'
    )
    content = patched(workbook(("quantity", "note")), "xl/worksheets/sheet1.xml", lambda _: far.encode())

    with pytest.raises(FileProblem, match="reaches to row 9999999"):
        rows_of(tmp_path, content, FEED)


def test_more_rows_than_the_feed_takes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="reaches to row 12, 11 at most"):
        rows_of(tmp_path, GOOD, make_feed("xlsx", max_rows=10))


@pytest.mark.parametrize(
    ("padding", "reason"),
    [
        (b" " * 3_000_000, "a zip bomb"),
        (b" " * 200_000_001, "bytes when unpacked, 200000000 at most"),
    ],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, padding: bytes, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, patched(GOOD, "docProps/app.xml", lambda part: part + padding), FEED)


def test_a_doctype_in_a_sheet_is_refused(tmp_path: Path) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><worksheet><sheetData/></worksheet>'

    with pytest.raises(FileProblem, match=r"document type \(DTD\)"):
        rows_of(tmp_path, patched(GOOD, "xl/worksheets/sheet1.xml", lambda _: bomb), FEED)


def test_a_moment_in_a_cell_is_read_in_the_zone_of_the_feed(tmp_path: Path) -> None:
    feed = make_feed("xlsx", timestamp={"column": "at", "zone": "Europe/Berlin"})
    moment = datetime(2026, 11, 21, 14, 5)  # noqa: DTZ001  a spreadsheet knows no zones
    content = workbook(("quantity", "note", "at"), (1, "a", as_date(moment, "dd.mm.yyyy hh:mm")))
    (row,) = rows_of(tmp_path, content, feed)

    assert isinstance(row, Row)
    command = asked(row, feed)
    assert not isinstance(command, BadRow)
    assert command.stock_timestamp == datetime(2026, 11, 21, 13, 5, tzinfo=UTC).timestamp() * 1000
