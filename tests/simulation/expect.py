"""What a plan must come to: every command that is submitted, what it becomes, and how its effect is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.cad import ImportPart
from tasks.catalog import UpsertPart as UpsertCatalogPart
from tasks.identity import derive_key, marker_of
from tasks.orders import ReceiveLine, ReceiveOrder
from tasks.part_upsert import CreatePart, UpsertPart
from tasks.parts import PartFields, UpdatePart
from tasks.registry import parse_command
from tasks.routing import RoutePart, route
from tasks.stock import AddStock, MoveStock, RemoveStock
from tests.checker.evidence import Expected
from tests.simulation import warehouse
from tests.simulation.kinds import KINDS
from tests.simulation.places import Laned, Places

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tasks.commands import Command
    from tests.checker.evidence import Told
    from tests.simulation.plan import Plan, Submit

#: How a command ends of which nothing becomes.
FRUITLESS: Final = ("rejected", "held", "cancelled")
_EVENT: Final = ("stock_timestamp", "source", "comments")


def command_of(submit: Submit) -> Command:
    """Read what a producer sends, as every producer's commands are read."""
    body = submit.body
    return parse_command(body.pop("kind"), json.dumps(body).encode())


def expected(plan: Plan, told: Mapping[str, Told]) -> list[Expected]:
    """List what the plan must come to, once each.

    Of `told` are taken the order of acceptance, and which commands were refused or held before they became others.
    """
    fruitless = {entry.key for ledger in told.values() for entry in ledger.entries if entry.state in FRUITLESS}
    found: dict[str, _Member] = {}
    for submit in plan.submits:
        command = command_of(submit)
        for member in _family(_accepted(command), command.key(), None, fruitless):
            found.setdefault(member.key, member)
    places = Places(told).of(member.laned for member in found.values())
    return [_one(member, places[member.key]) for member in found.values()]


def _accepted(command: Command) -> Command:
    return route(command, warehouse.ROUTES) if isinstance(command, UpsertCatalogPart) else command


@dataclass(frozen=True, slots=True)
class _Member:
    """A command, and the one that it was made by."""

    command: Command
    key: str
    parent: _Member | None

    @property
    def laned(self) -> Laned:
        """Give it as the lanes of its vendor see it."""
        command, parent = self.command, self.parent
        beside = parent.key if parent is not None and parent.command.vendor == command.vendor else ""
        return Laned(self.key, command.vendor, command.lanes(), beside)


def _family(command: Command, key: str, parent: _Member | None, fruitless: Collection[str]) -> Iterator[_Member]:
    """Give a command and all that becomes of it."""
    member = _Member(command, key, parent)
    yield member
    if key in fruitless:
        return
    for child in _children(command):
        child_key = derive_key(child.kind, child.vendor, key, fields=child.identity())
        yield from _family(child, child_key, member, fruitless)


def _one(member: _Member, place: int) -> Expected:
    command, key, parent = member.command, member.key, member.parent
    kind, fields = KINDS[command.kind], command.model_dump(mode="json")
    return Expected(
        key=key,
        vendor=command.vendor,
        kind=command.kind,
        lanes=command.lanes(),
        place=place,
        subject=kind.subject(fields),
        fingerprint=(kind.carries(fields) or marker_of(key)) if kind.operation else "",
        effect=command.effect,
        legs=tuple(sorted(_legs(command))),
        parent="" if parent is None else parent.key,
    )


def _legs(command: Command) -> list[tuple[str, int]]:
    match command:
        case AddStock() | ReceiveLine():
            return [(command.storage_id, command.quantity)]
        case RemoveStock():
            return [(command.storage_id, -command.quantity)]
        case MoveStock():
            return [(command.from_storage_id, -command.quantity), (command.to_storage_id, command.quantity)]
    return []


def _children(command: Command) -> Iterator[Command]:
    event = {name: getattr(command, name) for name in _EVENT}
    match command:
        case RoutePart():
            yield from command.commands()
        case ReceiveOrder():
            yield from _lines(command, event)
        case UpsertPart():
            yield _named_part(command)
        case ImportPart():
            yield _imported(command, event)


def _lines(command: ReceiveOrder, event: dict[str, Any]) -> Iterator[Command]:
    order = next(name for name in warehouse.ORDERS if warehouse.partsbox_id("order", name) == command.order_id)
    asked = None if command.lines is None else {line.stock_id: line.quantity for line in command.lines}
    for position, (part, pieces) in enumerate(warehouse.ORDERED, 1):
        line = warehouse.line_id(order, position)
        if asked is None or line in asked:
            yield ReceiveLine(
                order_id=command.order_id,
                stock_id=line,
                part_id=warehouse.part_id(part),
                storage_id=command.storage_id,
                quantity=pieces if asked is None else asked[line],
                **event,
            )


def _named_part(command: UpsertPart) -> Command:
    given = {name: getattr(command, name) for name in PartFields.model_fields}
    if command.name in warehouse.NAMED_BEFORE:
        return UpdatePart(part_id=warehouse.part_id(command.name), **given)
    return CreatePart(name=command.name, part_type=command.part_type, **given)


def _imported(command: ImportPart, event: dict[str, Any]) -> Command:
    name = next(name for name in warehouse.DRAWN if warehouse.drawn_id(name) == command.item_id)
    return UpsertCatalogPart(part_id=warehouse.maker_number(name), name={"en": warehouse.description(name)}, **event)
