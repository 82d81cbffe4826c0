"""The JSON of storage locations: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from tasks.commands import Tag
from tasks.storage import Storage, StorageSetting
from workers.vendors.models import AnswerModel, Request, Text
from workers.vendors.partsbox.wire.envelope import data_of

#: The document lists `full?`; real objects carry `storage/full?`, and a newer document sends that.
PARAMS: Final = {
    StorageSetting.FULL: "storage/full?",
    StorageSetting.SINGLE_PART: "storage/single-part?",
    StorageSetting.EXISTING_PARTS_ONLY: "storage/existing-parts-only?",
}

#: Absent until it is set for the first time.
_Flag = Annotated[bool, Field(strict=True)]


class _Storage(AnswerModel):
    id: Text = Field(alias="storage/id")
    name: Text | None = Field(default=None, alias="storage/name")
    description: Text | None = Field(default=None, alias="storage/description")
    tags: tuple[Text, ...] | None = Field(default=None, alias="storage/tags")
    archived: _Flag | None = Field(default=None, alias="storage/archived?")
    full: _Flag | None = Field(default=None, alias="storage/full?")
    single_part: _Flag | None = Field(default=None, alias="storage/single-part?")
    existing_parts_only: _Flag | None = Field(default=None, alias="storage/existing-parts-only?")

    def record(self) -> Storage:
        return Storage(
            storage_id=self.id,
            name=self.name or "",
            description=self.description or "",
            tags=self.tags or (),
            archived=self.archived or False,
            full=self.full or False,
            single_part=self.single_part or False,
            existing_parts_only=self.existing_parts_only or False,
        )


class _Storages(AnswerModel):
    data: tuple[_Storage, ...]


def storage(body: dict[str, Any]) -> Storage:
    """Read a storage/get answer; ValueError when it is no storage location."""
    return _Storage.model_validate(data_of(body, "storage/")).record()


def storages(body: dict[str, Any]) -> tuple[Storage, ...]:
    """Read a storage/all answer, archived ones too; ValueError when it can't be."""
    return tuple(row.record() for row in _Storages.model_validate(body).data)


class StorageId(Request):
    """Operations on one storage location that need only its id."""

    storage_id: str = Field(alias="storage/id")


class UpdateStorage(Request):
    """storage/update."""

    storage_id: str = Field(alias="storage/id")
    description: str | None = Field(alias="storage/description")
    tags: tuple[Tag, ...] | None = Field(alias="storage/tags")


class RenameStorage(Request):
    """storage/rename."""

    storage_id: str = Field(alias="storage/id")
    name: str = Field(alias="storage/name")


class ChangeSettings(Request):
    """storage/change-settings of exactly one location: of several it would only attempt each."""

    ids: tuple[str]
    param: str
    value: bool
