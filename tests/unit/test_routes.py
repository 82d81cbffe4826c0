"""The routes file: what it may say, what is said about a wrong one, and its paths into data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.routes import MAX_VALUE, Routes, RoutesError, read_routes, value_at
from tasks.settings import SettingsError, routes_from

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[routes.catalog_part.partsbox]
name = "part_id"
description = "name.en"

[routes.catalog_part.openbom]
catalog_id = "catalog-1"
properties = { "Description" = "name.en", "Unit weight" = "attributes.weight.en" }

[imports.partbolt]
part_id = "mpn"
name = { en = "name" }
attributes.maker = { en = "manufacturer.name" }
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "stockrelay.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    routes = read_routes(written(tmp_path, GOOD))

    assert routes.routes.catalog_part.partsbox is not None
    assert routes.routes.catalog_part.partsbox.name == "part_id"
    assert routes.routes.catalog_part.openbom is not None
    assert routes.routes.catalog_part.openbom.part_number_property == "Part Number"
    assert routes.imports.partbolt is not None
    assert routes.imports.partbolt.attributes == {"maker": {"en": "manufacturer.name"}}


def test_the_producers_tables_may_stand_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(GOOD + '[sources.shop]\nscheme = "shopify"\n[feeds.goods-in]\nformat = "csv"\n')
    alone = tmp_path / "routes.toml"
    alone.write_text(GOOD)

    assert read_routes(path) == read_routes(alone)


def test_without_a_file_nothing_is_routed() -> None:
    assert read_routes(None) == Routes()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[routes", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        ("[routes.stock]\n", "routes.stock: Extra inputs"),
        ("[routes.catalog_part.partsbox]\n", "routes.catalog_part.partsbox.name: Field required"),
        (
            "[routes.catalog_part.partsbox]\nname = 7\n",
            "routes.catalog_part.partsbox.name: Input should be",
        ),
        (
            '[routes.catalog_part.partsbox]\nname = "name..en"\n',
            "partsbox.name: String should match",
        ),
        ('[routes.catalog_part.partsbox]\nname = ""\n', "partsbox.name: String should match"),
        (
            '[routes.catalog_part.openbom]\ncatalog_id = "c"\nproperties = {}\n',
            "properties: Dictionary",
        ),
        (
            '[imports.partbolt]\nname = { english = "name" }\n',
            "name.english.[key]: String should match",
        ),
        ("[imports.partbolt]\nname = {}\n", "imports.partbolt.name: Dictionary should have at least 1"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_in_it(tmp_path: Path, text: str | bytes, reason: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(RoutesError) as caught:
        read_routes(path)

    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_a_settings_error_that_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"STOCKRELAY_ROUTING_CONFIG: .*cannot be read: No such file"):
        routes_from({"STOCKRELAY_ROUTING_CONFIG": str(tmp_path / "missing.toml")})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "Motor"),
        ("maker.name", "Acme"),
        ("size.height", "1.5"),
        ("count", "0"),
        ("is_active", "yes"),
        ("is_old", "no"),
        ("empty", None),
        ("blank", None),
        ("nothing", None),
        ("missing", None),
        ("name.deeper", None),
        ("tags.0", None),
    ],
)
def test_a_path_finds_a_value_as_text(path: str, value: str | None) -> None:
    data: dict[str, Any] = {
        "name": " Motor ",
        "maker": {"name": "Acme"},
        "size": {"height": 1.5},
        "count": 0,
        "is_active": True,
        "is_old": False,
        "empty": "",
        "blank": "  ",
        "nothing": None,
        "tags": ["a"],
    }

    assert value_at(data, path) == value


@pytest.mark.parametrize(
    ("path", "reason"),
    [("tags", "tags: a list, not one value"), ("maker", "maker: a dict, not one value"), ("long", "long: longer than")],
)
def test_what_is_no_single_value_is_refused(path: str, reason: str) -> None:
    data = {"tags": ["a"], "maker": {"name": "Acme"}, "long": "x" * (MAX_VALUE + 1)}

    with pytest.raises(ValueError, match=reason):
        value_at(data, path)
