"""The part types of Partium's catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.packing import Item
from workers.vendors.partium import wire
from workers.vendors.partium.records import Records

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tasks.catalog import DeletePart, UpsertPart
    from tasks.errors import Exchange
    from tasks.ports import Record, Sending
    from workers.vendors.partium.client import PartiumClient


class PartiumParts:
    """Part types at Partium; see `tasks.catalog.CatalogPort`."""

    def __init__(self, client: PartiumClient) -> None:
        self._parts = Records(client, wire.PARTS)

    async def part(self, part_id: str) -> Record | None:
        return await self._parts.select(part_id)

    def parts(self) -> AsyncGenerator[Record, None]:
        """List all part types."""
        return self._parts.listing()

    async def upsert_part(self, command: UpsertPart, sending: Sending) -> Exchange:
        return await self._parts.upsert(Item.of(command.part_id, wire.part(command)), sending)

    async def delete_part(self, command: DeletePart, sending: Sending) -> Exchange:
        return await self._parts.delete(Item.of(command.part_id, command.part_id), sending)
