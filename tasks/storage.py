"""Storage commands: what can be asked about a storage location, and how each is proved at the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import model_validator

from tasks.absolute import Setting
from tasks.commands import Command, Name, PlainText, Tags, VendorId
from tasks.effects import Effect
from tasks.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.parts import StockSource
    from tasks.ports import Sending
    from tasks.task import Target, Task


class StorageSetting(StrEnum):
    """What a storage location accepts: nothing new; only its one part; only parts that are there already."""

    FULL = "full"
    SINGLE_PART = "single-part"
    EXISTING_PARTS_ONLY = "existing-parts-only"


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage location as the vendor shows it; what was never set there is empty or false."""

    storage_id: str
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    full: bool = False
    single_part: bool = False
    existing_parts_only: bool = False

    def values(self) -> dict[str, Any]:
        """Give the fields that a command may set, as JSON; tags sorted, settings by their own names."""
        return {
            "name": self.name,
            "description": self.description,
            "tags": sorted(set(self.tags)),
            "archived": self.archived,
            StorageSetting.FULL.value: self.full,
            StorageSetting.SINGLE_PART.value: self.single_part,
            StorageSetting.EXISTING_PARTS_ONLY.value: self.existing_parts_only,
        }


class StoragePort(Protocol):
    """The storage locations of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def storages(self) -> tuple[Storage, ...]:
        """Read every storage location, archived ones too: one answer, however large."""

    async def storage(self, storage_id: str) -> Storage | None:
        """Read a storage location; None when there is none."""

    async def storage_parts(self, storage_id: str) -> tuple[StockSource, ...]:
        """Read what is in a storage location, one source per part."""

    async def storage_lots(self, storage_id: str) -> tuple[StockSource, ...]:
        """Read what is in a storage location, one source per lot."""

    async def update_storage(self, command: UpdateStorage, sending: Sending) -> Exchange:
        """Send one storage/update with the fields given."""

    async def rename_storage(self, command: RenameStorage, sending: Sending) -> Exchange:
        """Send one storage/rename."""

    async def change_storage_setting(self, command: ChangeStorageSetting, sending: Sending) -> Exchange:
        """Send one storage/change-settings that names one location."""

    async def archive_storage(self, command: ArchiveStorage, sending: Sending) -> Exchange:
        """Send one storage/archive."""

    async def restore_storage(self, command: RestoreStorage, sending: Sending) -> Exchange:
        """Send one storage/restore."""


class StorageCommand(Command):
    """A change of one storage location's record; serial with every other one on it, not with stock movements.

    Those are in the lanes of their parts: one busy shelf would make them wait for one another. No setting changes what
    is there; a movement that it forbids is refused for certain and can be replayed.
    """

    vendor: ClassVar[str] = "partsbox"
    storage_id: Annotated[VendorId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"storage:{self.storage_id}",)

    def wanted(self) -> dict[str, Any]:
        """Give the fields to set in the form of `Storage.values`."""
        raise TypeError(f"{type(self).__name__} sets nothing")


class UpdateStorage(StorageCommand):
    """Set the description or the tags of a storage location (PartsBox storage/update)."""

    kind: ClassVar[str] = "storage.update"
    effect: ClassVar[Effect] = Effect.SET

    description: Annotated[PlainText | None, IDENTITY] = None
    #: All of them: those not named are taken away.
    tags: Annotated[Tags | None, IDENTITY] = None

    def summary(self) -> str:
        return f"set {', '.join(self.wanted())} of storage {self.storage_id[:8]}…"

    def wanted(self) -> dict[str, Any]:
        tags = None if self.tags is None else sorted(set(self.tags))
        given = {"description": self.description, "tags": tags}
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.wanted():
            raise ValueError("description: missing; give at least one of description, tags")
        return self


class RenameStorage(StorageCommand):
    """Give a storage location another name (PartsBox storage/rename); refused where another one has it."""

    kind: ClassVar[str] = "storage.rename"
    effect: ClassVar[Effect] = Effect.SET

    name: Annotated[Name, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        # of two that want the same name the first accepted gets it
        return (f"storage:{self.storage_id}", f"storage-name:{self.name}")

    def summary(self) -> str:
        return f"rename storage {self.storage_id[:8]}… to {self.name}"

    def wanted(self) -> dict[str, Any]:
        return {"name": self.name}


class ChangeStorageSetting(StorageCommand):
    """Switch one setting of one storage location (PartsBox storage/change-settings)."""

    kind: ClassVar[str] = "storage.change_setting"
    effect: ClassVar[Effect] = Effect.SET

    setting: Annotated[StorageSetting, IDENTITY]
    value: Annotated[bool, IDENTITY]

    def summary(self) -> str:
        return f"set {self.setting.value} of storage {self.storage_id[:8]}… to {str(self.value).lower()}"

    def wanted(self) -> dict[str, Any]:
        return {self.setting.value: self.value}


class ArchiveStorage(StorageCommand):
    """Hide a storage location that is no longer used (PartsBox storage/archive); its history stays."""

    kind: ClassVar[str] = "storage.archive"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"archive storage {self.storage_id[:8]}…"

    def wanted(self) -> dict[str, Any]:
        return {"archived": True}


class RestoreStorage(StorageCommand):
    """Take a storage location out of the archive (PartsBox storage/restore)."""

    kind: ClassVar[str] = "storage.restore"
    effect: ClassVar[Effect] = Effect.GUARDED

    def summary(self) -> str:
        return f"restore storage {self.storage_id[:8]}…"

    def wanted(self) -> dict[str, Any]:
        return {"archived": False}


StorageWrite = UpdateStorage | RenameStorage | ChangeStorageSetting | ArchiveStorage | RestoreStorage


class StorageChange(Setting[StorageWrite]):
    """Applies every storage command: the record is read first, and only what differs is sent."""

    noun = "storage"
    names_it = "storage_id"

    async def values(self, command: StorageWrite, target: Target[StoragePort]) -> dict[str, Any] | None:
        storage = await target.port.storage(command.storage_id)
        return None if storage is None else storage.values()

    def wanted(self, command: StorageWrite) -> dict[str, Any]:
        return command.wanted()

    async def send(self, command: StorageWrite, target: Target[StoragePort], sending: Sending) -> Exchange:
        match command:
            case UpdateStorage():
                return await target.port.update_storage(command, sending)
            case RenameStorage():
                return await target.port.rename_storage(command, sending)
            case ChangeStorageSetting():
                return await target.port.change_storage_setting(command, sending)
            case ArchiveStorage():
                return await target.port.archive_storage(command, sending)
            case RestoreStorage():
                return await target.port.restore_storage(command, sending)


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    UpdateStorage: StorageChange(),
    RenameStorage: StorageChange(),
    ChangeStorageSetting: StorageChange(),
    ArchiveStorage: StorageChange(),
    RestoreStorage: StorageChange(),
}
