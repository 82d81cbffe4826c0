"""The JSON of Partium's catalog: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import StrictBool, TypeAdapter, ValidationError

from tasks.ports import Record
from workers.vendors.models import AnswerModel, Request, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.catalog import UpsertAssembly, UpsertPart
    from workers.vendors.request import Call

#: The whole body of a write's 503 in maintenance mode (vendor reference 3.3).
MAINTENANCE: Final = (
    "Catalog manager is in maintenance mode - all processing is suspended and changes are currently not possible"
)
#: What an attribute's value may be besides a text, if the ontology says so.
Scalar = Text | bool | int | float | None


class _Value(AnswerModel):
    organization: Text | None = None
    value: dict[Text, Scalar] | None = None


class _Attribute(AnswerModel):
    attribute_id: Text
    values: tuple[_Value, ...] | None = None


class _Part(AnswerModel):
    part_id: Text
    name: dict[Text, Text] | None = None
    attributes: tuple[_Attribute, ...] | None = None


class _Assembly(AnswerModel):
    ass_id: Text
    parent_id: Text | None = None
    name: dict[Text, Text] | None = None


def part_record(body: Any) -> Record:
    """Read a part type; ValueError when it can't be."""
    part = _Part.model_validate(body)
    attributes = [
        {
            "attribute_id": attribute.attribute_id,
            "values": [
                {"organization": value.organization or "", "value": value.value or {}}
                for value in attribute.values or ()
            ],
        }
        for attribute in part.attributes or ()
    ]
    return Record("part", part.part_id, {"name": part.name or {}, "attributes": attributes})


def assembly_record(body: Any) -> Record:
    """Read an assembly; ValueError when it can't be."""
    assembly = _Assembly.model_validate(body)
    fields = {"parent_id": assembly.parent_id or "", "name": assembly.name or {}}
    return Record("assembly", assembly.ass_id, fields)


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of record: its path, the names of its fields, and how it is read."""

    path: str
    id_field: str
    ids_field: str
    #: Everything that can be asked for besides the id.
    projection: tuple[str, ...]
    record: Callable[[Any], Record]


PARTS: Final = Noun("1/catalog/parts", "part_id", "part_ids", ("name", "attributes"), part_record)
ASSEMBLIES: Final = Noun("1/catalog/assemblies", "ass_id", "ass_ids", ("parent_id", "name"), assembly_record)


class Outcome(AnswerModel):
    """What a write's answer says about each id. Nothing about how an error looks is documented."""

    errors: dict[Text, Any]

    #: The lists of ids that were done.
    lists: ClassVar[tuple[str, ...]]

    def done(self) -> dict[str, str]:
        """Give the ids that were done, each with the list that it stands in."""
        return {record_id: name for name in self.lists for record_id in getattr(self, name)}


class Upserted(Outcome):
    """The answer to POST of a list of records."""

    lists = ("created", "updated")

    created: tuple[Text, ...]
    updated: tuple[Text, ...]


class Deleted(Outcome):
    """The answer to DELETE of a list of ids."""

    lists = ("deleted",)

    deleted: tuple[Text, ...]


class Page(AnswerModel):
    """One page of a listing."""

    result: tuple[dict[str, Any], ...]
    more_data: StrictBool
    last_object_id: Text | None = None


_SELECTED: Final = TypeAdapter(tuple[dict[str, Any], ...])


def is_documented(call: Call, body: Any) -> bool:
    """Tell whether an answer has the form that the document gives for this request."""
    try:
        if call.path.endswith("/select"):
            _SELECTED.validate_python(body)
        elif call.path.endswith("/list"):
            Page.model_validate(body)
        else:
            outcome_of(call, body)
    except ValidationError:
        return False
    return True


def outcome_of(call: Call, body: Any) -> Outcome:
    """Read the answer to a write; ValueError when it can't be."""
    return (Deleted if call.method == "DELETE" else Upserted).model_validate(body)


class Value(Request):
    """One value of an attribute."""

    organization: str
    value: dict[str, str]


class Attribute(Request):
    """An attribute and its values."""

    attribute_id: str
    values: list[Value]


class Part(Request):
    """One item of POST /1/catalog/parts: always whole, for what is left out may be dropped."""

    part_id: str
    name: dict[str, str]
    attributes: list[Attribute]


class Assembly(Request):
    """One item of POST /1/catalog/assemblies."""

    ass_id: str
    parent_id: str
    name: dict[str, str]


def part(command: UpsertPart) -> dict[str, Any]:
    """Write a part type."""
    attributes = [
        Attribute(
            attribute_id=attribute.attribute_id,
            values=[Value(organization=one.organization, value=dict(one.value)) for one in attribute.values],
        )
        for attribute in command.attributes
    ]
    return Part(part_id=command.part_id, name=dict(command.name), attributes=attributes).body()


def assembly(command: UpsertAssembly) -> dict[str, Any]:
    """Write an assembly."""
    return Assembly(ass_id=command.ass_id, parent_id=command.parent_id, name=dict(command.name)).body()
