"""Catalog parts on their way to several vendors, and parts of a CAD vendor on their way to the catalog."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.cad import ImportPart, PartImporting
from tasks.catalog import UpsertPart
from tasks.errors import RejectedError, RetryableError
from tasks.registry import parse_command
from tasks.routes import Routes
from tasks.routing import PartRouting, RoutePart, UnroutableError, route, spread
from tasks.task import Target
from tests.command_examples import GOOD, NOW_MS

PARTSBOX = {"name": "part_id", "description": "name.en"}
OPENBOM = {"catalog_id": "c-1", "properties": {"Description": "name.en", "Weight": "attributes.weight.en"}}
PARTBOLT = {
    "part_id": "mpn",
    "name": {"en": "name", "de": "name_de"},
    "attributes": {"maker": {"en": "manufacturer.name"}, "color": {"en": "color"}},
}
ITEM = {"id": "ABCDE12345", "mpn": "M-7", "name": "Motor", "manufacturer": {"name": "Acme"}, "color": None}


def routes(imports: dict[str, Any] | None = None, **vendors: dict[str, Any]) -> Routes:
    return Routes.model_validate({"routes": {"catalog_part": vendors}, "imports": imports or {}})


def part(**changes: Any) -> UpsertPart:
    command = parse_command("catalog.upsert_part", {**GOOD["catalog.upsert_part"], "comments": "feed 7", **changes})
    assert isinstance(command, UpsertPart)
    return command


def test_a_part_that_only_the_catalog_gets_stays_itself() -> None:
    command = part()

    assert route(command, Routes()) is command


def test_a_part_becomes_a_command_for_each_vendor_about_the_same_event() -> None:
    commands = spread(part(), routes(partsbox=PARTSBOX, openbom=OPENBOM))

    assert [(command.kind, command.vendor) for command in commands] == [
        ("catalog.upsert_part", "partium"),
        ("part.upsert", "partsbox"),
        ("catalog.set_property", "openbom"),
        ("catalog.set_property", "openbom"),
    ]
    assert {(command.stock_timestamp, command.source, command.comments) for command in commands} == {
        (NOW_MS, "api", "feed 7")
    }
    assert commands[1].model_dump(exclude_defaults=True).items() >= {"name": "P-1", "description": "Screw"}.items()
    assert [(c.model_dump()["property"], c.model_dump()["value"]) for c in commands[2:]] == [
        ("Description", "Screw"),
        ("Weight", "2 g"),
    ]


async def test_the_parent_keeps_what_each_vendor_gets() -> None:
    way = routes(partsbox=PARTSBOX, openbom=OPENBOM)
    parent = route(part(), way)
    assert isinstance(parent, RoutePart)
    read_back = parse_command(parent.kind, parent.model_dump_json(exclude_none=True).encode())
    assert isinstance(read_back, RoutePart)

    children = await PartRouting().children(read_back, Target(None, "k" * 20))

    assert children == spread(part(), way)
    assert parent.summary() == "write catalog part P-1 at partium, partsbox, openbom"


def test_a_vendor_gets_nothing_where_its_value_is_missing() -> None:
    bare = part(attributes=[])

    assert [command.kind for command in spread(bare, routes(partsbox={"name": "attributes.mpn.en"}))] == [bare.kind]
    columns = spread(bare, routes(openbom=OPENBOM))[1:]
    assert [column.model_dump()["property"] for column in columns] == ["Description"]


def test_a_value_for_one_organization_is_not_everybodys() -> None:
    value = {"organization": "north", "value": {"en": "2 g"}}
    own = part(attributes=[{"attribute_id": "weight", "values": [value]}])

    assert len(spread(own, routes(openbom={"catalog_id": "c", "properties": {"Weight": "attributes.weight.en"}}))) == 1


@pytest.mark.parametrize(
    ("vendors", "place"),
    [
        ({"partsbox": {"name": "attributes.long.en"}}, "routes.catalog_part.partsbox.name: "),
        (
            {"openbom": {"catalog_id": "no id", "properties": {"A": "part_id"}}},
            "routes.catalog_part.openbom.catalog_id: ",
        ),
        ({"partsbox": {"name": "name"}}, "routes.catalog_part: name: a dict, not one value"),
    ],
)
def test_a_part_that_a_vendor_cannot_take_is_refused_whole(vendors: dict[str, Any], place: str) -> None:
    long = part(attributes=[{"attribute_id": "long", "values": [{"value": {"en": "x" * 300}}]}])

    with pytest.raises(UnroutableError) as caught:
        spread(long, routes(**vendors))

    assert str(caught.value).startswith(place)


class Workshop:
    """A CAD vendor with one part."""

    def __init__(self, item: dict[str, Any] | None = ITEM, error: Exception | None = None) -> None:
        self._item = item
        self._error = error

    async def part(self, item_id: str) -> dict[str, Any] | None:
        assert item_id == "ABCDE12345"
        if self._error is not None:
            raise self._error
        return self._item


async def imported(workshop: Workshop, way: Routes) -> tuple[Any, ...]:
    command = parse_command("cad.import_part", GOOD["cad.import_part"])
    assert isinstance(command, ImportPart)
    return await PartImporting().children(command, Target(workshop, "k" * 20, routes=way))


async def test_an_imported_part_is_mapped_and_goes_wherever_catalog_parts_go() -> None:
    first, second = await imported(Workshop(), routes({"partbolt": PARTBOLT}, partsbox=PARTSBOX))

    assert first == UpsertPart(
        part_id="M-7",
        name={"en": "Motor"},
        attributes=part(attributes=[{"attribute_id": "maker", "values": [{"value": {"en": "Acme"}}]}]).attributes,
        stock_timestamp=NOW_MS,
    )
    assert (second.kind, second.name, second.description) == ("part.upsert", "M-7", "Motor")


@pytest.mark.parametrize(
    ("workshop", "way", "reason"),
    [
        (Workshop(), Routes(), "imports.partbolt: missing in the routes file"),
        (Workshop(None), routes({"partbolt": PARTBOLT}), "item_id: there is no part ABCDE12345"),
        (Workshop({**ITEM, "mpn": ""}), routes({"partbolt": PARTBOLT}), "imports.partbolt.part_id: Field required"),
        (Workshop({**ITEM, "name": []}), routes({"partbolt": PARTBOLT}), "name: a list, not one value"),
        (Workshop({**ITEM, "mpn": "x" * 500}), routes({"partbolt": PARTBOLT}), "imports.partbolt.part_id: "),
    ],
)
async def test_a_part_that_cannot_be_imported_is_rejected_with_the_reason(
    workshop: Workshop, way: Routes, reason: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        await imported(workshop, way)

    assert reason in str(caught.value)


async def test_a_vendor_that_is_away_is_no_refusal() -> None:
    with pytest.raises(RetryableError):
        await imported(Workshop(error=RetryableError("away")), routes({"partbolt": PARTBOLT}))
