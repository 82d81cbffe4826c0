"""The command that would put a difference right, by what was applied. A person decides; nothing here submits one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final

from tasks.catalog import UpsertAssembly
from tasks.catalog import UpsertPart as UpsertCatalogPart
from tasks.custom_fields import SetCustomFields
from tasks.lots import UpdateLot
from tasks.orders import ReceiveLine, ReceiveOrder
from tasks.part_links import AddMembers, AddSubstitutes, RemoveMembers, RemoveSubstitutes
from tasks.part_upsert import CreatePart, UpsertPart
from tasks.parts import PartFields, UpdatePart
from tasks.project_entries import AddEntries, DeleteEntries, UpdateEntries
from tasks.projects import CreateProject, UpdateProject
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from workers.reconciler.findings import Offer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tasks.commands import Command
    from tasks.project_entries import NewEntry
    from workers.reconciler.books import Told
    from workers.reconciler.claims import Subject

#: Who asks, in an offered command.
SOURCE: Final = "reconcile"
_PUTS_RIGHT: Final = "puts right "
#: Of an event; an offered command is about one of its own.
_EVENT: Final = frozenset({"stock_timestamp", "source", "comments"})


def _offer(kind: type[Command], fields: Mapping[str, Any], at_ms: int, about: str) -> Offer:
    event = {"stock_timestamp": at_ms, "source": SOURCE, "comments": f"{_PUTS_RIGHT}{about}"}
    return Offer(kind.kind, {**fields, **event})


def about_of(command: Command) -> str:
    """Tell what a command puts right, as it was offered; empty for one that nobody here offered."""
    is_offered = command.source == SOURCE and command.comments.startswith(_PUTS_RIGHT)
    return command.comments.removeprefix(_PUTS_RIGHT) if is_offered else ""


def _fields(command: Command, names: Collection[str] | None = None) -> dict[str, Any]:
    """Give a command's fields as JSON, all of them or some, without its event."""
    include = None if names is None else set(names)
    return command.model_dump(
        mode="json", include=include, exclude=set(_EVENT), exclude_none=True, exclude_defaults=True
    )


def repeated(told: Told) -> Offer:
    """Offer the same again, as an event of its own."""
    command, at_ms = told.command, told.accepted_ms
    match command:
        case ReceiveLine():
            line = {"stock_id": command.stock_id, "quantity": command.quantity}
            fields = {**_fields(command, {"order_id", "storage_id"}), "lines": [line]}
            return _offer(ReceiveOrder, fields, at_ms, told.key)
        case CreatePart():
            return _offer(UpsertPart, _fields(command), at_ms, told.key)
    return _offer(type(command), _fields(command), at_ms, told.key)


def made_anew(tellers: Iterable[Told], subject: Subject) -> tuple[Offer, ...]:
    """Offer to make a record again that is gone, where one of those who wrote to it can do that."""
    for told in tellers:
        command = told.command
        match command:
            case CreatePart() | CreateProject() | UpsertCatalogPart() | UpsertAssembly():
                return (repeated(told),)
            case AddEntries():
                named = next((entry for entry in told.entries if entry.get("entry_id") == subject.id), {})
                wanted = [new for new in command.entries if (new.part_id, new.quantity) == _core(named)][:1]
                return (entries_added(command.project_id, wanted, told),) if wanted else ()
    return ()


def _core(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return entry.get("part_id"), entry.get("quantity")


def removed(kind: type[Command], field: str, record_id: str, about: Told) -> Offer:
    """Offer to delete a record that should not be there."""
    return _offer(kind, {field: record_id}, about.accepted_ms, about.key)


def entries_added(project_id: str, entries: Sequence[NewEntry], about: Told) -> Offer:
    """Offer to add entries to a project."""
    added = [new.model_dump(mode="json", exclude_defaults=True) for new in entries]
    return _offer(AddEntries, {"project_id": project_id, "entries": added}, about.accepted_ms, about.key)


def entries_removed(project_id: str, entry_ids: Sequence[str], about: Told) -> Offer:
    """Offer to delete entries of a project."""
    fields = {"project_id": project_id, "entry_ids": list(entry_ids)}
    return _offer(DeleteEntries, fields, about.accepted_ms, about.key)


def balanced(part_id: str, missing: Mapping[tuple[str, str | None], int], about: str, at_ms: int) -> tuple[Offer, ...]:
    """Offer what brings a part's stock to where it should be; `missing` are pieces by storage location and lot.

    Pieces that lack in one place and are too many in another are moved; no command moves them from lot to lot.
    """
    lacking = {place: pieces for place, pieces in missing.items() if pieces > 0}
    surplus = {place: -pieces for place, pieces in missing.items() if pieces < 0}
    if len(lacking) == len(surplus) == 1 and sum(lacking.values()) == sum(surplus.values()):
        ((to_storage, _),), ((from_storage, lot),) = lacking, surplus
        if from_storage == to_storage:
            return ()
        moved = {"part_id": part_id, "from_storage_id": from_storage, "to_storage_id": to_storage}
        lot_id = {} if lot is None else {"lot_id": lot}
        return (_offer(MoveStock, {**moved, **lot_id, "quantity": sum(lacking.values())}, at_ms, about),)
    offers = [
        _offer(AddStock, {"part_id": part_id, "storage_id": storage, "quantity": pieces}, at_ms, about)
        for (storage, _), pieces in lacking.items()
    ]
    for (storage, lot), pieces in surplus.items():
        lot_id = {} if lot is None else {"lot_id": lot}
        fields = {"part_id": part_id, "storage_id": storage, **lot_id, "quantity": pieces}
        offers.append(_offer(RemoveStock, fields, at_ms, about))
    return tuple(offers)


def corrected(part_id: str, timestamp_ms: int, fields: Mapping[str, Any], about: Told) -> Offer:
    """Offer to set fields of an entry of a part's history."""
    given = {"part_id": part_id, "entry_timestamp": timestamp_ms, **fields}
    return _offer(CorrectStock, given, about.accepted_ms, about.key)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What is to be set again: these fields of this record."""

    told: Told
    subject: Subject
    names: frozenset[str]


def set_again(told: Told, subject: Subject, names: frozenset[str]) -> tuple[Offer, ...]:
    """Offer to set these fields of a record to what was applied."""
    kind, fields = _setting(told.command, _Setting(told, subject, names))
    return (_offer(kind, fields, told.accepted_ms, told.key),)


@singledispatch
def _setting(command: Command, _given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    """Give kind and fields of the command that sets them; by default the whole of what was applied."""
    return type(command), _fields(command)


@_setting.register(PartFields)
def _(command: PartFields, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    both = {"attrition_percentage", "attrition_quantity"}
    wanted = given.names | both if given.names & both else given.names
    return UpdatePart, {"part_id": given.subject.id, **_fields(command, wanted)}


@_setting.register(AddMembers)
@_setting.register(RemoveMembers)
def _(command: AddMembers | RemoveMembers, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    ids = [one for one in command.member_ids if f"member {one}" in given.names]
    return type(command), {"part_id": given.subject.id, "member_ids": ids}


@_setting.register(AddSubstitutes)
@_setting.register(RemoveSubstitutes)
def _(command: AddSubstitutes | RemoveSubstitutes, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    ids = [one for one in command.substitute_ids if f"substitute {one}" in given.names]
    return type(command), {"part_id": given.subject.id, "substitute_ids": ids}


@_setting.register(SetCustomFields)
def _(command: SetCustomFields, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    fields = [field.model_dump() for field in command.custom_fields if f"custom field {field.key}" in given.names]
    return SetCustomFields, {"part_id": given.subject.id, "custom_fields": fields}


@_setting.register(UpdateLot)
def _(command: UpdateLot, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    return UpdateLot, _fields(command, {"lot_id", *given.names})


@_setting.register(CreateProject)
@_setting.register(UpdateProject)
def _(command: CreateProject | UpdateProject, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    wanted = {name: getattr(command, name) for name in sorted(given.names)}
    return UpdateProject, {"project_id": given.subject.id, **wanted}


@_setting.register(AddEntries)
def _(command: AddEntries, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    (named,) = (entry for entry in given.told.entries if entry.get("entry_id") == given.subject.id)
    change = {"entry_id": given.subject.id, **{name: named[name] for name in sorted(given.names)}}
    return UpdateEntries, {"project_id": command.project_id, "entries": [change]}


@_setting.register(UpdateEntries)
def _(command: UpdateEntries, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    (change,) = (change for change in command.entries if change.entry_id == given.subject.id)
    fields = change.model_dump(mode="json", include={"entry_id", *given.names})
    return UpdateEntries, {"project_id": command.project_id, "entries": [fields]}


@_setting.register(CorrectStock)
def _(command: CorrectStock, given: _Setting) -> tuple[type[Command], dict[str, Any]]:
    names = {"comments": "new_comments"}
    wanted = {names.get(name, name) for name in given.names}
    priced = {"price", "currency"} if wanted & {"price", "currency"} else set()
    return CorrectStock, _fields(command, {"part_id", "entry_timestamp", *wanted, *priced})
