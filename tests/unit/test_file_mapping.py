"""Rows become commands: identity, fields by kind, look-ups, and errors that say where and what to do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from producers.files.description import describe
from producers.files.mapping import codes_of
from producers.files.rows import BadRow, FileProblem
from tasks.directory import Thing, ThingType
from tasks.registry import parse_command, submittable_kinds
from tests.command_examples import GOOD
from tests.unit.file_harness import DIGEST, FIELDS, PART, SEEN_MS, SHELF, asked, known, make_feed, row, written

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "q" * 26
LOOKED_UP = make_feed(fields={**FIELDS, "part_id": {"column": "mpn", "lookup": "part"}})


def made(values: dict[str, str], **options: Any) -> dict[str, Any]:
    """The fields of the command of one row."""
    command = asked(row(values), make_feed(**options))
    assert not isinstance(command, BadRow), command
    return command.model_dump(mode="json", exclude_defaults=True)


def refused(values: dict[str, str], **options: Any) -> BadRow:
    found = asked(row(values), make_feed(**options))
    assert isinstance(found, BadRow)
    assert (found.number, found.line, found.text) == (7, 8, "as it stands")
    return found


def test_a_row_is_identified_by_feed_content_and_number() -> None:
    feed = make_feed()
    command = asked(row({"quantity": "5", "note": ""}), feed)
    again = asked(row({"quantity": "5", "note": "x"}), feed)
    other = asked(row({"quantity": "5", "note": ""}, 8), feed)

    assert not isinstance(command, BadRow)
    assert not isinstance(again, BadRow)
    assert not isinstance(other, BadRow)
    assert (command.source, command.stock_timestamp) == (f"goods-in:{DIGEST[:12]}:7", SEEN_MS)
    assert command.key() == again.key() != other.key()


def test_with_a_timestamp_column_the_event_identifies_itself() -> None:
    options = {"timestamp": {"column": "at", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}}

    fields = made({"quantity": "5", "note": "", "at": "21.11.2026 14:05"}, **options)
    bad = refused({"quantity": "5", "note": "", "at": "yesterday"}, **options)
    missing = refused({"quantity": "5", "note": "", "at": " "}, **options)
    old = refused({"quantity": "5", "note": "", "at": "21.11.1926 14:05"}, **options)

    assert (fields["source"], fields["stock_timestamp"]) == ("goods-in", 1_795_266_300_000)
    assert (bad.column, bad.value) == ("at", "yesterday")
    assert bad.reason.startswith("timestamp: not a moment in the form %d.%m.%Y")
    assert (missing.column, missing.reason) == ("at", "the timestamp is missing; every row needs it")
    assert (old.column, old.value) == ("at", "21.11.1926 14:05")


@pytest.mark.parametrize(
    ("values", "column", "value", "reason"),
    [
        ({"quantity": "1E5"}, "quantity", "1E5", "quantity: written with an exponent"),
        ({"quantity": "0"}, "quantity", "0", "quantity: Input should be greater than 0"),
        ({"quantity": "99999999"}, "quantity", "99999999", "quantity: Input should be less than or equal"),
        ({"quantity": " "}, "quantity", "", "quantity: Field required"),
        ({}, "quantity", "", "quantity: Field required"),
        ({"quantity": "5", "note": "a\x07b"}, "note", "a\x07b", "comments: contains control characters"),
        (
            {"quantity": "5", "note": "[cmd:aaaaaaaaaaaaaaaaaaaa]"},
            "note",
            "[cmd:aaaaaaaaaaaaaaaaaaaa]",
            "comments: con",
        ),
    ],
)
def test_a_bad_cell_is_named_with_its_column_and_value(
    values: dict[str, str], column: str, value: str, reason: str
) -> None:
    bad = refused(values)

    assert (bad.column, bad.value) == (column, value)
    assert bad.reason.startswith(reason)
    assert str(bad).startswith(f"line 8, column {column}: {reason}")


def test_a_wrong_constant_is_named_by_its_field() -> None:
    bad = refused({"quantity": "5"}, fields={**FIELDS, "part_id": {"value": "nonsense"}})

    assert bad.column == ""
    assert bad.reason.startswith("part_id: String should match")


def test_the_first_column_that_a_row_has_counts() -> None:
    fields = {**FIELDS, "quantity": {"column": ["Menge", "Qty"]}}

    assert made({"Qty": "5"}, fields=fields)["quantity"] == 5
    assert made({"Menge": "6", "Qty": "5"}, fields=fields)["quantity"] == 6


def test_an_empty_cell_is_left_out_or_has_its_default() -> None:
    fields = {**FIELDS, "comments": {"column": "note", "default": "none given"}}

    assert "comments" not in made({"quantity": "5", "note": " "})
    assert made({"quantity": "5", "note": " "}, fields=fields)["comments"] == "none given"


def test_a_cell_means_what_the_feed_says() -> None:
    fields = {**FIELDS, "storage_id": {"column": "shelf", "values": {"A 1": SHELF, "B 1": OTHER}}}

    assert made({"quantity": "5", "shelf": " B 1 "}, fields=fields)["storage_id"] == OTHER
    bad = refused({"quantity": "5", "shelf": "C 1"}, fields=fields)
    assert (bad.column, bad.value) == ("shelf", "C 1")
    assert bad.reason.startswith("storage_id: is not in the feed's values for this field")


def test_a_part_number_is_looked_up() -> None:
    lookup = known({"res 10k": [PART], "twins": [PART, OTHER]})
    found = asked(row({"quantity": "5", "mpn": " RES  10K "}), LOOKED_UP, lookup)
    unknown = asked(row({"quantity": "5", "mpn": "nothing"}), LOOKED_UP, lookup)
    several = asked(row({"quantity": "5", "mpn": "Twins"}), LOOKED_UP, lookup)

    assert not isinstance(found, BadRow)
    assert found.model_dump()["part_id"] == PART
    assert isinstance(unknown, BadRow)
    assert (unknown.column, unknown.value) == ("mpn", "nothing")
    assert unknown.reason.startswith("part_id: no part of this number is known")
    assert isinstance(several, BadRow)
    assert several.reason == 'part_id: 2 parts have this number ("part p", "part q"); give the part\'s id'


def test_only_parts_are_found_by_a_part_number() -> None:
    def lookup(code: str, /) -> tuple[Thing, ...]:
        return (Thing(SHELF, ThingType.STORAGE, code),)

    assert isinstance(asked(row({"quantity": "5", "mpn": "A 1"}), LOOKED_UP, lookup), BadRow)
    assert isinstance(asked(row({"quantity": "5", "mpn": "A 1"}), LOOKED_UP, None), BadRow)


def test_the_numbers_to_look_up_are_told_before() -> None:
    assert codes_of(row({"quantity": "5", "mpn": " RES  10K "}), LOOKED_UP) == ("res 10k",)
    assert codes_of(row({"quantity": "5", "mpn": ""}), LOOKED_UP) == ()
    assert codes_of(row({"quantity": "5"}), make_feed()) == ()


def test_values_inside_of_values_are_filled_by_their_way() -> None:
    fields = {
        **FIELDS,
        "price": {"column": "price"},
        "currency": {"column": "currency"},
        "order.po_number": {"column": "po"},
        "vendor_sku": {"column": "sku"},
        "lot.name": {"column": "lot"},
        "lot.tags": {"column": "tags", "split": ","},
    }
    cells = {
        "quantity": "5",
        "price": "0,0628",
        "currency": "EUR",
        "po": "PO-1",
        "sku": "S",
        "lot": "L",
        "tags": "a, b",
    }

    command = made(cells, fields=fields, decimal=",")

    assert (command["price"], command["currency"]) == ("0.0628", "eur")
    assert command["order"] == {"po_number": "PO-1"}
    assert command["lot"] == {"name": "L", "tags": ["a", "b"]}


def test_a_bad_item_of_a_list_is_named_with_its_column() -> None:
    bad = refused(
        {"quantity": "5", "tags": "good, not good"}, fields={**FIELDS, "lot.tags": {"column": "tags", "split": ","}}
    )

    assert (bad.column, bad.value) == ("tags", "good, not good")
    assert bad.reason.startswith("lot.tags.1: String should match")


ORDER_FIELDS = {
    "order_id": {"column": "order"},
    "storage_id": {"value": SHELF},
    "lines.stock_id": {"column": "line"},
    "lines.quantity": {"column": "quantity"},
    "lines.1.stock_id": {"column": "line 2"},
    "lines.1.quantity": {"value": 1},
}


def test_a_row_fills_one_element_of_a_list_and_leaves_empty_ones_out() -> None:
    one = {"order": "d" * 26, "line": "k" * 26, "quantity": "3", "line 2": ""}
    options: dict[str, Any] = {"kind": "order.receive", "fields": ORDER_FIELDS}

    assert made(one, **options)["lines"] == [{"stock_id": "k" * 26, "quantity": 3}]
    assert made({**one, "line 2": OTHER}, **options)["lines"] == [
        {"stock_id": "k" * 26, "quantity": 3},
        {"stock_id": OTHER, "quantity": 1},
    ]
    bad = refused({**one, "quantity": "0"}, **options)
    assert (bad.column, bad.value) == ("quantity", "0")
    assert bad.reason.startswith("lines.0.quantity: ")


@pytest.mark.parametrize(("cell", "value"), [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("0", False)])
def test_yes_and_no_are_read(cell: str, value: bool) -> None:  # noqa: FBT001
    options: dict[str, Any] = {
        "kind": "storage.change_setting",
        "fields": {"storage_id": {"value": SHELF}, "setting": {"value": "full"}, "value": {"column": "full"}},
    }

    assert made({"full": cell}, **options)["value"] is value
    bad = refused({"full": "maybe"}, **options)
    assert (bad.column, bad.value) == ("full", "maybe")


def _flat(value: Any, way: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: leaf for key, each in value.items() for name, leaf in _flat(each, f"{way}.{key}").items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {name: leaf for place, each in enumerate(value) for name, leaf in _flat(each, f"{way}.{place}").items()}
    return {way.removeprefix("."): value}


@pytest.mark.parametrize("kind", submittable_kinds())
def test_every_kind_of_command_can_come_out_of_a_row(kind: str) -> None:
    flat = {name: value for name, value in _flat(GOOD[kind]).items() if name != "stock_timestamp"}
    fields = {
        name: {"column": name, "split": "|"} if isinstance(v, list) else {"column": name} for name, v in flat.items()
    }
    cells = {name: "|".join(value) if isinstance(value, list) else str(value) for name, value in flat.items()}
    feed = make_feed(kind=kind, fields=fields)

    command = asked(row(cells), feed)

    expected = {**GOOD[kind], "stock_timestamp": SEEN_MS, "source": f"goods-in:{DIGEST[:12]}:7"}
    assert command == parse_command(kind, expected)


CONTENT = "quantity;note;mpn;state\n5;a;A;new\nfive;b;B;new\n6;c;C;done\n7;d;D;new\n"


def test_a_file_is_described_without_booking(tmp_path: Path) -> None:
    feed = make_feed(fields=LOOKED_UP.model_dump(exclude_unset=True)["fields"], unless={"state": "done"})
    counted: list[int] = []

    found = describe(written(tmp_path, CONTENT), feed, on_row=counted.append)

    assert found.traits == {"encoding": "utf-8", "delimiter": ";", "header": "line 1"}
    assert found.columns == ("quantity", "note", "mpn", "state")
    assert found.filling["part_id"] == "column mpn, looked up"
    assert found.filling["storage_id"] == f"always {SHELF!r}"
    assert (found.rows, found.commands.count, found.bad.count, found.left_out.count) == (4, 2, 1, 1)
    assert [command.model_dump()["quantity"] for command in found.commands.first] == [5, 7]
    assert (found.bad.first[0].number, found.left_out.first[0].number) == (2, 3)
    assert found.notes == ("part numbers were not looked up; a number that the directory does not know is refused",)
    assert counted == [1, 2, 3, 4]


def test_a_description_keeps_the_first_errors_and_counts_all(tmp_path: Path) -> None:
    content = "quantity;note\n" + "x;y\n" * 50

    found = describe(written(tmp_path, content), make_feed(), lookup=known({}))

    assert (found.bad.count, [bad.number for bad in found.bad.first]) == (50, list(range(1, 11)))
    assert found.notes == ()


def test_a_value_that_no_record_has_is_noted(tmp_path: Path) -> None:
    found = describe(written(tmp_path, '{"quantity": 5}\n{"quantity": 6}\n'), make_feed("ndjson"))

    assert (found.columns, found.commands.count) == (None, 2)
    assert found.notes == ("no row has note; check its spelling",)


def test_a_file_that_cannot_be_read_is_not_described(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="no column"):
        describe(written(tmp_path, "a;b\n"), make_feed())


def test_the_same_content_gives_the_same_commands(tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    feed = make_feed()
    first, second = (
        describe(written(tmp_path, CONTENT, name), feed).commands.first for name in ("monday.csv", "copy of monday.csv")
    )

    assert first == second
    assert len(digest) == len(DIGEST)
