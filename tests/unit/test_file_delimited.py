"""CSV and TSV files: encodings, delimiters, headers, quotes, and rows that are refused one by one."""

from __future__ import annotations

import csv
import io
import tempfile
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.formats import open_rows
from producers.files.rows import BadRow, FileProblem, LeftOut, Row
from tests.unit.file_harness import bad_row, good_rows, make_feed, rows_of, written

HEADER = "quantity;note\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("quantity;note\n5;Größe µ\n".encode(), "utf-8"),
        ("quantity;note\n5;Größe µ\n".encode("utf-8-sig"), "utf-8-sig"),
        ("quantity;note\n5;Größe µ\n".encode("cp1252"), "cp1252"),
        ("quantity;note\n5;Größe µ\n".encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + "quantity;note\n5;Größe µ\n".encode("utf-16-be"), "utf-16"),
        ("quantity;note\n5;Größe µ\n".encode("utf-32"), "utf-32"),
    ],
)
def test_the_encoding_is_the_mark_then_utf8_then_the_code_page(tmp_path: Path, content: bytes, encoding: str) -> None:
    assert good_rows(tmp_path, content, make_feed()) == [{"quantity": "5", "note": "Größe µ"}], encoding


def test_the_declared_code_page_reads_what_is_no_utf8(tmp_path: Path) -> None:
    content = "quantity;note\n5;Škoda\n".encode("cp1250")

    assert good_rows(tmp_path, content, make_feed(encoding="cp1250")) == [{"quantity": "5", "note": "Škoda"}]


def test_a_cut_letter_at_the_end_is_no_utf8(tmp_path: Path) -> None:
    assert good_rows(tmp_path, b"quantity;note\n5;\xc3", make_feed()) == [{"quantity": "5", "note": "\u00c3"}]


def test_utf16_without_a_mark_needs_to_be_declared(tmp_path: Path) -> None:
    content = "quantity;note\n5;x\n".encode("utf-16-le")

    with pytest.raises(FileProblem, match='declare encoding = "utf-16-le"'):
        rows_of(tmp_path, content, make_feed())
    assert good_rows(tmp_path, content, make_feed(encoding="utf-16-le")) == [{"quantity": "5", "note": "x"}]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(b"quantity;note\n5;\x81\n", "cp1252"), (b"\xff\xfequ\x00a", "cp1252"), (b"quantity;note\n5;\xe9\n", "utf-8")],
)
def test_bytes_that_the_encoding_does_not_have_refuse_the_file(tmp_path: Path, content: bytes, encoding: str) -> None:
    with pytest.raises(FileProblem, match=r"not .* text|no column"):
        rows_of(tmp_path, content, make_feed(encoding=encoding))


#: As spreadsheets, shops and warehouse programs write them; the parts are quantity and note.
DELIMITER_SAMPLES = {
    "german Excel": ("quantity;note\r\n5;x\r\n", ";"),
    "english Excel": ("quantity,note\r\n5,x\r\n", ","),
    "tabs": ("quantity\tnote\n5\tx\n", "\t"),
    "pipes": ("quantity|note\n5|x\n", "|"),
    "old Macintosh line ends": ("quantity;note\r5;x\r", ";"),
    "a quoted header": ('"quantity","note"\n"5","x"\n', ","),
    "a comma inside a quoted name": ('quantity;note;"Price, EUR";"Date, time"\n5;x;1,5;2\n', ";"),
    "semicolons in the rows": ("quantity,note,a\n5,x,;;;;\n", ","),
    "a doubled quote in a name": ('quantity;note;"a ""b"", c, d, e"\n5;x;y\n', ";"),
    "a line end in a name": ('quantity;note;"a\nb,c,d"\n5;x;y\n', ";"),
    "empty names": ("quantity;;note;\n5;;x;\n", ";"),
    "sep=;": ("sep=;\r\nquantity;note,a,b,c\r\n5;x\r\n", ";"),
    "sep=| in quotes": ('"sep=|"\nquantity|note\n5|x\n', "|"),
    "blank lines above": ("\n\r\nquantity;note\n5;x\n", ";"),
    "blanks round names": (" quantity , note \n5,x\n", ","),
}


@pytest.mark.parametrize("sample", DELIMITER_SAMPLES)
def test_the_delimiter_is_found_in(tmp_path: Path, sample: str) -> None:
    content, delimiter = DELIMITER_SAMPLES[sample]
    fields = {"fields": dict(make_feed().model_dump(exclude_defaults=True)["fields"])}
    fields["fields"]["comments"] = {"column": ["note", "note,a,b,c"]}

    (row,) = good_rows(tmp_path, content, make_feed(**fields))

    assert (row["quantity"], row.get("note", row.get("note,a,b,c"))) == ("5", "x"), delimiter


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ("", {}, "empty; nothing is in it"),
        ("\n \n", {}, "no header and no row"),
        ("quantity;note,x\n5;a\n", {}, "line 1: two delimiters .* declare the feed's delimiter"),
        ("sep=;\nquantity;note\n", {"delimiter": ","}, "line 1: says sep=;, the feed says ','"),
        ("Menge;note\n5;x\n", {}, 'line 1: no column "quantity"; there are "Menge", "note"; correct the file or'),
        ("quantity;note;Quantity\n5;x;6\n", {}, r'line 1: column "quantity" stands there twice \(1, 3\); rename one'),
        (";".join(f"c{number}" for number in range(201)), {}, "201 columns, 200 at most; check the delimiter"),
        ('quantity;"note\n5;x\n', {}, "line 1: the header cannot be read"),
        ('quantity;note\n5;"x\n6;y\n', {}, "line 2: a quote is opened here and not closed"),
        ('quantity;note\n5;"x\n6;"y"\n', {}, "line 2: a quote is opened here and not closed"),
        ('quantity;note\n5;"x', {}, "line 2: a quote is opened here and not closed"),
        ("quantity;note\n" + "x" * 1_100_000, {}, "line 2: longer than 1048576 characters"),
        ("quantity;note\n1;x\n2;x\n3;x\n", {"max_rows": 2}, "line 4: more than 2 rows; split the file"),
        ("quantity;note\n1;x\n", {"max_bytes": 10}, "18 bytes, 10 at most; split the file"),
        ("quantity;note\n1;x\n", {"header_row": 3}, "no header and no row"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    tmp_path: Path, content: str, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, make_feed(**options))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="cannot be read: No such file"):
        list(open_rows(tmp_path / "gone", make_feed()))


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("5", "", "1 cells where the header has 2 columns"),
        ("5;x;y", "", "3 cells where the header has 2 columns"),
        ("5;x\0y", "", "has NUL characters"),
        ('"5"x;y', "", "not readable"),
        (f"5;{'x' * 70_000}", "note", "70000 characters, 65536 at most"),
        (f"5;{'x' * 140_000}", "", "not readable"),
    ],
)
def test_one_bad_line_is_one_bad_row_and_the_rest_is_read(tmp_path: Path, line: str, column: str, reason: str) -> None:
    rows = rows_of(tmp_path, f"{HEADER}1;a\n{line}\n2;b\n", make_feed())

    first, bad, last = rows
    assert isinstance(first, Row)
    assert isinstance(bad, BadRow)
    assert isinstance(last, Row)
    assert (bad.number, bad.line, bad.column, bad.text) == (2, 3, column, line)
    assert bad.reason.startswith(reason)
    assert (last.number, last.line, last.values) == (3, 4, {"quantity": "2", "note": "b"})


def test_a_row_keeps_its_number_its_line_and_its_text(tmp_path: Path) -> None:
    content = 'quantity;note\r\n\r\n1;"two\r\nlines; ""quoted"""\r\n;;;\r\n2;b;;\r\n'

    first, second = rows_of(tmp_path, content, make_feed())

    assert first == Row(1, 3, {"quantity": "1", "note": 'two\r\nlines; "quoted"'}, '1;"two\r\nlines; ""quoted"""')
    assert second == Row(2, 6, {"quantity": "2", "note": "b"}, "2;b;;")


def test_a_header_further_down_or_none_at_all_is_declared(tmp_path: Path) -> None:
    below = good_rows(tmp_path, "Report;of;today\n\nquantity;note\n5;x\n", make_feed(header_row=3))
    none = good_rows(tmp_path, "5;x\n6;y\n", make_feed(columns=["quantity", "note"]))

    assert below == [{"quantity": "5", "note": "x"}]
    assert none == [{"quantity": "5", "note": "x"}, {"quantity": "6", "note": "y"}]


def test_capitals_and_blanks_in_names_make_no_difference(tmp_path: Path) -> None:
    assert good_rows(tmp_path, "QUANTITY; Note \n5;x\n", make_feed()) == [{"quantity": "5", "note": "x"}]


def test_a_column_that_is_not_read_may_stand_there_twice(tmp_path: Path) -> None:
    (row,) = good_rows(tmp_path, "quantity;note;a;a\n5;x;1;2\n", make_feed())

    assert row["quantity"] == "5"


def test_a_tsv_file_has_tabs_whatever_else_stands_in_it(tmp_path: Path) -> None:
    assert good_rows(tmp_path, "quantity\tnote\n5\ta;b;c\n", make_feed("tsv")) == [{"quantity": "5", "note": "a;b;c"}]


def test_rows_are_chosen_by_their_columns(tmp_path: Path) -> None:
    feed = make_feed(when={"state": ["new", "open"]}, unless={"DNP": ["1", "x"]})
    content = "quantity;note;state;DNP\n1;a;new;\n2;b;done;\n3;c;open;x\n4;d; open ;0\n"

    rows = rows_of(tmp_path, content, feed)

    assert [(type(row), row.number) for row in rows] == [(Row, 1), (LeftOut, 2), (LeftOut, 3), (Row, 4)]
    assert [row.reason for row in rows if isinstance(row, LeftOut)] == [
        "state is none of the feed's when",
        "DNP is one of the feed's unless",
    ]


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(st.integers(1, 9999), CELLS), max_size=20), st.sampled_from([";", ",", "\t", "|"]))
def test_what_a_csv_writer_writes_is_read_back(rows: list[tuple[int, str]], delimiter: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("quantity", "note"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        found = good_rows(Path(folder), text.getvalue(), make_feed())

    assert [(row["quantity"], row["note"]) for row in found] == [(str(number), note) for number, note in rows]


def _peak_bytes(path: Path, rows: int) -> int:
    path.write_text(HEADER + "".join(f"{number};note of row {number}\n" for number in range(1, rows + 1)))
    tracemalloc.start()
    try:
        assert sum(isinstance(row, Row) for row in open_rows(path, make_feed())) == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    _peak_bytes(tmp_path / "first.csv", 100)
    few = _peak_bytes(tmp_path / "few.csv", 3_000)

    assert _peak_bytes(tmp_path / "many.csv", 30_000) < few * 1.5


def test_closing_the_rows_closes_the_file(tmp_path: Path) -> None:
    rows = open_rows(written(tmp_path, HEADER + "1;a\n" * 100_000), make_feed())

    assert len(list(islice(rows, 3))) == 3
    rows.close()  # type: ignore[attr-defined]  # a generator


def test_the_bad_row_is_a_sentence_for_people(tmp_path: Path) -> None:
    bad = bad_row(tmp_path, f"{HEADER}5;{'x' * 70_000}\n", make_feed())

    assert str(bad) == f'line 2, column note: 70000 characters, 65536 at most; shorten it (got "{"x" * 80}…")'
