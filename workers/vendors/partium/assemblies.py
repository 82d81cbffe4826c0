"""The assemblies of Partium's catalog: a hierarchy, in which the parent comes first and goes last."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from tasks.errors import RejectedError, RetryableError
from workers.packing import Item, children_first, parents_first
from workers.vendors.partium import wire
from workers.vendors.partium.records import REFUSED, Records

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tasks.catalog import DeleteAssembly, UpsertAssembly
    from tasks.errors import Exchange
    from tasks.ports import Record, Sending
    from workers.vendors.partium.client import PartiumClient


class PartiumAssemblies:
    """Assemblies at Partium; see `tasks.catalog.CatalogPort`.

    Why the vendor refused is found by reading, never by its words. What is missing, or in the way, may have changed
    between the refusal and that read: then the same write is sent once more, and only its second refusal counts.
    """

    def __init__(self, client: PartiumClient) -> None:
        self._assemblies = Records(
            client, wire.ASSEMBLIES, upserts_in_order=parents_first, deletes_in_order=children_first
        )

    async def assembly(self, ass_id: str) -> Record | None:
        return await self._assemblies.select(ass_id)

    async def assemblies(self, parent_ids: Sequence[str] | None = None) -> AsyncGenerator[Record, None]:
        """List all assemblies, or those right below these parents; "" stands for the top."""
        query = None if parent_ids is None else {"parent_ids": list(parent_ids)}
        async with aclosing(self._assemblies.listing(query)) as records:
            async for record in records:
                if parent_ids is not None and record.fields["parent_id"] not in parent_ids:
                    raise RetryableError(f"answer not understood: {record.record_id} hangs below another parent")
                yield record

    async def upsert_assembly(self, command: UpsertAssembly, sending: Sending) -> Exchange:
        item = Item.of(command.ass_id, wire.assembly(command), above=command.parent_id)
        try:
            return await self._assemblies.upsert(item, sending)
        except RejectedError as refusal:
            if refusal.code != REFUSED or not command.parent_id:
                raise
            if await self.assembly(command.parent_id) is None:
                # accepted, perhaps, and still on its way
                message = f"parent_id: there is no assembly {command.parent_id} yet"
                raise RetryableError(message, exchange=refusal.exchange) from refusal
        return await self._assemblies.upsert(item, sending, intended=True)

    async def delete_assembly(self, command: DeleteAssembly, parent_id: str, sending: Sending) -> Exchange:
        item = Item.of(command.ass_id, command.ass_id, above=parent_id)
        try:
            return await self._assemblies.delete(item, sending)
        except RejectedError as refusal:
            if refusal.code != REFUSED:
                raise
            if await self._has_any_below(command.ass_id):
                message = f"ass_id: there are still assemblies below {command.ass_id}"
                raise RetryableError(message, exchange=refusal.exchange) from refusal
        return await self._assemblies.delete(item, sending, intended=True)

    async def _has_any_below(self, ass_id: str) -> bool:
        async with aclosing(self.assemblies((ass_id,))) as below:
            return await anext(below, None) is not None
