"""The file of assumptions is refused where it cannot be meant so, with the place that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workers.dry_run.assumptions import AssumptionsError, read_assumptions

WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([], r"\(file\): not an object; known are partsbox"),
    "an unknown vendor": ({"warehouse": {}}, r"\(file\): 'warehouse' is unknown; known are partsbox, partium"),
    "an unknown noun": ({"partsbox": {"stock": []}}, "partsbox: 'stock' is unknown; known are parts, storages"),
    "no list": ({"partsbox": {"parts": {}}}, "partsbox.parts: not a list"),
    "no object": ({"partsbox": {"parts": ["p"]}}, "partsbox.parts.0: not an object with a text as part/id"),
    "no id": ({"partsbox": {"parts": [{"part/name": "R"}]}}, "partsbox.parts.0: .* as part/id"),
    "an id twice": (
        {"partium": {"parts": [{"part_id": "P-1"}, {"part_id": "P-1"}]}},
        "partium.parts.1: part_id 'P-1' is there twice",
    ),
    "a field of another form": (
        {"partsbox": {"parts": [{"part/id": "p", "part_name": "R"}]}},
        "partsbox.parts.0: 'part_name' is no field of it; all begin with part/",
    ),
    "an entry without a quantity": (
        {"partsbox": {"parts": [{"part/id": "p", "part/stock": [{"stock/timestamp": 1}]}]}},
        "partsbox.parts.0.part/stock.0.stock/quantity: Field required",
    ),
    "a line without a part": (
        {"partsbox": {"orders": [{"order/id": "o", "order/entries": [{"stock/quantity": 1, "stock/timestamp": 1}]}]}},
        "partsbox.orders.0.order/entries.0.stock/part-id: Field required",
    ),
    "an entry without an id": (
        {"partsbox": {"projects": [{"project/id": "p", "project/entries": [{}]}]}},
        "partsbox.projects.0.project/entries.0.entry/id: Field required",
    ),
    "a flag that is none": (
        {"partsbox": {"storages": [{"storage/id": "s", "storage/full?": "yes"}]}},
        r"partsbox.storages.0.storage/full\?: Input should be a valid boolean",
    ),
    "tags that are none": ({"partsbox": {"lots": [{"lot/id": "l", "lot/tags": "smd"}]}}, "partsbox.lots.0.lot/tags"),
    "a comment that is none": (
        {"partsbox": {"builds": [{"build/id": "b", "build/comments": 5}]}},
        "partsbox.builds.0.build/comments",
    ),
    "a name that is none": ({"partium": {"assemblies": [{"ass_id": "A", "name": 5}]}}, "partium.assemblies.0.name"),
    "a document without cells": ({"openbom": {"boms": [{"id": "b"}]}}, "openbom.boms.0: cells: missing"),
    "a row that is too long": (
        {"openbom": {"catalogs": [{"id": "b", "columns": ["A"], "cells": [["1", "2"]]}]}},
        "openbom.catalogs.0: a row with more cells",
    ),
}


@pytest.mark.parametrize(("given", "told"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_so_is_refused_with_its_place(given: Any, told: str) -> None:
    with pytest.raises(AssumptionsError, match=told):
        read_assumptions(json.dumps(given).encode())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"{", "the file is not JSON: "),
        (b"\xff{}", "the file is not UTF-8"),
        (b"[" * 100_000, "the file nests deeper than 32 levels"),
        (b'{"partsbox": {"parts": []}, "partsbox": {}}', "a name occurs twice"),
        (b'{"partbolt": {"parts": [NaN]}}', "NaN is not JSON"),
    ],
    ids=["cut", "not UTF-8", "too deep", "a vendor twice", "NaN"],
)
def test_what_is_no_json_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(AssumptionsError, match=told):
        read_assumptions(text)


def test_a_list_that_is_left_out_is_not_known_and_an_empty_one_is() -> None:
    found = read_assumptions(b'{"partsbox": {"parts": [], "lots": [{"lot/id": "l", "lot/other": 1}]}}')

    assert found == {"partsbox": {"parts": {}, "lots": {"l": {"lot/id": "l", "lot/other": 1}}}}
