"""docs/vendors.md, endpoint by endpoint, against the vendors' documents, the adapters and the registry."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tasks.effects import Effect
from tasks.registry import command_type, kinds, submittable_kinds
from tasks.routes import ROUTING
from tests.architecture.project import ROOT
from workers.vendors.openbom import OpenBom
from workers.vendors.partbolt import PartBolt
from workers.vendors.partium import Partium
from workers.vendors.partsbox import PartsBox
from workers.vendors.partsbox.labels import PartsBoxLabels

PAGE: Final = (ROOT / "docs" / "vendors.md").read_text()
#: The endpoints of the vendors' documents, in their order (vendor reference 2.3, 3.2, 4.2, 5.2).
DOCUMENTED: Final = json.loads((Path(__file__).parent.parent / "fixtures" / "endpoints.json").read_text())
ADAPTERS: Final = {"partsbox": PartsBox, "partium": Partium, "openbom": OpenBom, "partbolt": PartBolt}
#: The document's count of operations.
COUNTS: Final = {"partsbox": 50, "partium": 8, "openbom": 10, "partbolt": 1}


@dataclass(frozen=True)
class Row:
    """One endpoint as the page has it."""

    vendor: str
    endpoint: str
    write: bool
    methods: tuple[str, ...]
    commands: tuple[str, ...]
    status: str


def _names(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", text))


def _rows() -> list[Row]:
    found = []
    for section in PAGE.split("\n## ")[1:]:
        vendor = section.partition(" (`")[0].lower()
        for endpoint, write, methods, commands, status in re.findall(
            r"^\| `([^`]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$", section, re.MULTILINE
        ):
            if vendor in ADAPTERS:
                row = Row(vendor, endpoint, write.strip() == "yes", _names(methods), _names(commands), status.strip())
                found.append(row)
    return found


ROWS: Final = _rows()


def test_the_page_lists_every_documented_endpoint_in_order_and_no_other() -> None:
    listed = {
        vendor: [{"endpoint": row.endpoint, "write": row.write} for row in ROWS if row.vendor == vendor]
        for vendor in ADAPTERS
    }

    assert listed == DOCUMENTED
    assert {vendor: len(rows) for vendor, rows in listed.items()} == COUNTS


def test_the_page_counts_right() -> None:
    done = sum(row.status == "done" for row in ROWS)
    writes = sum(row.write for row in ROWS)

    assert f"**{len(ROWS)} endpoints: {done} done, {len(ROWS) - done} exempt; {writes} writes, all" in " ".join(
        PAGE.split()
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.vendor} {row.endpoint}")
def test_an_endpoint_is_done_by_methods_that_exist_or_exempt_with_a_reason(row: Row) -> None:
    if row.status != "done":
        assert re.fullmatch(r"exempt: .{20,}", row.status)
        assert not row.write
        return
    assert row.methods or row.endpoint == "POST /login"
    for method in row.methods:
        holder, _, name = method.rpartition(".")
        assert inspect.isfunction(getattr(PartsBoxLabels if holder == "PartsBoxLabels" else ADAPTERS[row.vendor], name))


@pytest.mark.parametrize("row", [row for row in ROWS if row.write], ids=lambda row: f"{row.vendor} {row.endpoint}")
def test_a_write_is_reachable_as_a_command_of_that_vendor(row: Row) -> None:
    assert row.commands
    for kind in row.commands:
        assert kind in submittable_kinds()
        assert command_type(kind).vendor == row.vendor


def test_every_command_that_writes_stands_beside_its_endpoint() -> None:
    named = {kind for row in ROWS for kind in row.commands}
    writing = {kind for kind in submittable_kinds() if command_type(kind).vendor != ROUTING}

    assert writing - named == set()


def test_the_page_names_the_effect_of_every_kind_that_it_names_one_for() -> None:
    table = PAGE.partition("## How a write is repeated")[2]
    for effect, names in re.findall(r"^\| (\w+) \| ([^|]+) \|", table, re.MULTILINE):
        if effect in Effect.__members__.values():
            for kind in re.findall(r"`([a-z]+\.[a-z_]+)`", names):
                found = command_type(kind).effect
                # an order and a part are what they expand into, too
                assert found == effect or found is Effect.EXPAND, kind
    assert {effect.value for effect in Effect} == set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) - {"effect"}
    assert kinds()
