"""Every setting stands in .env.example and in the operator's table, with its default."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tasks.settings import KNOWN_PREFIXES, read_environment
from tests.architecture.project import ROOT
from tests.architecture.settings import known_settings, models

#: Values for what has no default.
REQUIRED: Final = {
    "STOCKRELAY_PARTSBOX_API_KEY": "partsboxapi_invented",
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
