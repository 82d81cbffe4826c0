"""Every setting stands in .env.example and in the operator's table, with its default; the routes file is as it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tasks.routes import CatalogPartRoute, OpenBomRoute, PartImport, PartsBoxRoute, Routes, read_routes
from tasks.settings import KNOWN_PREFIXES, read_environment
from tests.architecture.project import ROOT
from tests.architecture.settings import known_settings, models

if TYPE_CHECKING:
    from pathlib import Path

#: Values for what has no default.
REQUIRED: Final = {
    "STOCKRELAY_PARTSBOX_API_KEY": "partsboxapi_invented",
    "STOCKRELAY_PARTIUM_API_KEY": "invented-partium-key",
    "STOCKRELAY_OPENBOM_APP_KEY": "inventedappkey",
    "STOCKRELAY_OPENBOM_USERNAME": "ada.muster@example.com",
    "STOCKRELAY_OPENBOM_PASSWORD": "invented password",
    "STOCKRELAY_PARTBOLT_TOKEN": "invented-partbolt-token",
    "STOCKRELAY_WEBHOOKS_TOKENS": "client:token-of-a-client",
    "STOCKRELAY_STATION_ID": "ST-1",
    "STOCKRELAY_STATION_DELIVER_URL": "https://relay.example",
    "STOCKRELAY_STATION_TOKEN": "token-of-a-station",
}


def _examples() -> list[tuple[str, str]]:
    return re.findall(r"^# ([A-Z][A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_models_name_their_prefixes() -> None:
    assert sorted(KNOWN_PREFIXES) == sorted(models())


def test_the_example_lists_every_setting_once_and_sets_none() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert sorted(name for name, _ in _examples()) == sorted(known_settings())
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("prefix", sorted(models()))
def test_the_example_shows_the_defaults(prefix: str) -> None:
    shown = {name: value for name, value in _examples() if value}

    assert read_environment(models()[prefix], prefix, {**shown, **REQUIRED}) == read_environment(
        models()[prefix], prefix, REQUIRED
    )


def test_the_operators_table_lists_every_setting() -> None:
    rows = re.findall(r"^\| `([A-Z][A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(known_settings())


def test_the_routes_file_routes_nothing_as_it_comes() -> None:
    assert read_routes(ROOT / "stockrelay.toml") == Routes()


def test_the_routes_file_shows_every_field_in_an_example_that_can_be_opened(tmp_path: Path) -> None:
    text = (ROOT / "stockrelay.toml").read_text()
    opened = tmp_path / "opened.toml"
    opened.write_text(re.sub(r"^#(?=[^ \n])", "", text, flags=re.MULTILINE))

    routes = read_routes(opened)

    way, mapping = routes.routes.catalog_part, routes.imports.partbolt
    assert way.model_fields_set == set(CatalogPartRoute.model_fields)
    assert way.partsbox is not None
    assert way.partsbox.model_fields_set == set(PartsBoxRoute.model_fields)
    assert way.openbom is not None
    assert way.openbom.model_fields_set == set(OpenBomRoute.model_fields)
    assert mapping is not None
    assert mapping.model_fields_set == set(PartImport.model_fields)
