"""Cases of Partium's catalog: part types and assemblies, written whole or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.catalog import Attribute, AttributeValue, DeleteAssembly, DeletePart, UpsertAssembly, UpsertPart
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.partium.state import Shelf


def _names(shelf: Shelf, record_id: str) -> Callable[[], Any]:
    def found() -> Any:
        record = shelf.get(record_id)
        return None if record is None else record["name"]

    return found


@case("catalog.upsert_part", "parts/upsert", read="parts/select")
def _upsert_part(vendors: Vendors) -> Scene:
    part = vendors.partium.load.part("upsert-part", {"en": "before"})
    weight = Attribute(attribute_id="weight", values=(AttributeValue(value={"en": "5 g"}),))
    theirs = [{"part_id": part, "name": {"en": "theirs"}}]
    return Scene(
        UpsertPart(part_id=part, name={"en": "after", "de": "danach"}, attributes=(weight,), **event()),
        about=part,
        found=_names(vendors.partium.state.parts, part),
        wanted={"en": "after", "de": "danach"},
        meddle=lambda: vendors.partium.write_as(COLLEAGUE, "parts/upsert", theirs),
    )


@case("catalog.delete_part", "parts/delete", read="parts/select")
def _delete_part(vendors: Vendors) -> Scene:
    part = vendors.partium.load.part("delete-part", {"en": "before"})
    return Scene(
        DeletePart(part_id=part, **event()),
        about=part,
        found=_names(vendors.partium.state.parts, part),
        wanted=None,
    )


@case("catalog.upsert_assembly", "assemblies/upsert", read="assemblies/select")
def _upsert_assembly(vendors: Vendors) -> Scene:
    theirs = [{"ass_id": "upsert-assembly", "parent_id": "press", "name": {"en": "theirs"}}]
    return Scene(
        UpsertAssembly(ass_id="upsert-assembly", parent_id="saw", name={"en": "after"}, **event()),
        about="upsert-assembly",
        found=_names(vendors.partium.state.assemblies, "upsert-assembly"),
        wanted={"en": "after"},
        meddle=lambda: vendors.partium.write_as(COLLEAGUE, "assemblies/upsert", theirs),
    )


@case("catalog.delete_assembly", "assemblies/delete", read="assemblies/select")
def _delete_assembly(vendors: Vendors) -> Scene:
    assembly = vendors.partium.load.assembly("delete-assembly", "saw", {"en": "before"})
    return Scene(
        DeleteAssembly(ass_id=assembly, **event()),
        about=assembly,
        found=_names(vendors.partium.state.assemblies, assembly),
        wanted=None,
    )
