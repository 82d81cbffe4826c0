"""CAD commands: a part of a CAD vendor becomes a catalog part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol

from tasks.catalog import UpsertPart
from tasks.commands import Command, Name
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.routes import value_at
from tasks.routing import UnroutableError, make, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.routes import PartImport
    from tasks.task import Expansion, Target


class CadPort(Protocol):
    """Parts of a CAD vendor, read only. Raises the vendor errors of `tasks.errors`."""

    async def part(self, item_id: str) -> Mapping[str, Any] | None:
        """Read a part as the vendor's JSON; None when there is none."""


class ImportPart(Command):
    """Read a part and write it to the catalog, and wherever catalog parts go (PartBolt parts/get)."""

    kind: ClassVar[str] = "cad.import_part"
    vendor: ClassVar[str] = "partbolt"
    effect: ClassVar[Effect] = Effect.EXPAND

    item_id: Annotated[Name, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return (f"item:{self.item_id}",)

    def summary(self) -> str:
        return f"import part {self.item_id[:40]} into the catalog"


class PartImporting:
    """Expands cad.import_part: reads the part and maps it as the routes file says."""

    async def children(self, command: ImportPart, target: Target[CadPort]) -> tuple[Command, ...]:
        mapping = target.routes.imports.partbolt
        if mapping is None:
            raise RejectedError("imports.partbolt: missing in the routes file; say there how to map", code="unmapped")
        data = await target.port.part(command.item_id)
        if data is None:
            raise RejectedError(f"item_id: there is no part {command.item_id}", code="not-found")
        try:
            return spread(_mapped(command, data, mapping), target.routes)
        except (UnroutableError, ValueError) as error:
            raise RejectedError(f"part {command.item_id} cannot be imported: {error}", code="invalid") from error


def _mapped(command: ImportPart, data: Mapping[str, Any], mapping: PartImport) -> UpsertPart:
    attributes = [
        {"attribute_id": attribute_id, "values": [{"value": texts}]}
        for attribute_id, paths in mapping.attributes.items()
        if (texts := _texts(data, paths))
    ]
    return make(
        UpsertPart,
        "imports.partbolt",
        command,
        part_id=value_at(data, mapping.part_id),
        name=_texts(data, mapping.name),
        attributes=attributes or None,
    )


def _texts(data: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, str]:
    return {language: text for language, path in paths.items() if (text := value_at(data, path)) is not None}


EXPANSIONS: Final[Mapping[type[Command], Expansion[Any]]] = {ImportPart: PartImporting()}
