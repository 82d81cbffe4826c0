"""OpenBOM answers become plain records: lists, documents in both shapes, property tables, the login."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.boms import Document
from workers.vendors.openbom import wire

BOM = "49c6f1f3-7006-48fc-86f1-f3700628fcff"

#: The document's listing of BOMs (section 2), its quotes mended.
LISTED: dict[str, Any] = {
    "nodeId": 29290,
    "bomId": BOM,
    "id": BOM,
    "name": "R2D2_2",
    "nameuri": None,
    "user": "user@email",
    "status": "active",
    "permissionString": "w",
    "permission": 7,
    "modifiedBy": "user@email",
    "modified": 1518126594320,
    "bomPartNumber": "R2D2_2",
    "productionBatch": False,
    "released": False,
}

#: The document's BOM (section 6): the columns have ids, and nothing says what they are called.
UNNAMED: dict[str, Any] = {
    "_id": BOM,
    "id": BOM,
    "sourceId": "H:\\Models\\SW\\R2D2\\R2D2_2.SLDASM",
    "name": "R2D2_2",
    "nameuri": "urn:openbom:name:user%40email:r2d2_2",
    "status": "A",
    "copyId": None,
    "data": {
        "rZxBGn1pzyM1": {
            "cjY09NjFcgC4": "1",
            "cJvSlN1pHORi": "Custom BOM Part Number",
            "cV6xruWVPiLD": 1,
            "cuMMrYE9PaiT": "",
        },
        "rQ2": {"cJvSlN1pHORi": "Leg", "c1512506622204": 10},
    },
}
ROWS: dict[str, Any] = {"r1": {"c1": "PN1", "c2": 3}, "r2": {"c1": "PN2", "c3": True}}


def document(**fields: Any) -> Document:
    return wire.document(fields, BOM)


# lists


def test_the_documents_bom_is_listed_with_every_field() -> None:
    (bom,) = wire.BOMS.validate_python([LISTED])

    assert bom.model_dump() == {
        "id": BOM,
        "bom_id": BOM,
        "name": "R2D2_2",
        "name_uri": None,
        "node_id": 29290,
        "user": "user@email",
        "status": "active",
        "permission_string": "w",
        "permission": 7,
        "modified_by": "user@email",
        "modified": 1518126594320,
        "bom_part_number": "R2D2_2",
        "production_batch": False,
        "released": False,
    }


def test_an_order_bom_needs_no_part_number_and_may_bring_what_nobody_knows() -> None:
    listed = {name: value for name, value in LISTED.items() if name != "bomPartNumber"} | {"productionBatch": True}

    (bom,) = wire.BOMS.validate_python([listed | {"colour": "red"}])

    assert (bom.bom_part_number, bom.production_batch) == (None, True)


def test_catalogs_are_listed() -> None:
    listed = {"nodeId": 43557, "itemsId": "338c", "id": "338c", "name": "Items", "permission": 7, "modified": 5}

    (catalog,) = wire.CATALOGS.validate_python([listed])

    assert (catalog.id, catalog.items_id, catalog.name, catalog.node_id) == ("338c", "338c", "Items", 43557)


def test_property_tables_and_their_properties_are_read() -> None:
    table = {"_id": "64c4", "id": "64c4", "uri": "urn:t", "name": "props table", "createdBy": "a@b", "updatedBy": None}
    item = {"id": "08f5", "name": "prop1", "privateTableId": "64c4", "publicProperty": False, "datatype": "N"}

    (listed,) = wire.PROPERTY_TABLES.validate_python([table | {"created": "2017-02-16T04:33:55.787Z", "private": True}])
    (read,) = wire.PROPERTIES.validate_python([item | {"source": "U", "created_by": "a@b"}])

    assert (listed.id, listed.name, listed.created_by, listed.updated_by) == ("64c4", "props table", "a@b", None)
    assert (listed.created, listed.private) == ("2017-02-16T04:33:55.787Z", True)
    assert (read.id, read.name, read.private_table_id, read.datatype, read.source) == (
        "08f5",
        "prop1",
        "64c4",
        "N",
        "U",
    )
    assert (read.public_property, read.created_by) == (False, "a@b")


@pytest.mark.parametrize("listed", [{}, [{"name": "no id"}], [{"id": "no name"}], [7], None, [{"id": 1, "name": "x"}]])
def test_what_is_no_list_of_documents_is_refused(listed: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        wire.BOMS.validate_python(listed)


# documents


def test_columns_and_cells_are_read() -> None:
    read = document(
        id=BOM, name="Items", columns=["Part Number", "Quantity"], cells=[["PN1", 3], ["PN2"], []], type="catalog"
    )

    assert read == Document(BOM, "Items", ("Part Number", "Quantity"), (("PN1", 3), ("PN2", None), (None, None)))


def test_the_documents_own_shape_has_columns_called_by_their_ids() -> None:
    read = wire.document(UNNAMED, BOM)

    assert read.columns == ("cjY09NjFcgC4", "cJvSlN1pHORi", "cV6xruWVPiLD", "cuMMrYE9PaiT", "c1512506622204")
    assert read.rows == (("1", "Custom BOM Part Number", 1, "", None), (None, "Leg", None, None, 10))


@pytest.mark.parametrize(
    "columns",
    [
        {"c1": "Part Number", "c2": "Quantity", "c4": "Empty"},
        {"c1": {"name": "Part Number"}, "c2": {"name": "Quantity", "type": "N"}, "c4": {"name": "Empty"}},
        [{"id": "c1", "name": "Part Number"}, {"_id": "c2", "name": "Quantity"}, {"id": "c4", "name": "Empty"}],
    ],
)
def test_names_that_come_with_ids_name_the_columns_of_data(columns: object) -> None:
    read = document(id=BOM, name="N", columns=columns, data=ROWS)

    assert read.columns == ("Part Number", "Quantity", "Empty", "c3")
    assert read.rows == (("PN1", 3, None, None), ("PN2", None, None, True))


def test_columns_that_are_objects_name_cells_too() -> None:
    read = document(columns=[{"id": "c1", "name": "Part Number"}], cells=[["PN1"]])

    assert read == Document(BOM, "", ("Part Number",), (("PN1",),))


def test_cells_count_where_both_shapes_are_there() -> None:
    assert document(columns=["A"], cells=[["1"]], data={"r": {"c": "2"}}).rows == (("1",),)


def test_an_empty_document_is_one() -> None:
    assert document(id=BOM, name="new", data={}) == Document(BOM, "new", (), ())
    assert document(id=BOM, name="new", columns=[], cells=[]) == Document(BOM, "new", (), ())


def test_every_cell_can_be_stored_and_comes_back_the_same() -> None:
    raw = '[["a", "\\ud83d!", 1, 1.5, true, null, NaN, -1e999, [1, {"b": "x"}]]]'
    read = document(columns=list("abcdefghi"), cells=json.loads(raw))

    (row,) = read.rows
    assert row == ("a", "?!", 1, 1.5, True, None, "nan", "-inf", '[1, {"b": "x"}]')
    assert json.loads(json.dumps(row, allow_nan=False)) == list(row)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"id": BOM, "name": "x"}, "neither cells nor data"),
        ({"id": "other", "columns": [], "cells": []}, "another document"),
        ({"_id": "other", "columns": [], "cells": []}, "another document"),
        ({"columns": ["A"], "cells": [["1", "2"]]}, "more cells"),
        ({"cells": [["1"]]}, "without a list of columns"),
        ({"columns": {"c": "A"}, "cells": [["1"]]}, "without a list of columns"),
        ({"columns": [7], "cells": []}, "columns"),
        ({"columns": ["A"], "data": {"r": {"c1": "PN1"}}}, "names without ids"),
        ({"data": {"r": ["x"]}}, "data"),
        ({"data": [1]}, "data"),
        ([], "validation error"),
        (None, "validation error"),
    ],
)
def test_what_is_no_document_is_refused(body: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        wire.document(body, BOM)


# login


def test_the_login_gives_a_token_that_shows_itself_to_nobody() -> None:
    token = wire.token({"access_token": "tok-1", "refresh_token": "r", "token_type": "Bearer", "expires_in": 86400})

    assert (token.secret.get_secret_value(), token.life_seconds) == ("tok-1", 86400)
    assert "tok-1" not in repr(token)
    assert wire.token({"access_token": "tok-1"}).life_seconds == 86400


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"token": "tok-1"}, {"access_token": "tok 1"}, {"access_token": "tok-1\n"}, {"access_token": ""}],
)
def test_a_login_without_a_usable_token_is_refused_without_a_word_of_it(body: object) -> None:
    with pytest.raises(ValueError, match="access_token") as caught:
        wire.token(body)

    assert "tok" not in str(caught.value).replace("access_token", "")


@pytest.mark.parametrize("token", ["t" * 16_385, "t\u00f6k", 5])
def test_a_token_that_no_header_can_hold_is_refused(token: object) -> None:
    with pytest.raises(ValueError, match="access_token"):
        wire.token({"access_token": token})
