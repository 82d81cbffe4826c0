"""The two things a catalog holds, and the rules for storing and deleting one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.partium import checks
from tests.sandbox.partium.state import Shelf, State
from tests.sandbox.partium.wire import Record
from tests.sandbox.wire import RefusedError


@dataclass(frozen=True)
class Noun:
    """Parts or assemblies: where they are kept, and what must hold before one is stored or deleted."""

    id_name: str
    fields: tuple[str, ...]
    shelf: Callable[[State], Shelf]
    #: raise RefusedError
    check: Callable[[State, Record], None]
    check_unused: Callable[[State, str], None]


def check_part(state: State, item: Record) -> None:
    """Check names and attributes of a part."""
    _check_fields(state, item, ("part_id", "name", "attributes"), needed=("name",), shelf=state.parts)
    if "name" in item:
        checks.texts_by_language(item["name"], state.languages, "name")
    if "attributes" in item:
        state.catalog.check(item["attributes"])


def check_part_unused(state: State, part_id: str) -> None:
    """Check that no assembly and no image refers to a part."""
    if state.assignments[part_id]:
        raise RefusedError("invalid", f"part {part_id} is assigned to {', '.join(sorted(state.assignments[part_id]))}")
    if part_id in state.images.values():
        raise RefusedError("invalid", f"part {part_id} has images")


def check_assembly(state: State, item: Record) -> None:
    """Check name and parent of an assembly; the parent must exist already and must not be below it."""
    known = ("ass_id", "parent_id", "name")
    _check_fields(state, item, known, needed=("parent_id", "name"), shelf=state.assemblies)
    if "name" in item:
        checks.texts_by_language(item["name"], state.languages, "name")
    parent_id = item.get("parent_id", "")
    if not isinstance(parent_id, str):
        raise RefusedError("invalid", "parent_id must be a string")
    if parent_id and parent_id == item["ass_id"]:
        raise RefusedError("invalid", "an assembly cannot be its own parent")
    if parent_id and parent_id not in state.assemblies:
        raise RefusedError("invalid", f"parent {parent_id} does not exist")
    if parent_id and item["ass_id"] in state.ancestors(parent_id):
        raise RefusedError("invalid", f"parent {parent_id} is a sub-assembly of {item['ass_id']}")


def check_assembly_unused(state: State, ass_id: str) -> None:
    """Check that an assembly has no sub-assemblies and no parts."""
    if children := state.children(ass_id):
        raise RefusedError("invalid", f"assembly {ass_id} has the sub-assemblies {', '.join(children)}")
    if parts := sorted(part_id for part_id, ass_ids in state.assignments.items() if ass_id in ass_ids):
        raise RefusedError("invalid", f"assembly {ass_id} has the parts {', '.join(parts)}")


def _check_fields(state: State, item: Record, known: tuple[str, ...], needed: tuple[str, ...], shelf: Shelf) -> None:
    unknown = sorted(item.keys() - set(known))
    if unknown and state.assumptions.unknown_fields_are_errors:
        raise RefusedError("invalid", f"unknown field {unknown[0]}")
    missing = [name for name in needed if name not in item]
    if missing and item[known[0]] not in shelf:
        raise RefusedError("invalid", f"{missing[0]} is required")


PARTS = Noun("part_id", ("name", "attributes"), lambda state: state.parts, check_part, check_part_unused)
ASSEMBLIES = Noun(
    "ass_id", ("parent_id", "name"), lambda state: state.assemblies, check_assembly, check_assembly_unused
)

NOUNS = {"parts": PARTS, "assemblies": ASSEMBLIES}
