"""NDJSON, JSON and XML files: nested records as flat values, and documents that are bombs."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.formats import open_rows
from producers.files.rows import BadRow, FileProblem, Row
from tests.unit.file_harness import good_rows, make_feed, rows_of, written

NDJSON = make_feed("ndjson")
JSON = make_feed("json")
LINES = make_feed("json", record="order.lines")
XML = make_feed("xml", record="Line")


def test_each_line_is_an_object_whatever_is_nested_in_it(tmp_path: Path) -> None:
    content = '{"quantity": 5, "part": {"number": "A1", "tags": ["x", 2]}, "ok": true, "note": null}\n\n{"quantity": 6}'

    first, second = rows_of(tmp_path, content, NDJSON)

    assert isinstance(first, Row)
    assert first.values == {
        "quantity": "5",
        "part.number": "A1",
        "part.tags.0": "x",
        "part.tags.1": "2",
        "ok": "true",
        "note": "",
    }
    assert (first.number, first.line, second.number, second.line) == (1, 1, 2, 3)
    assert second.text == '{"quantity": 6}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ("5", "not an object"),
        ('{"a": 1} {"a": 2}', "not JSON"),
        ('{"a": 1, "a": 2}', "stands there twice"),
        ('{"b": {"a": 1}, "b.a": 2}', "stands there twice"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 25 + "1" + "}" * 25, "nested deeper than 20 levels"),
        (json.dumps({f"k{number}": 1 for number in range(201)}), "more than 200 values"),
        (json.dumps({"a": "x" * 70_000}), "70000 characters"),
    ],
)
def test_a_line_that_is_no_plain_object_is_a_bad_row(tmp_path: Path, line: str, reason: str) -> None:
    bad, good = rows_of(tmp_path, f'{line}\n{{"quantity": 1}}\n', NDJSON)

    assert isinstance(bad, BadRow)
    assert bad.reason.startswith(reason)
    assert (bad.number, bad.line, bad.text) == (1, 1, line)
    assert isinstance(good, Row)


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E5", "1E5"), ("1.50", "1.50"), ("-3", "-3"), ("NaN", "NaN"), ("12345678901234567890", "12345678901234567890")],
)
def test_a_number_in_a_line_stays_as_it_is_written(tmp_path: Path, number: str, text: str) -> None:
    assert good_rows(tmp_path, f'{{"quantity": {number}}}', NDJSON) == [{"quantity": text}]


def test_a_json_number_is_written_with_the_mark_of_the_feed(tmp_path: Path) -> None:
    content = '{"quantity": 1.5, "note": "1.5"}'

    assert good_rows(tmp_path, content, make_feed("ndjson", decimal=",")) == [{"quantity": "1,5", "note": "1.5"}]
    assert good_rows(tmp_path, f"[{content}]", make_feed("json", decimal=",")) == [{"quantity": "1,5", "note": "1.5"}]


@pytest.mark.parametrize(
    ("content", "record", "values"),
    [
        ('[{"quantity": 1}, {"quantity": 2}]', None, [{"quantity": "1"}, {"quantity": "2"}]),
        ('{"quantity": 1}', None, [{"quantity": "1"}]),
        ("[]", None, []),
        ('\ufeff[{"quantity": 1}]', None, [{"quantity": "1"}]),
        ('{"a": {"b": [{"quantity": 1}]}, "c": {"b": 3}}', "a.b", [{"quantity": "1"}]),
        (
            '{"a": {"b": {"quantity": 1, "x": {"y": [3, {"z": 4}]}}}}',
            "a.b",
            [{"quantity": "1", "x.y.0": "3", "x.y.1.z": "4"}],
        ),
        (
            '{"po": "7", "seller": {"id": 3}, "lines": [{"quantity": 1}, {"quantity": 2, "po": "8"}], "end": 1}',
            "lines",
            [{"quantity": "1", "po": "7", "seller.id": "3"}, {"quantity": "2", "po": "8", "seller.id": "3"}],
        ),
        ('[[1, "x"], []]', None, [{"0": "1", "1": "x"}, {}]),
    ],
)
def test_records_are_found_in_a_document(
    tmp_path: Path, content: str, record: str | None, values: list[dict[str, str]]
) -> None:
    feed = make_feed("json") if record is None else make_feed("json", record=record)

    assert good_rows(tmp_path, content, feed) == values


def test_what_is_no_object_among_records_is_a_bad_row(tmp_path: Path) -> None:
    good, bad, twice, last = rows_of(tmp_path, '[{"quantity": 1}, 5, {"a": 1, "a": 2}, {"quantity": 2}]', JSON)

    assert isinstance(bad, BadRow)
    assert isinstance(twice, BadRow)
    assert (bad.number, bad.reason[:13], twice.column) == (2, "not an object", "a")
    assert (good.number, last.number) == (1, 4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("   ", "not JSON"),
        ('[{"quantity": 1}', "not JSON after record 1"),
        ('[{"quantity": 1}]]', "not JSON after record 1"),
        ('[{"quantity": 1}] {"a": 1}', "not JSON after record 1"),
        (b'[{"quantity": "\xff"}]', "not JSON"),
        ("5", "not an object|nothing at"),
        ("[" * 1_000_000, "nested deeper than 20 levels"),
        ('{"a":' * 1_000_000, "nested deeper than 20 levels"),
        ('[{"a":' + "[" * 1_000_000, "nested deeper than 20 levels"),
    ],
)
def test_a_document_that_is_not_whole_is_refused(tmp_path: Path, content: str | bytes, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        assert rows_of(tmp_path, content, JSON) == []


def test_a_way_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"nothing at order\.lines; name the array"):
        rows_of(tmp_path, '{"order": {"rows": [{"quantity": 1}]}}', LINES)


ORDER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Orders xmlns="urn:example:orders" made="today">
  <Order id="7"><Number>PO-7</Number><Note>about 7</Note>
    <Lines>
      <Line no="1"><Part><Number>Größe</Number></Part><quantity> 5 </quantity><Lot>L1</Lot><Lot>L2</Lot></Line>
      <Line no="2"><quantity unit="pcs">6</quantity><note><![CDATA[a < b]]></note></Line>
    </Lines>
  </Order>
  <Order id="8"><Lines><Line><quantity>7</quantity></Line></Lines></Order>
</Orders>""".encode("iso8859-1")


def test_elements_are_rows_with_what_stands_round_them(tmp_path: Path) -> None:
    first, second, third = good_rows(tmp_path, ORDER, XML)

    assert first == {
        "@no": "1",
        "Part.Number": "Größe",
        "quantity": "5",
        "Lot": "L1",
        "Lot.2": "L2",
        "Orders.@made": "today",
        "Orders.Order.@id": "7",
        "Orders.Order.Number": "PO-7",
        "Orders.Order.Note": "about 7",
    }
    assert (second["quantity"], second["quantity.@unit"], second["note"]) == ("6", "pcs", "a < b")
    assert third == {"quantity": "7", "Orders.@made": "today", "Orders.Order.@id": "8"}


def test_a_longer_way_tells_elements_of_one_name_apart(tmp_path: Path) -> None:
    content = "<a><Line><quantity>1</quantity></Line><b><Line><quantity>2</quantity></Line></b></a>"

    rows = good_rows(tmp_path, content, make_feed("xml", record="b.Line"))

    assert [row["quantity"] for row in rows] == ["2"]


LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Orders><Line><quantity>&c;</quantity></Line></Orders>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, r"document type \(DTD\)"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><Line/></a>', r"document type \(DTD\)"),
        ("<a><Line><quantity>1</quantity></Line>", "not XML after record 1"),
        ("<a><Line><quantity>1</Line></a>", "not XML after record 0"),
        ("quantity;note\n", "not XML"),
        ("<a><Line>&nbsp;</Line></a>", "not XML"),
        ('<?xml version="1.0" encoding="martian"?><a/>', "not XML"),
        ("<a><Row/></a>", "no element Line; name the element that is one row"),
        ("<a>" * 100_000, "nested deeper than 20 levels"),
        ("<a><Line>" + "<b>" * 100_000, "nested deeper than 20 levels"),
        (f"<a><Line>{'<b/>' * 3_000}</Line></a>", "a record with more than 2000 elements"),
    ],
)
def test_a_document_that_is_no_plain_xml_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, XML)


def test_an_element_with_too_much_in_it_is_a_bad_row(tmp_path: Path) -> None:
    long = f"<quantity>{'1' * 70_000}</quantity>"
    many = "<b/>" * 201

    first, second, last = rows_of(
        tmp_path, f"<a><Line>{long}</Line><Line>{many}</Line><Line><quantity>1</quantity></Line></a>", XML
    )

    assert isinstance(first, BadRow)
    assert isinstance(second, BadRow)
    assert (first.column, first.reason[:16]) == ("quantity", "70000 characters")
    assert second.reason.startswith("more than 200 values")
    assert isinstance(last, Row)


def _records(of_format: str, count: int) -> str:
    if of_format == "xml":
        return "<a>" + "".join(f"<Line><quantity>{n}</quantity><x>y</x></Line>" for n in range(count)) + "</a>"
    lines = [json.dumps({"quantity": n, "x": ["y"]}) for n in range(count)]
    return "\n".join(lines) if of_format == "ndjson" else f'{{"order": {{"lines": [{",".join(lines)}]}}}}'


@pytest.mark.parametrize("feed", [NDJSON, LINES, XML], ids=["ndjson", "json", "xml"])
def test_memory_does_not_grow_with_the_records(tmp_path: Path, feed: object) -> None:
    def peak(count: int) -> int:
        path = written(tmp_path, _records(feed.format, count))  # type: ignore[attr-defined]
        tracemalloc.start()
        try:
            assert sum(isinstance(row, Row) for row in open_rows(path, feed)) == count  # type: ignore[arg-type]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    few = peak(3_000)

    # kept records would make it five times as much; when the collector runs is left to Python
    assert peak(15_000) < few * 2.5


SCALARS = st.one_of(st.integers(-(10**9), 10**9), st.text(max_size=10), st.booleans(), st.none())
OBJECTS = st.lists(st.dictionaries(st.text("abcxyz", min_size=1, max_size=4), SCALARS, max_size=6), max_size=8)


@given(OBJECTS)
def test_json_and_ndjson_give_the_same_rows(objects: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = good_rows(Path(folder), "\n".join(map(json.dumps, objects)) or "\n", NDJSON)
        document = good_rows(Path(folder), json.dumps(objects), JSON)

    assert lines == document
    assert len(lines) == len(objects)
