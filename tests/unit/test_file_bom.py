"""Bills of materials: the headers of several programs, designators, and parts that are not fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.files.bom import split_designators
from producers.files.rows import BadRow, FileProblem, LeftOut, Row
from tests.unit.file_harness import PART, asked, good_rows, known, make_feed, rows_of

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "q" * 26
BOM = make_feed(
    "bom",
    kind="project.add_entries",
    fields={
        "project_id": {"value": OTHER},
        "entries.part_id": {"column": ["manufacturer_part", "value"], "lookup": "part"},
        "entries.quantity": {"column": "quantity"},
        "entries.designators": {"column": "reference", "split": " "},
        "entries.cad_footprint": {"column": ["footprint", "value"]},
    },
)

KICAD = '"Reference","Value","Footprint","Qty","DNP"\n"R1,R2","10k","R_0603","2",""\n"C1","1u","C_0402","1","DNP"\n'
KICAD_OLD = (
    '"Source:","board.kicad_sch"\n"Date:","2026-11-21"\n"Tool:","Eeschema"\n"Component Count:","3"\n\n'
    '"Id";"Designator";"Package";"Quantity";"Designation";"Supplier and ref"\n1;"R1,R2";"R_0603";2;"10k";"LCSC"\n'
)
KICAD_BLANKS = "Ref, Value, Part, Footprint\nR1 R2, 10k, R, R_0603\n"
ALTIUM = (
    "Comment\tDescription\tDesignator\tFootprint\tLibRef\tQuantity\r\n10k\tWiderstand 5 Ω\tR1, R2\tR_0603\tRES-1\t2\r\n"
)
ALTIUM_CP1252 = (
    '"Comment","Description","Designator","Footprint","LibRef","Quantity"\r\n'
    '"10k","µ","R1, R2","R_0603","RES-1","2"\r\n'
)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (KICAD.encode(), "10k"),
        (KICAD_OLD.encode(), "10k"),
        (KICAD_BLANKS.encode(), "10k"),
        (ALTIUM.encode("utf-16"), "RES-1"),
        (ALTIUM_CP1252.encode("cp1252"), "RES-1"),
    ],
    ids=["KiCad", "old KiCad", "KiCad with blanks", "Altium UTF-16", "Altium cp1252"],
)
def test_the_header_of_each_program_is_known(tmp_path: Path, content: bytes, part: str) -> None:
    row = rows_of(tmp_path, content, BOM)[0]

    assert isinstance(row, Row)
    command = asked(row, BOM, known({part.casefold(): [PART]}))
    assert not isinstance(command, BadRow)
    assert command.model_dump()["entries"][0] == {
        "part_id": PART,
        "quantity": 2,
        "name": "",
        "comments": "",
        "designators": ("R1", "R2"),
        "order": None,
        "cad_footprint": "R_0603",
    }


@pytest.mark.parametrize(
    ("header", "cells", "left_out"),
    [
        ("DNP", "DNP", True),
        ("DNP", "1", True),
        ("DNP", "x", True),
        ("DNP", "", False),
        ("DNP", "0", False),
        ("DNP", "No", False),
        ("Exclude from BOM", "Excluded from BOM", True),
        ("Fitted", "No", True),
        ("Fitted", "Not fitted", True),
        ("Fitted", "Fitted", False),
        ("Fitted", "", False),
        ("Populate", "0", True),
        ("Populate", "1", False),
    ],
)
def test_a_part_that_is_not_fitted_is_left_out(tmp_path: Path, header: str, cells: str, left_out: bool) -> None:  # noqa: FBT001
    (row,) = rows_of(tmp_path, f"Ref;Value;{header}\nR1;10k;{cells}\n", BOM)

    assert isinstance(row, LeftOut if left_out else Row)


def test_a_value_that_says_dnp_is_left_out(tmp_path: Path) -> None:
    first, second = rows_of(tmp_path, "Ref;Value\nR1;DNP\nR2;10k\n", BOM)

    assert first == LeftOut(1, 2, "not fitted (DNP)", "R1;DNP")
    assert second.number == 2


@pytest.mark.parametrize(
    ("cell", "designators"),
    [
        ("R1", ["R1"]),
        ("R1,R2;R3 R4\nR5", ["R1", "R2", "R3", "R4", "R5"]),
        ("R1-R4", ["R1", "R2", "R3", "R4"]),
        ("J1-2", ["J1-2"]),
        ("R1-C4", ["R1-C4"]),
        ("R4-R1", ["R4-R1"]),
        ("R1-R99999", ["R1-R99999"]),
        ("", []),
        (" , ", []),
    ],
)
def test_designators_are_listed(cell: str, designators: list[str]) -> None:
    assert split_designators(cell) == designators


def test_without_a_quantity_the_designators_are_counted(tmp_path: Path) -> None:
    (row,) = good_rows(tmp_path, "Ref,Value\nR1-R4 R9,10k\n", BOM)

    assert (row["quantity"], row["reference"]) == ("5", "R1 R2 R3 R4 R9")


def test_a_quantity_that_is_not_that_of_the_designators_is_a_bad_row(tmp_path: Path) -> None:
    good, bad = rows_of(tmp_path, "Ref,Value,Qty\nR1 R2,10k,2\nR3,10k,2\n", BOM)

    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.column, bad.value) == (3, "Qty", "2")
    assert bad.reason == "1 designators, but another quantity; correct one of them"


def test_too_many_designators_are_a_bad_row(tmp_path: Path) -> None:
    (bad,) = rows_of(tmp_path, f"Ref,Value\n{' '.join(f'R{n}' for n in range(1001))},10k\n", BOM)

    assert isinstance(bad, BadRow)
    assert (bad.column, bad.reason) == ("Ref", "1001 designators, 1000 at most")


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ("Part;Amount\nR1;5\n", {}, "no line looks like the header of a bill of materials"),
        ("x\n" * 60 + "Ref;Value\nR1;10k\n", {}, "no line looks like the header of a bill of materials"),
        ("Value;Qty\n10k;2\n", {"header_row": 1}, "line 1: no column of designators"),
        ("Ref;Qty\nR1;1\n", {}, 'line 1: no column "manufacturer_part" or "value"; there are "Ref", "Qty"'),
    ],
)
def test_what_is_no_bill_of_materials_is_refused(
    tmp_path: Path, content: str, options: dict[str, object], reason: str
) -> None:
    feed = type(BOM).model_validate({**BOM.model_dump(exclude_unset=True), **options})

    with pytest.raises(FileProblem, match=reason):
        rows_of(tmp_path, content, feed)
