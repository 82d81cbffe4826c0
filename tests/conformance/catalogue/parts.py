"""Cases of PartsBox's parts: their records, what stands for them, and their custom fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.custom_fields import CustomField, DeleteCustomField, SetCustomFields
from tasks.part_links import AddMembers, AddSubstitutes, RemoveMembers, RemoveSubstitutes
from tasks.part_upsert import CreatePart, UpsertPart
from tasks.parts import DeletePart, PartType, UpdatePart
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS, SUBSTITUTES, FIELDS = "part/part-ids", "part/substitute-ids", "part/custom-fields"


def _described(vendors: Vendors, name: str) -> list[str]:
    parts = vendors.partsbox.state.parts.values()
    return [part["part/description"] for part in parts if part["part/name"] == name]


def _redescribe(vendors: Vendors, part: str) -> Callable[[], None]:
    fields = {"part/id": part, "part/description": "theirs"}
    return lambda: vendors.partsbox.write_as(COLLEAGUE, "part/update", fields)


@case("part.update", "part/update", read="part/get")
def _update(vendors: Vendors) -> Scene:
    part = vendors.partsbox.load.part("part.update", description="before")
    return Scene(
        UpdatePart(part_id=part, description="after", **event()),
        about=part,
        found=lambda: _described(vendors, "part.update"),
        wanted=["after"],
        meddle=_redescribe(vendors, part),
    )


@case("part.delete", "part/delete", read="part/get")
def _delete(vendors: Vendors) -> Scene:
    part = vendors.partsbox.load.part("part.delete")
    return Scene(
        DeletePart(part_id=part, **event()),
        about=part,
        found=lambda: part in vendors.partsbox.state.parts,
        wanted=False,
    )


@case("part.upsert", "part/create", how="of a new name", writer="part.create")
def _upsert_new(vendors: Vendors) -> Scene:
    name = "part.upsert new"
    return Scene(
        UpsertPart(name=name, description="after", **event()),
        about=name,
        found=lambda: _described(vendors, name),
        wanted=["after"],
    )


@case("part.upsert", "part/update", how="of a known name", writer="part.update", read="part/get")
def _upsert_known(vendors: Vendors) -> Scene:
    name = "part.upsert known"
    part = vendors.partsbox.load.part(name, description="before")
    return Scene(
        UpsertPart(name=name, description="after", **event()),
        about=part,
        found=lambda: _described(vendors, name),
        wanted=["after"],
        meddle=_redescribe(vendors, part),
    )


@case("part.create", "part/create")
def _create(vendors: Vendors) -> Scene:
    name = "part.create"
    return Scene(
        CreatePart(name=name, description="after", part_type=PartType.META, **event()),
        about=name,
        found=lambda: _described(vendors, name),
        wanted=["after"],
    )


def _linked(vendors: Vendors, field: str, name: str, given: int) -> tuple[str, tuple[str, str, str], Callable[[], Any]]:
    """Add a part and three others, of which so many are linked to it."""
    load = vendors.partsbox.load
    first, second, third = (load.part(f"{name} {number}") for number in range(3))
    others = (first, second, third)
    part = load.part(name, type="meta" if field == MEMBERS else "local")
    vendors.partsbox.state.parts[part][field] = list(others[:given])
    return part, others, lambda: sorted(vendors.partsbox.state.parts[part][field])


def _relink(vendors: Vendors, noun: str, part: str, away: tuple[str, ...], back: tuple[str, ...]) -> None:
    field = f"part/{'part' if noun == 'meta-part' else noun}-ids"
    odd = "part/part-substitute-ids" if noun == "substitute" else field
    vendors.partsbox.write_as(COLLEAGUE, f"part/remove-{noun}-ids", {"part/id": part, odd: list(away)})
    vendors.partsbox.write_as(COLLEAGUE, f"part/add-{noun}-ids", {"part/id": part, field: list(back)})


@case("part.add_members", "part/add-meta-part-ids", read="part/get")
def _add_members(vendors: Vendors) -> Scene:
    part, (first, second, third), found = _linked(vendors, MEMBERS, "part.add_members", 1)
    return Scene(
        AddMembers(part_id=part, member_ids=(second, third), **event()),
        about=part,
        found=found,
        wanted=sorted((first, second, third)),
        meddle=lambda: _relink(vendors, "meta-part", part, (second, third), (third,)),
    )


@case("part.remove_members", "part/remove-meta-part-ids", read="part/get")
def _remove_members(vendors: Vendors) -> Scene:
    part, (first, second, third), found = _linked(vendors, MEMBERS, "part.remove_members", 3)
    return Scene(
        RemoveMembers(part_id=part, member_ids=(second, third), **event()),
        about=part,
        found=found,
        wanted=[first],
        meddle=lambda: _relink(vendors, "meta-part", part, (second, third), (third,)),
    )


@case("part.add_substitutes", "part/add-substitute-ids", read="part/get")
def _add_substitutes(vendors: Vendors) -> Scene:
    part, (first, second, third), found = _linked(vendors, SUBSTITUTES, "part.add_substitutes", 1)
    return Scene(
        AddSubstitutes(part_id=part, substitute_ids=(second, third), **event()),
        about=part,
        found=found,
        wanted=sorted((first, second, third)),
        meddle=lambda: _relink(vendors, "substitute", part, (second, third), (third,)),
    )


@case("part.remove_substitutes", "part/remove-substitute-ids", read="part/get")
def _remove_substitutes(vendors: Vendors) -> Scene:
    part, (first, second, third), found = _linked(vendors, SUBSTITUTES, "part.remove_substitutes", 3)
    return Scene(
        RemoveSubstitutes(part_id=part, substitute_ids=(second, third), **event()),
        about=part,
        found=found,
        wanted=[first],
        meddle=lambda: _relink(vendors, "substitute", part, (second, third), (third,)),
    )


def _with_fields(vendors: Vendors, name: str) -> tuple[str, Callable[[], dict[str, str]]]:
    fields = [{"key": "supplier", "value": "Acme"}, {"key": "shelf life", "value": "24 months"}]
    part = vendors.partsbox.load.part(name, custom_fields=fields)
    return part, lambda: {field["key"]: field["value"] for field in vendors.partsbox.state.parts[part][FIELDS]}


@case("part.set_custom_fields", "part/update-custom-fields", read="part/get")
def _set_fields(vendors: Vendors) -> Scene:
    part, found = _with_fields(vendors, "part.set_custom_fields")
    theirs = {"part/id": part, "custom-fields": [{"key": "supplier", "value": "Theirs"}]}
    given = (CustomField(key="supplier", value="Bolt & Sons"), CustomField(key="colour", value="blue"))
    return Scene(
        SetCustomFields(part_id=part, custom_fields=given, **event()),
        about=part,
        found=found,
        wanted={"supplier": "Bolt & Sons", "shelf life": "24 months", "colour": "blue"},
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "part/update-custom-fields", theirs),
    )


@case("part.delete_custom_field", "part/delete-custom-field", read="part/get")
def _delete_field(vendors: Vendors) -> Scene:
    part, found = _with_fields(vendors, "part.delete_custom_field")
    return Scene(
        DeleteCustomField(part_id=part, field_key="supplier", **event()),
        about=part,
        found=found,
        wanted={"shelf life": "24 months"},
    )
