"""Routing: one catalog part as one command for each vendor that gets it, under one visible parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar

from pydantic import Field, ValidationError

from tasks import boms, catalog, part_upsert
from tasks.commands import Command, Model, Name
from tasks.effects import Effect
from tasks.errors import StockrelayError
from tasks.identity import IDENTITY
from tasks.routes import ROUTING, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.routes import OpenBomRoute, PartsBoxRoute, Routes
    from tasks.task import Expansion, Target

C = TypeVar("C", bound=Command)


class UnroutableError(StockrelayError):
    """What the routes make of a part is no command of that vendor; `place` is where in the routes file."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


class RoutedCommand(Model):
    """A command for one vendor, as its parent keeps it."""

    kind: Name
    fields: dict[str, Any]


class RoutePart(Command):
    """A catalog part on its way to several vendors; its children were made when it was accepted."""

    kind: ClassVar[str] = "catalog.route_part"
    vendor: ClassVar[str] = ROUTING
    effect: ClassVar[Effect] = Effect.EXPAND

    part_id: Annotated[Name, IDENTITY]
    children: Annotated[tuple[RoutedCommand, ...], Field(min_length=1, max_length=200)]

    def lanes(self) -> tuple[str, ...]:
        return (f"catalog-part:{self.part_id}",)

    def summary(self) -> str:
        places = dict.fromkeys(_KINDS[child.kind].vendor for child in self.children)
        return f"write catalog part {self.part_id[:40]} at {', '.join(places)}"

    def commands(self) -> tuple[Command, ...]:
        """Give what each vendor gets."""
        return tuple(_KINDS[child.kind].model_validate(child.fields, strict=False) for child in self.children)


class PartRouting:
    """Expands catalog.route_part into what it was accepted with; asks no vendor."""

    async def children(self, command: RoutePart, target: Target[Any]) -> tuple[Command, ...]:  # noqa: ARG002  a port
        return command.commands()


_KINDS: Final[Mapping[str, type[Command]]] = {
    kind.kind: kind for kind in (catalog.UpsertPart, part_upsert.UpsertPart, boms.SetCatalogProperty)
}


def spread(part: catalog.UpsertPart, routes: Routes) -> tuple[Command, ...]:
    """List the commands for a catalog part, that for the catalog first; raises UnroutableError.

    A vendor gets none where a value that it needs is not there.
    """
    view = _view(part)
    route = routes.routes.catalog_part
    found: list[Command] = [part]
    try:
        if route.partsbox is not None:
            found += _at_partsbox(part, view, route.partsbox)
        if route.openbom is not None:
            found += _at_openbom(part, view, route.openbom)
    except ValueError as error:
        raise UnroutableError("routes.catalog_part", str(error)) from None
    return tuple(found)


def route(part: catalog.UpsertPart, routes: Routes) -> Command:
    """Give the parent of all commands for a catalog part; the part's own command where no other vendor gets it."""
    commands = spread(part, routes)
    if len(commands) == 1:
        return part
    children = [
        RoutedCommand(kind=command.kind, fields=command.model_dump(mode="json", exclude_defaults=True))
        for command in commands
    ]
    return RoutePart(part_id=part.part_id, children=tuple(children), **_event_of(part))


def make(kind: type[C], place: str, event: Command, **fields: Any) -> C:
    """Make a command about the same event; raises UnroutableError naming the field that the routes fill wrongly."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return kind.model_validate({**_event_of(event), **given}, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, (place, *first["loc"])))
        raise UnroutableError(where, first["msg"].removeprefix("Value error, ")) from None


def _event_of(command: Command) -> dict[str, Any]:
    return {name: getattr(command, name) for name in ("stock_timestamp", "source", "comments")}


def _view(part: catalog.UpsertPart) -> dict[str, Any]:
    """Give a part as the paths see it: of an attribute the values that hold for every organization."""
    attributes = {
        attribute.attribute_id: dict(value.value)
        for attribute in part.attributes
        for value in attribute.values
        if not value.organization
    }
    return {"part_id": part.part_id, "name": dict(part.name), "attributes": attributes}


def _at_partsbox(part: catalog.UpsertPart, view: dict[str, Any], way: PartsBoxRoute) -> Iterator[Command]:
    name = value_at(view, way.name)
    if name is not None:
        given = {field: value_at(view, path) for field in ("description", "footprint") if (path := getattr(way, field))}
        yield make(part_upsert.UpsertPart, "routes.catalog_part.partsbox", part, name=name, **given)


def _at_openbom(part: catalog.UpsertPart, view: dict[str, Any], way: OpenBomRoute) -> Iterator[Command]:
    number = value_at(view, way.part_number)
    for column, path in way.properties.items():
        value = value_at(view, path)
        if number is not None and value is not None:
            yield make(
                boms.SetCatalogProperty,
                "routes.catalog_part.openbom",
                part,
                catalog_id=way.catalog_id,
                part_number=number,
                part_number_property=way.part_number_property,
                property=column,
                value=value,
            )


EXPANSIONS: Final[Mapping[type[Command], Expansion[Any]]] = {RoutePart: PartRouting()}
