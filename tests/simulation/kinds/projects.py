"""Projects of PartsBox, their entries and their builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import warehouse
from tests.simulation.kinds.kind import Fields, kind
from tests.simulation.warehouse import part_id, partsbox_id

if TYPE_CHECKING:
    from tests.simulation.hand import Hand

PROJECT = "project:{project_id}"


@kind("project.create", "project/create", weight=2)
def _create(hand: Hand) -> Fields:
    return {"name": f"new {hand.word()}"}


@kind("project.update", "project/update", about=PROJECT, word="{description}", weight=2)
def _update(hand: Hand) -> Fields:
    return {**_project(hand), "description": hand.word()}


@kind("project.archive", "project/archive", about=PROJECT, deed=True)
def _archive(hand: Hand) -> Fields:
    return {"project_id": partsbox_id("project", hand.once("archive project", warehouse.DRAFTS))}


@kind("project.restore", "project/restore", about=PROJECT, deed=True)
def _restore(hand: Hand) -> Fields:
    return {"project_id": partsbox_id("project", hand.once("restore project", warehouse.CLOSED_PROJECTS))}


@kind("project.delete", "project/delete", about=PROJECT, deed=True)
def _delete(hand: Hand) -> Fields:
    return {"project_id": partsbox_id("project", hand.once("delete project", warehouse.DRAFTS))}


@kind("project.add_entries", "project/add-entries", about=PROJECT, weight=3)
def _add_entries(hand: Hand) -> Fields:
    parts = hand.random.sample(warehouse.STOCKED, k=hand.random.randint(1, 3))
    return {**_project(hand), "entries": [{"part_id": part_id(part), "quantity": hand.pieces()} for part in parts]}


@kind("project.update_entries", "project/update-entries", about=PROJECT, word="{entries[0][name]}", weight=2)
def _update_entries(hand: Hand) -> Fields:
    project, word = hand.choose(warehouse.PROJECTS), hand.word()
    entries = [warehouse.entry_id(project, position + 1) for position in range(warehouse.KEPT_ENTRIES)]
    changes = [{"entry_id": entry, "name": word} for entry in entries]
    return {"project_id": partsbox_id("project", project), "entries": changes}


@kind("project.delete_entries", "project/delete-entries", about="entry:{entry_ids[0]}", deed=True)
def _delete_entries(hand: Hand) -> Fields:
    project = hand.choose(warehouse.PROJECTS)
    positions = range(warehouse.KEPT_ENTRIES + 1, warehouse.ENTRIES + 1)
    entry = hand.once("delete entry", [warehouse.entry_id(project, position) for position in positions])
    return {"project_id": partsbox_id("project", project), "entry_ids": [entry]}


@kind("build.update", "build/update", about="build:{build_id}", word="{new_comments}")
def _update_build(hand: Hand) -> Fields:
    build = partsbox_id("build", f"{hand.choose(warehouse.PROJECTS)}/1")
    return {"build_id": build, "new_comments": hand.word()}


def _project(hand: Hand) -> Fields:
    return {"project_id": partsbox_id("project", hand.choose(warehouse.PROJECTS))}
