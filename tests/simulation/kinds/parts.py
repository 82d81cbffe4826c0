"""Parts and lots of PartsBox: their records, what stands for them, and their custom fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import warehouse
from tests.simulation.kinds.kind import Fields, becomes, kind
from tests.simulation.warehouse import part_id

if TYPE_CHECKING:
    from tests.simulation.hand import Hand

PART = "part:{part_id}"

becomes("part.create", "part/create", word="{description}")


@kind("part.upsert", weight=3)
def _upsert(hand: Hand) -> Fields:
    word = hand.word()
    known = hand.random.random() < 1 / 2
    return {"name": hand.choose(warehouse.STOCKED) if known else f"new {word}", "description": word}


@kind("part.update", "part/update", about=PART, word="{description}", weight=2)
def _update(hand: Hand) -> Fields:
    return {"part_id": part_id(hand.choose(warehouse.STOCKED)), "description": hand.word()}


@kind("part.delete", "part/delete", about=PART, deed=True)
def _delete(hand: Hand) -> Fields:
    return {"part_id": part_id(hand.once("delete part", warehouse.SPARES))}


@kind("part.add_members", "part/add-meta-part-ids", about=PART, word="{member_ids[0]}")
def _add_members(hand: Hand) -> Fields:
    member = hand.once("join", warehouse.STOCKED[len(warehouse.LINKED) :])
    return {"part_id": part_id(warehouse.KITS[0]), "member_ids": [part_id(member)]}


@kind("part.remove_members", "part/remove-meta-part-ids", about=PART, deed=True)
def _remove_members(hand: Hand) -> Fields:
    kit = hand.once("leave", warehouse.KITS[1:])
    return {"part_id": part_id(kit), "member_ids": [part_id(name) for name in warehouse.LINKED]}


@kind("part.add_substitutes", "part/add-substitute-ids", about=PART, word="{substitute_ids[0]}")
def _add_substitutes(hand: Hand) -> Fields:
    name = hand.once("stand in", warehouse.STOCKED[1:])
    return {"part_id": part_id(warehouse.STOCKED[0]), "substitute_ids": [part_id(name)]}


@kind("part.remove_substitutes", "part/remove-substitute-ids", about=PART, deed=True)
def _remove_substitutes(hand: Hand) -> Fields:
    part = hand.once("stand out", warehouse.REPLACED)
    return {"part_id": part_id(part), "substitute_ids": [part_id(name) for name in warehouse.LINKED]}


@kind("part.set_custom_fields", "part/update-custom-fields", about=PART, word="{custom_fields[0][value]}", weight=2)
def _set_fields(hand: Hand) -> Fields:
    part, word = part_id(hand.choose(warehouse.STOCKED)), hand.word()
    return {"part_id": part, "custom_fields": [{"key": key, "value": word} for key in warehouse.FIELD_KEYS]}


@kind("part.delete_custom_field", "part/delete-custom-field", about=PART, deed=True)
def _delete_field(hand: Hand) -> Fields:
    return {"part_id": part_id(hand.once("clear field", warehouse.REPLACED)), "field_key": "supplier"}


@kind("lot.update", "lot/update", about="lot:{lot_id}", word="{description}", weight=2)
def _update_lot(hand: Hand) -> Fields:
    return {"lot_id": warehouse.partsbox_id("lot", hand.choose(warehouse.LOTS)), "description": hand.word()}
