"""Custom fields of a part: set by their keys, or deleted.

The vendor's document does not say that part/get shows them; real answers do, for parts that have some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from tasks.absolute import ListSetting
from tasks.commands import Command, CustomKey, CustomValue, Model
from tasks.effects import Effect
from tasks.identity import IDENTITY
from tasks.lookup import Absent, Finding, Image, Landed, Undecidable, Why
from tasks.parts import PartCommand
from tasks.ports import Record
from tasks.task import Before

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.parts import PartPort
    from tasks.ports import Sending
    from tasks.task import Target, Task


class CustomField(Model):
    """One custom field."""

    key: CustomKey
    value: CustomValue


class SetCustomFields(PartCommand):
    """Set custom fields of one part, creating those that it does not have (PartsBox part/update-custom-fields)."""

    kind: ClassVar[str] = "part.set_custom_fields"
    effect: ClassVar[Effect] = Effect.SET

    custom_fields: Annotated[tuple[CustomField, ...], Field(min_length=1, max_length=100), IDENTITY]

    def summary(self) -> str:
        return f"set {len(self.custom_fields)} custom fields of part {self.part_id[:8]}…"

    def wanted(self) -> dict[str, str | None]:
        """Give the value that each key shall have."""
        return {field.key: field.value for field in self.custom_fields}

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        if len(self.wanted()) != len(self.custom_fields):
            raise ValueError("custom_fields: names a key twice; give each one value")
        return self


class DeleteCustomField(PartCommand):
    """Delete one custom field of one part (PartsBox part/delete-custom-field)."""

    kind: ClassVar[str] = "part.delete_custom_field"
    effect: ClassVar[Effect] = Effect.GUARDED

    field_key: Annotated[CustomKey, IDENTITY]

    def summary(self) -> str:
        return f"delete custom field {self.field_key} of part {self.part_id[:8]}…"

    def wanted(self) -> dict[str, str | None]:
        """Give the value that each key shall have: none."""
        return {self.field_key: None}


CustomFieldCommand = SetCustomFields | DeleteCustomField


class CustomFieldChange(ListSetting[CustomFieldCommand]):
    """Applies part.set_custom_fields and part.delete_custom_field: only the keys named are compared."""

    names_it = "part_id"

    async def before(self, command: CustomFieldCommand, target: Target[PartPort]) -> Before:
        before = await super().before(command, target)
        never_shown = not target.doubted or target.image.fields == command.wanted()
        if isinstance(command, DeleteCustomField) and never_shown:
            # a field that is not shown may be there all the same: the vendor knows, and refuses a mistyped key
            return Before(before.image)
        return before

    async def read(self, command: CustomFieldCommand, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        shown = part.custom_fields or {}
        return Record("part", part.part_id, {key: shown.get(key) for key in command.wanted()})

    def holds(self, record: Record, command: CustomFieldCommand) -> bool:
        return record.fields == command.wanted()

    def items(self, fields: Mapping[str, Any], command: CustomFieldCommand) -> dict[str, tuple[Any, bool]]:
        # an empty field that is not shown may be there all the same: sending it again would prove no more
        found = ((key, value, fields.get(key)) for key, value in command.wanted().items())
        return {key: (shown, shown == value or (shown is None and not value)) for key, value, shown in found}

    async def proof(self, command: CustomFieldCommand, target: Target[PartPort]) -> Finding:
        match await super().proof(command, target):
            case Undecidable(Why.IGNORED) if isinstance(command, SetCustomFields) and not _was_shown(target.image):
                # confirmed, and not shown: then the vendor's answer is all there is
                return Absent()
            case finding:
                return finding

    async def look(self, command: CustomFieldCommand, target: Target[PartPort]) -> Finding:
        finding = await super().look(command, target)
        if isinstance(finding, Landed) and target.image.fields == command.wanted():
            # it was not shown before either
            return Undecidable(Why.IGNORED, finding.entries)
        return finding

    async def send(self, command: CustomFieldCommand, target: Target[PartPort], sending: Sending) -> Exchange:
        if isinstance(command, SetCustomFields):
            return await target.port.set_custom_fields(command, sending)
        return await target.port.delete_custom_field(command, sending)


def _was_shown(image: Image) -> bool:
    """Tell whether the vendor showed any of the keys before: then it would show a new value too."""
    return any(value is not None for value in (image.fields or {}).values())


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    SetCustomFields: CustomFieldChange(),
    DeleteCustomField: CustomFieldChange(),
}
