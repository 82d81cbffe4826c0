"""The part operations of PartsBox: all of part/*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.parts import PartType
from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import parts as wire
from workers.vendors.partsbox.wire.envelope import Nothing

if TYPE_CHECKING:
    from tasks.custom_fields import DeleteCustomField, SetCustomFields
    from tasks.errors import Exchange
    from tasks.part_links import AddMembers, AddSubstitutes, RemoveMembers, RemoveSubstitutes
    from tasks.part_upsert import CreatePart
    from tasks.parts import DeletePart, Part, PartFields, StockSource, UpdatePart
    from tasks.ports import Sending


class PartsBoxParts(Capability):
    """Parts at PartsBox; see `tasks.parts.PartPort`."""

    async def parts(self) -> tuple[Part, ...]:
        return await self._client.ask("part/all", Nothing(), wire.parts)

    async def part(self, part_id: str) -> Part | None:
        return await self._client.find("part/get", wire.PartId(part_id=part_id), wire.part)

    async def part_storage(self, part_id: str) -> tuple[StockSource, ...]:
        request = wire.PartId(part_id=part_id)
        return await self._client.ask("part/storage", request, lambda body: wire.sources(body, part_id=part_id))

    async def part_lots(self, part_id: str) -> tuple[StockSource, ...]:
        request = wire.PartId(part_id=part_id)
        return await self._client.ask("part/lots", request, lambda body: wire.sources(body, part_id=part_id))

    async def part_stock(self, part_id: str, storage_id: str | None = None) -> int:
        request = wire.PartStock(part_id=part_id, storage_id=storage_id)
        return await self._client.ask("part/stock", request, wire.total)

    async def create_part(self, command: CreatePart, sending: Sending) -> Exchange:
        request = wire.CreatePart(
            type=command.part_type or PartType.LOCAL,
            name=command.name,
            description=command.description,
            notes=command.notes,
            footprint=command.footprint,
            tags=command.tags,
            attrition=_attrition(command),
            low_stock=_low_stock(command),
        )
        return await self._client.change("part/create", request, sending)

    async def update_part(self, command: UpdatePart, sending: Sending) -> Exchange:
        request = wire.UpdatePart(
            part_id=command.part_id,
            name=command.name,
            description=command.description,
            notes=command.notes,
            footprint=command.footprint,
            tags=command.tags,
            attrition=_attrition(command),
            low_stock=_low_stock(command),
        )
        return await self._client.change("part/update", request, sending)

    async def delete_part(self, command: DeletePart, sending: Sending) -> Exchange:
        return await self._client.change("part/delete", wire.PartId(part_id=command.part_id), sending)

    async def add_members(self, command: AddMembers, sending: Sending) -> Exchange:
        request = wire.MemberIds(part_id=command.part_id, ids=command.member_ids)
        return await self._client.change("part/add-meta-part-ids", request, sending)

    async def remove_members(self, command: RemoveMembers, sending: Sending) -> Exchange:
        request = wire.MemberIds(part_id=command.part_id, ids=command.member_ids)
        return await self._client.change("part/remove-meta-part-ids", request, sending)

    async def add_substitutes(self, command: AddSubstitutes, sending: Sending) -> Exchange:
        request = wire.SubstituteIds(part_id=command.part_id, ids=command.substitute_ids)
        return await self._client.change("part/add-substitute-ids", request, sending)

    async def remove_substitutes(self, command: RemoveSubstitutes, sending: Sending) -> Exchange:
        ids = command.substitute_ids
        request = wire.SubstituteIdsToRemove(part_id=command.part_id, ids=ids, same_ids=ids)
        return await self._client.change("part/remove-substitute-ids", request, sending)

    async def set_custom_fields(self, command: SetCustomFields, sending: Sending) -> Exchange:
        fields = tuple(wire.CustomField(key=field.key, value=field.value) for field in command.custom_fields)
        request = wire.CustomFields(part_id=command.part_id, fields=fields)
        return await self._client.change("part/update-custom-fields", request, sending)

    async def delete_custom_field(self, command: DeleteCustomField, sending: Sending) -> Exchange:
        request = wire.CustomFieldToDelete(part_id=command.part_id, key=command.field_key)
        return await self._client.change("part/delete-custom-field", request, sending)


def _attrition(fields: PartFields) -> wire.Attrition | None:
    if fields.attrition_percentage is None or fields.attrition_quantity is None:
        return None
    return wire.Attrition(percentage=fields.attrition_percentage, quantity=fields.attrition_quantity)


def _low_stock(fields: PartFields) -> wire.LowStock | None:
    return None if fields.low_stock is None else wire.LowStock(report=fields.low_stock)
