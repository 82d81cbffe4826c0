"""The storage operations of PartsBox: all of storage/*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import storage as wire
from workers.vendors.partsbox.wire.envelope import Nothing
from workers.vendors.partsbox.wire.parts import sources

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.parts import StockSource
    from tasks.ports import Sending
    from tasks.storage import (
        ArchiveStorage,
        ChangeStorageSetting,
        RenameStorage,
        RestoreStorage,
        Storage,
        UpdateStorage,
    )


class PartsBoxStorage(Capability):
    """Storage locations at PartsBox; see `tasks.storage.StoragePort`."""

    async def storages(self) -> tuple[Storage, ...]:
        return await self._client.ask("storage/all", Nothing(), wire.storages)

    async def storage(self, storage_id: str) -> Storage | None:
        return await self._client.find("storage/get", wire.StorageId(storage_id=storage_id), wire.storage)

    async def storage_parts(self, storage_id: str) -> tuple[StockSource, ...]:
        request = wire.StorageId(storage_id=storage_id)
        return await self._client.ask("storage/parts", request, lambda body: sources(body, storage_id=storage_id))

    async def storage_lots(self, storage_id: str) -> tuple[StockSource, ...]:
        request = wire.StorageId(storage_id=storage_id)
        return await self._client.ask("storage/lots", request, lambda body: sources(body, storage_id=storage_id))

    async def update_storage(self, command: UpdateStorage, sending: Sending) -> Exchange:
        request = wire.UpdateStorage(storage_id=command.storage_id, description=command.description, tags=command.tags)
        return await self._client.change("storage/update", request, sending)

    async def rename_storage(self, command: RenameStorage, sending: Sending) -> Exchange:
        request = wire.RenameStorage(storage_id=command.storage_id, name=command.name)
        return await self._client.change("storage/rename", request, sending)

    async def change_storage_setting(self, command: ChangeStorageSetting, sending: Sending) -> Exchange:
        request = wire.ChangeSettings(
            ids=(command.storage_id,), param=wire.PARAMS[command.setting], value=command.value
        )
        return await self._client.change("storage/change-settings", request, sending)

    async def archive_storage(self, command: ArchiveStorage, sending: Sending) -> Exchange:
        return await self._client.change("storage/archive", wire.StorageId(storage_id=command.storage_id), sending)

    async def restore_storage(self, command: RestoreStorage, sending: Sending) -> Exchange:
        return await self._client.change("storage/restore", wire.StorageId(storage_id=command.storage_id), sending)
