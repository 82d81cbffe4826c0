"""What is supposed of PartsBox for one command where nothing is known: that it applies, and is not applied yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tasks import builds, custom_fields, lots, orders, part_links, part_upsert, parts, project_entries, projects, stock
from tasks import storage as storages
from workers.dry_run.books import NOT_KNOWN, NotKnownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tasks.commands import Command
    from workers.dry_run.books import Record
    from workers.dry_run.partsbox import PartsBoxBooks

_NOT_YET: Final = "not as asked for yet; if it is, nothing is sent"


def supposed_for(command: Command, books: PartsBoxBooks) -> list[str]:
    """Let there be what the command needs where nothing is known; see `books.Books.suppose`."""
    return list(_SUPPOSED[type(command)](command, books))


def _stock(command: stock.Movement, books: PartsBoxBooks) -> Iterator[str]:
    if books.parts.suppose(command.part_id, _part(command.part_id)):
        yield f"part {command.part_id} is there"
        if isinstance(command, stock.RemoveStock):
            yield f"storage {command.storage_id} has {command.quantity} of it"
        elif isinstance(command, stock.MoveStock):
            yield f"storage {command.from_storage_id} has {command.quantity} of it"


def _entry(command: stock.CorrectStock, books: PartsBoxBooks) -> Iterator[str]:
    entry: Record = {
        "stock/timestamp": command.entry_timestamp,
        "stock/quantity": 0 if command.quantity is None else command.quantity + 1,
        "stock/comments": NOT_KNOWN,
    }
    if books.parts.suppose(command.part_id, {**_part(command.part_id), "part/stock": [entry]}):
        yield f"part {command.part_id} has an entry {command.entry_timestamp}, {_NOT_YET}"


def _order(command: orders.ReceiveOrder, books: PartsBoxBooks) -> Iterator[str]:
    if books.orders.is_known:
        return
    if command.lines is None:
        raise NotKnownError(
            f"the open lines of order {command.order_id}: each is received by a request of its own; give it in orders"
        )
    lines = {line.stock_id: line.quantity for line in command.lines}
    parts_of = {stock_id: books.new_id(f"the part of order line {stock_id}") for stock_id in lines}
    entries = [_line(stock_id, parts_of[stock_id], quantity) for stock_id, quantity in lines.items()]
    books.orders.suppose(command.order_id, _ordered(command.order_id, entries))
    yield from _open_lines(command.order_id, lines)


def _order_line(command: orders.ReceiveLine, books: PartsBoxBooks) -> Iterator[str]:
    line = _line(command.stock_id, command.part_id, command.quantity)
    if books.orders.suppose(command.order_id, _ordered(command.order_id, [line])):
        yield from _open_lines(command.order_id, {command.stock_id: command.quantity})
    if books.parts.suppose(command.part_id, _part(command.part_id)):
        yield f"part {command.part_id} is there"


def _open_lines(order_id: str, lines: Mapping[str, int]) -> Iterator[str]:
    yield f"order {order_id} is ordered"
    for stock_id, quantity in lines.items():
        yield f"line {stock_id} of it has {quantity} open"


def _ordered(order_id: str, entries: list[Any]) -> Record:
    return {"order/id": order_id, "order/status": "ordered", "order/entries": entries}


def _line(stock_id: str, part_id: str, quantity: int) -> Record:
    return {
        "stock/id": stock_id,
        "stock/part-id": part_id,
        "stock/quantity": quantity,
        "stock/status": "ordered",
        "stock/timestamp": 0,
    }


def _record(command: parts.UpdatePart | custom_fields.SetCustomFields, books: PartsBoxBooks) -> Iterator[str]:
    if books.parts.suppose(command.part_id, _part(command.part_id)):
        yield f"part {command.part_id} is there, {_NOT_YET}"


def _deleted(command: parts.DeletePart, books: PartsBoxBooks) -> Iterator[str]:
    if books.parts.suppose(command.part_id, _part(command.part_id)):
        yield f"part {command.part_id} is there; its whole stock history goes with it"


def _field(command: custom_fields.DeleteCustomField, books: PartsBoxBooks) -> Iterator[str]:
    field: Record = {"key": command.field_key, "value": NOT_KNOWN}
    if books.parts.suppose(command.part_id, {**_part(command.part_id), "part/custom-fields": [field]}):
        yield f"part {command.part_id} has the field {command.field_key}"


def _linked(command: Any, books: PartsBoxBooks) -> Iterator[str]:
    linked: Record = {}
    if isinstance(command, part_links.RemoveMembers):
        linked = {"part/part-ids": list(command.member_ids)}
    elif isinstance(command, part_links.RemoveSubstitutes):
        linked = {"part/substitute-ids": list(command.substitute_ids)}
    if books.parts.suppose(command.part_id, {**_part(command.part_id), **linked}):
        is_meta = isinstance(command, part_links.AddMembers | part_links.RemoveMembers)
        yield f"part {command.part_id} is there{' and a meta-part' if is_meta else ''}, {_NOT_YET}"


def _new_part(command: parts.NamedPart, books: PartsBoxBooks) -> Iterator[str]:
    if not books.parts.is_known:
        upsert = isinstance(command, part_upsert.UpsertPart)
        yield f"no part is named {command.name}" + ("; else part/update of that part is sent" if upsert else "")


def _lot(command: lots.UpdateLot, books: PartsBoxBooks) -> Iterator[str]:
    lot: Record = {
        "lot/id": command.lot_id,
        **dict.fromkeys(("lot/name", "lot/description", "lot/comments"), NOT_KNOWN),
        "lot/tags": [NOT_KNOWN],
    }
    if books.lots.suppose(command.lot_id, lot):
        yield f"lot {command.lot_id} is there, {_NOT_YET}"


def _storage(command: storages.StorageWrite, books: PartsBoxBooks) -> Iterator[str]:
    storage: Record = {
        "storage/id": command.storage_id,
        **dict.fromkeys(("storage/name", "storage/description"), NOT_KNOWN),
        "storage/tags": [NOT_KNOWN],
        "storage/archived?": isinstance(command, storages.RestoreStorage),
    }
    if isinstance(command, storages.ChangeStorageSetting):
        storage[f"storage/{command.setting.value}?"] = not command.value
    if books.storages.suppose(command.storage_id, storage):
        yield f"storage {command.storage_id} is there, {_NOT_YET}"


def _new_project(command: projects.CreateProject, books: PartsBoxBooks) -> Iterator[str]:
    if not books.projects.is_known:
        yield f"no project is named {command.name}"


def _project(command: projects.ProjectCommand, books: PartsBoxBooks) -> Iterator[str]:
    project: Record = {
        "project/id": command.project_id,
        **dict.fromkeys(("project/name", "project/description", "project/notes"), NOT_KNOWN),
        "project/archived?": isinstance(command, projects.RestoreProject),
    }
    if not books.projects.suppose(command.project_id, project):
        return
    yield f"project {command.project_id} is there, {_NOT_YET}"
    if isinstance(command, projects.UpdateProject) and command.notes is not None:
        yield "its notes carry no marker; one that they carry stays behind the new text"


def _added_entries(command: project_entries.AddEntries, books: PartsBoxBooks) -> Iterator[str]:
    if books.projects.suppose(command.project_id, {"project/id": command.project_id}):
        yield f"project {command.project_id} is there"


def _changed_entries(command: project_entries.UpdateEntries, books: PartsBoxBooks) -> Iterator[str]:
    if not books.projects.is_known:
        raise NotKnownError(
            f"the entries of project {command.project_id} as they are: whole entries are sent, with what the command "
            "does not change; give it in projects"
        )
    yield from ()


def _deleted_entries(command: project_entries.DeleteEntries, books: PartsBoxBooks) -> Iterator[str]:
    entries: list[Any] = [{"entry/id": entry_id} for entry_id in command.entry_ids]
    project: Record = {"project/id": command.project_id, "project/entries": entries}
    if books.projects.suppose(command.project_id, project):
        yield f"project {command.project_id} has all of these entries"


def _build(command: builds.UpdateBuild, books: PartsBoxBooks) -> Iterator[str]:
    if books.builds.suppose(command.build_id, {"build/id": command.build_id, "build/comments": NOT_KNOWN}):
        yield f"build {command.build_id} is there, {_NOT_YET}"


def _part(part_id: str) -> Record:
    texts = ("part/name", "part/description", "part/notes", "part/footprint")
    return {"part/id": part_id, **dict.fromkeys(texts, NOT_KNOWN), "part/tags": [NOT_KNOWN]}


_SUPPOSED: Final[Mapping[type[Command], Callable[[Any, PartsBoxBooks], Iterator[str]]]] = {
    **dict.fromkeys((stock.AddStock, stock.RemoveStock, stock.MoveStock), _stock),
    stock.CorrectStock: _entry,
    orders.ReceiveOrder: _order,
    orders.ReceiveLine: _order_line,
    parts.UpdatePart: _record,
    parts.DeletePart: _deleted,
    custom_fields.SetCustomFields: _record,
    custom_fields.DeleteCustomField: _field,
    part_upsert.UpsertPart: _new_part,
    part_upsert.CreatePart: _new_part,
    **dict.fromkeys(
        (part_links.AddMembers, part_links.RemoveMembers, part_links.AddSubstitutes, part_links.RemoveSubstitutes),
        _linked,
    ),
    lots.UpdateLot: _lot,
    **dict.fromkeys(
        (
            storages.UpdateStorage,
            storages.RenameStorage,
            storages.ChangeStorageSetting,
            storages.ArchiveStorage,
            storages.RestoreStorage,
        ),
        _storage,
    ),
    projects.CreateProject: _new_project,
    **dict.fromkeys(
        (projects.UpdateProject, projects.DeleteProject, projects.ArchiveProject, projects.RestoreProject), _project
    ),
    project_entries.AddEntries: _added_entries,
    project_entries.UpdateEntries: _changed_entries,
    project_entries.DeleteEntries: _deleted_entries,
    builds.UpdateBuild: _build,
}
