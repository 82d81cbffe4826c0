"""Cases of PartsBox's storage locations."""

from __future__ import annotations

from typing import Any

from tasks.storage import (
    ArchiveStorage,
    ChangeStorageSetting,
    RenameStorage,
    RestoreStorage,
    StorageSetting,
    UpdateStorage,
)
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event


def _place(vendors: Vendors, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    place = vendors.partsbox.load.storage(name, **fields)
    return place, vendors.partsbox.state.storages[place]


@case("storage.update", "storage/update", read="storage/get")
def _update(vendors: Vendors) -> Scene:
    place, record = _place(vendors, "storage.update", description="before")
    theirs = {"storage/id": place, "storage/tags": ["theirs"]}
    return Scene(
        UpdateStorage(storage_id=place, description="after", tags=("b", "a"), **event()),
        about=place,
        found=lambda: (record["storage/description"], record.get("storage/tags")),
        wanted=("after", ["b", "a"]),
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "storage/update", theirs),
    )


@case("storage.rename", "storage/rename", read="storage/get")
def _rename(vendors: Vendors) -> Scene:
    place, record = _place(vendors, "storage.rename")
    theirs = {"storage/id": place, "storage/name": "their name"}
    return Scene(
        RenameStorage(storage_id=place, name="our name", **event()),
        about=place,
        found=lambda: record["storage/name"],
        wanted="our name",
        meddle=lambda: vendors.partsbox.write_as(COLLEAGUE, "storage/rename", theirs),
    )


@case("storage.change_setting", "storage/change-settings", read="storage/get")
def _change_setting(vendors: Vendors) -> Scene:
    place, record = _place(vendors, "storage.change_setting")
    return Scene(
        ChangeStorageSetting(storage_id=place, setting=StorageSetting.FULL, value=True, **event()),
        about=place,
        found=lambda: record.get("storage/full?"),
        wanted=True,
    )


@case("storage.archive", "storage/archive", read="storage/get")
def _archive(vendors: Vendors) -> Scene:
    place, record = _place(vendors, "storage.archive")
    return Scene(
        ArchiveStorage(storage_id=place, **event()),
        about=place,
        found=lambda: record.get("storage/archived?"),
        wanted=True,
    )


@case("storage.restore", "storage/restore", read="storage/get")
def _restore(vendors: Vendors) -> Scene:
    place, record = _place(vendors, "storage.restore", **{"archived?": True})
    return Scene(
        RestoreStorage(storage_id=place, **event()),
        about=place,
        found=lambda: record.get("storage/archived?"),
        wanted=False,
    )
