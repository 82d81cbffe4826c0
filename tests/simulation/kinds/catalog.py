"""Partium's catalog, OpenBOM's cells, and PartBolt's parts that become catalog parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation import warehouse
from tests.simulation.kinds.kind import Fields, becomes, kind

if TYPE_CHECKING:
    from tests.simulation.hand import Hand

#: Of the catalog parts, those that other vendors get as well.
SHARED_SHARE: Final = 0.3

becomes("catalog.route_part", "")


@kind("catalog.upsert_part", "parts/upsert", about="{part_id}", word="{name[en]}", weight=10)
def _upsert_part(hand: Hand) -> Fields:
    word = hand.word()
    if hand.random.random() > SHARED_SHARE:
        weight = _attribute("weight", word)
        return {"part_id": hand.choose(warehouse.SCREWS), "name": {"en": f"Screw {word}"}, "attributes": [weight]}
    name = hand.once("share", warehouse.SHARED)
    attributes = [_attribute("shared", name), _attribute("bin", f"bin {word}")]
    return {"part_id": f"ST-{name}", "name": {"en": f"Part {word}"}, "attributes": attributes}


@kind("catalog.delete_part", "parts/delete", about="{part_id}", deed=True)
def _delete_part(hand: Hand) -> Fields:
    return {"part_id": hand.once("delete catalog part", warehouse.OLD_SCREWS)}


@kind("catalog.upsert_assembly", "assemblies/upsert", about="{ass_id}", word="{name[en]}", weight=4)
def _upsert_assembly(hand: Hand) -> Fields:
    machine, module = hand.choose(warehouse.MACHINES), hand.choose(warehouse.MODULES)
    return {"ass_id": module, "parent_id": machine, "name": {"en": f"Module {hand.word()}"}}


@kind("catalog.delete_assembly", "assemblies/delete", about="{ass_id}", deed=True)
def _delete_assembly(hand: Hand) -> Fields:
    return {"ass_id": hand.once("delete assembly", warehouse.OLD_MODULES)}


@kind("bom.set_property", "bom/propertyvalue", about="bom:{bom_id}:{part_number}", word="{value}", weight=5)
def _set_bom(hand: Hand) -> Fields:
    return {"bom_id": warehouse.BOARD, **_cell(hand)}


@kind(
    "catalog.set_property",
    "catalog/propertyvalue",
    about="catalog:{catalog_id}:{part_number}",
    word="{value}",
    weight=5,
)
def _set_catalog(hand: Hand) -> Fields:
    return {"catalog_id": warehouse.CATALOG, **_cell(hand)}


@kind("cad.import_part", about="parts:{item_id}", weight=3)
def _import(hand: Hand) -> Fields:
    return {"item_id": warehouse.drawn_id(hand.once("import", warehouse.DRAWN))}


def _attribute(attribute_id: str, text: str) -> Fields:
    return {"attribute_id": attribute_id, "values": [{"organization": "", "value": {"en": text}}]}


def _cell(hand: Hand) -> Fields:
    return {"part_number": hand.choose(warehouse.ROWS), "property": "Description", "value": hand.word()}
