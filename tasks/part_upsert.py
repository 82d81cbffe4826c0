"""The part of a name: created when there is none, else brought to the fields given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.lookup import Absent, Finding, Image, Landed, Proof, Undecidable, Why
from tasks.parts import NamedPart, PartFields, PartType, UpdatePart
from tasks.ports import Record
from tasks.task import Before, Expansion, Target, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command
    from tasks.errors import Exchange
    from tasks.parts import Part, PartPort
    from tasks.ports import Sending


class UpsertPart(NamedPart):
    """Let there be one part of this name, with the fields given; without any, whatever it is like.

    Its id is known only after a read. So it expands into one other command, a `part.update` that waits its turn among
    all others on that part, or a `part.create`.
    """

    kind: ClassVar[str] = "part.upsert"
    effect: ClassVar[Effect] = Effect.EXPAND

    def summary(self) -> str:
        return f"create or update the part named {self.name}"


class CreatePart(NamedPart):
    """Create a part unless the same is there (PartsBox part/create)."""

    kind: ClassVar[str] = "part.create"
    effect: ClassVar[Effect] = Effect.CREATE

    def summary(self) -> str:
        return f"create the part named {self.name}"


async def _named(command: NamedPart, target: Target[PartPort]) -> tuple[Part, ...]:
    return tuple(part for part in await target.port.parts() if part.name == command.name)


def _is_of_its_type(part: Part, command: NamedPart) -> bool:
    # a local part that a person has linked since is still the one that was meant
    return command.part_type is None or (part.part_type == PartType.META) == (command.part_type is PartType.META)


class PartUpsert:
    """Expands part.upsert by what is there now."""

    async def children(self, command: UpsertPart, target: Target[PartPort]) -> tuple[Command, ...]:
        found = await _named(command, target)
        if len(found) > 1:
            ids = ", ".join(part.part_id for part in found)
            raise RejectedError(f"name: {len(found)} parts have it, update one of them: {ids}", code="ambiguous")
        given = {name: getattr(command, name) for name in PartFields.model_fields}
        if not found or not command.wanted():
            return (CreatePart(name=command.name, part_type=command.part_type, **given),)
        (part,) = found
        if not _is_of_its_type(part, command):
            raise _other_type(part)
        return (UpdatePart(part_id=part.part_id, **given),)


def _other_type(part: Part) -> RejectedError:
    return RejectedError(f"part_type: part {part.part_id} is {part.part_type} and stays so", code="conflict")


class PartCreation:
    """Applies part.create: looked for by its exact name, before and after."""

    async def before(self, command: CreatePart, target: Target[PartPort]) -> Before:
        found = await _named(command, target)
        finding = self._judge(found, command)
        if isinstance(finding, Undecidable) and not target.doubted:
            # nothing of ours is on its way: someone else was faster
            raise self._taken(found, command)
        return Before(Image(), finding)

    async def send(self, command: CreatePart, target: Target[PartPort], sending: Sending) -> Exchange:
        try:
            return await target.port.create_part(command, sending)
        except RejectedError as refused:
            # an earlier send may be what is in its way: that is for the look-up to say
            if refused.code != "conflict" or target.doubted or refused.exchange is None:
                raise
            if isinstance(self._judge(await _named(command, target), command), Landed):
                return refused.exchange
            raise

    async def proof(self, command: CreatePart, target: Target[PartPort]) -> Finding:
        match await self.look(command, target):
            case Absent():
                return Undecidable(Why.IGNORED)
            case Undecidable(Why.CHANGED, entries):
                # confirmed, and shown in another form: the vendor's own, or a later writer's
                return Landed(entries, Proof.ANSWER)
            case finding:
                return finding

    async def look(self, command: CreatePart, target: Target[PartPort]) -> Finding:
        return self._judge(await _named(command, target), command)

    @staticmethod
    def _judge(found: tuple[Part, ...], command: CreatePart) -> Finding:
        if not found:
            return Absent()
        wanted = command.wanted()
        records = tuple(
            Record("part", part.part_id, {"part_type": part.part_type, **_values(part, wanted)}) for part in found
        )
        if len(found) > 1:
            return Undecidable(Why.DOUBLE, records)
        if _is_of_its_type(found[0], command) and _values(found[0], wanted) == wanted:
            return Landed(records, Proof.STATE)
        return Undecidable(Why.CHANGED, records)

    @staticmethod
    def _taken(found: tuple[Part, ...], command: CreatePart) -> RejectedError:
        if len(found) > 1:
            return RejectedError(f"name: {len(found)} parts have it since a moment ago", code="ambiguous")
        if not _is_of_its_type(found[0], command):
            return _other_type(found[0])
        text = f"name: part {found[0].part_id} has it since a moment ago; submit the part.upsert again"
        return RejectedError(text, code="conflict")


def _values(part: Part, wanted: Mapping[str, Any]) -> dict[str, Any]:
    values = part.values()
    return {name: values[name] for name in wanted}


TASKS: Final[Mapping[type[Command], Task[Any]]] = {CreatePart: PartCreation()}
EXPANSIONS: Final[Mapping[type[Command], Expansion[Any]]] = {UpsertPart: PartUpsert()}
