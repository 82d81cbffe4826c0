"""Damaged files of every format: nothing but a FileProblem or bad rows comes out of them."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Final

import pytest

from producers.files.formats import open_rows
from producers.files.rows import BadRow, FileProblem, LeftOut, Row
from tasks.commands import Command
from tests.unit.file_harness import asked, make_feed, written
from tests.unit.test_file_bom import ALTIUM, BOM, KICAD_OLD
from tests.unit.test_file_edi import DESADV, ITEMS, LINES, X12, desadv, x12
from tests.unit.test_file_nested import JSON, NDJSON, ORDER, XML
from tests.unit.test_file_spreadsheets import workbook

if TYPE_CHECKING:
    from pathlib import Path

    from producers.files.feeds import Feed

MUTANTS: Final = 300
CSV = 'sep=;\nquantity;note\n5;"a ""b""\nc"\n6;Größe\n'
SAMPLES: Final[dict[str, tuple[Feed, bytes]]] = {
    "csv": (make_feed(), CSV.encode()),
    "csv in cp1252": (make_feed(), CSV.encode("cp1252")),
    "csv in utf-16": (make_feed(), CSV.encode("utf-16")),
    "tsv": (make_feed("tsv"), b"quantity\tnote\n5\ta\n"),
    "xlsx": (make_feed("xlsx"), workbook(("quantity", "note"), (5, "a"), (6, "b"))),
    "ndjson": (NDJSON, b'{"quantity": 5, "note": "a"}\n{"quantity": 6}\n'),
    "json": (JSON, b'[{"quantity": 5, "note": ["a", {"b": 1}]}, {"quantity": 6}]'),
    "xml": (XML, ORDER),
    "x12-856": (X12, x12(*ITEMS).encode()),
    "edifact-desadv": (DESADV, desadv(*LINES, una="UNA:+.? '").encode("iso8859-1")),
    "bom": (BOM, KICAD_OLD.encode()),
    "bom in utf-16": (BOM, ALTIUM.encode("utf-16")),
}
HOSTILE: Final = [b"\0", b'"', b"\xff", b"'", b"<", b"\n", b"\xef\xbb\xbf", b"*", b"9" * 30, b"&x;", b"[", b"{"]


def mutant(content: bytes, source: random.Random) -> bytes:
    """The content with a few bytes changed, lost, put in, doubled or swapped."""
    found = bytearray(content)
    for _ in range(source.randint(1, 4)):
        start = source.randrange(len(found) + 1)
        end = min(len(found), start + source.choice([1, 1, 2, 8, 64]))
        match source.randrange(6):
            case 0:
                del found[start:end]
            case 1:
                found[start:start] = source.choice(HOSTILE)
            case 2:
                found[start:end] = source.randbytes(end - start)
            case 3:
                found[start:start] = found[start:end]
            case 4:
                del found[start:]
            case _:
                found[start:end] = found[start:end][::-1]
    return bytes(found)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_damaged_file_gives_rows_bad_rows_or_a_file_problem(tmp_path: Path, sample: str) -> None:
    feed, content = SAMPLES[sample]
    source = random.Random(sample)
    for _ in range(MUTANTS):
        damaged = mutant(content, source)
        with contextlib.suppress(FileProblem):
            for row in open_rows(written(tmp_path, damaged), feed):
                found = asked(row, feed) if isinstance(row, Row) else row
                assert isinstance(found, Command | BadRow | LeftOut), damaged


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_undamaged_file_gives_rows(tmp_path: Path, sample: str) -> None:
    feed, content = SAMPLES[sample]
    path = written(tmp_path, content)

    assert any(isinstance(row, Row) for row in open_rows(path, feed))
    assert list(open_rows(path, feed)) == list(open_rows(path, feed))
