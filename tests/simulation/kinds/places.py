"""Storage locations of PartsBox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import warehouse
from tests.simulation.kinds.kind import Fields, kind
from tests.simulation.warehouse import storage_id

if TYPE_CHECKING:
    from tests.simulation.hand import Hand

STORAGE = "storage:{storage_id}"


@kind("storage.update", "storage/update", about=STORAGE, word="{description}", weight=2)
def _update(hand: Hand) -> Fields:
    return {"storage_id": storage_id(hand.choose(warehouse.PLACES)), "description": hand.word()}


@kind("storage.rename", "storage/rename", about=STORAGE, word="{name}")
def _rename(hand: Hand) -> Fields:
    return {"storage_id": storage_id(hand.choose(warehouse.PLACES)), "name": hand.word()}


@kind("storage.change_setting", "storage/change-settings", about=STORAGE, deed=True)
def _change_setting(hand: Hand) -> Fields:
    return {"storage_id": storage_id(hand.once("set", warehouse.PLACES)), "setting": "full", "value": True}


@kind("storage.archive", "storage/archive", about=STORAGE, deed=True)
def _archive(hand: Hand) -> Fields:
    return {"storage_id": storage_id(hand.once("archive", warehouse.PLACES))}


@kind("storage.restore", "storage/restore", about=STORAGE, deed=True)
def _restore(hand: Hand) -> Fields:
    return {"storage_id": storage_id(hand.once("restore", warehouse.CLOSED_PLACES))}
