"""Which parts stand for one another: the members of a meta-part, and a part's substitutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from tasks.absolute import Absolute
from tasks.commands import Command, VendorId
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.parts import PartCommand, PartType
from tasks.ports import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.parts import PartPort
    from tasks.ports import Sending
    from tasks.task import Target, Task

#: More at once is a mistake; several commands may name more.
MAX_LINKED: Final = 200
PartIds = Annotated[tuple[VendorId, ...], Field(min_length=1, max_length=MAX_LINKED)]


def _check(field: str, ids: tuple[str, ...], part_id: str) -> None:
    if part_id in ids:
        raise ValueError(f"{field}: names the part itself; leave it out")
    if len(ids) != len(set(ids)):
        raise ValueError(f"{field}: names a part twice; name each once")


class _MemberCommand(PartCommand):
    effect: ClassVar[Effect] = Effect.SET

    member_ids: Annotated[PartIds, IDENTITY]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _check("member_ids", self.member_ids, self.part_id)
        return self


class AddMembers(_MemberCommand):
    """Let a meta-part stand for these parts too (PartsBox part/add-meta-part-ids)."""

    kind: ClassVar[str] = "part.add_members"

    def summary(self) -> str:
        return f"add {len(self.member_ids)} members to meta-part {self.part_id[:8]}…"


class RemoveMembers(_MemberCommand):
    """Let a meta-part no longer stand for these parts (PartsBox part/remove-meta-part-ids)."""

    kind: ClassVar[str] = "part.remove_members"

    def summary(self) -> str:
        return f"remove {len(self.member_ids)} members from meta-part {self.part_id[:8]}…"


class _SubstituteCommand(PartCommand):
    effect: ClassVar[Effect] = Effect.SET

    substitute_ids: Annotated[PartIds, IDENTITY]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _check("substitute_ids", self.substitute_ids, self.part_id)
        return self


class AddSubstitutes(_SubstituteCommand):
    """Let these parts be used instead of a part (PartsBox part/add-substitute-ids)."""

    kind: ClassVar[str] = "part.add_substitutes"

    def summary(self) -> str:
        return f"add {len(self.substitute_ids)} substitutes to part {self.part_id[:8]}…"


class RemoveSubstitutes(_SubstituteCommand):
    """Let these parts no longer be used instead of a part (PartsBox part/remove-substitute-ids)."""

    kind: ClassVar[str] = "part.remove_substitutes"

    def summary(self) -> str:
        return f"remove {len(self.substitute_ids)} substitutes from part {self.part_id[:8]}…"


class MemberChange(Absolute[AddMembers | RemoveMembers]):
    """Applies part.add_members and part.remove_members: only the members named are compared."""

    names_it = "part_id"

    async def read(self, command: AddMembers | RemoveMembers, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        if part.part_type not in (None, PartType.META):
            raise RejectedError(f"part_id: part {part.part_id} is {part.part_type}, not meta", code="conflict")
        return _linked("member_ids", command.part_id, command.member_ids, part.member_ids)

    def holds(self, record: Record, command: AddMembers | RemoveMembers) -> bool:
        wanted = sorted(command.member_ids) if isinstance(command, AddMembers) else []
        return bool(record.fields["member_ids"] == wanted)

    async def send(self, command: AddMembers | RemoveMembers, target: Target[PartPort], sending: Sending) -> Exchange:
        if isinstance(command, AddMembers):
            return await target.port.add_members(command, sending)
        return await target.port.remove_members(command, sending)


class SubstituteChange(Absolute[AddSubstitutes | RemoveSubstitutes]):
    """Applies part.add_substitutes and part.remove_substitutes: only the substitutes named are compared."""

    names_it = "part_id"

    async def read(self, command: AddSubstitutes | RemoveSubstitutes, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        return _linked("substitute_ids", command.part_id, command.substitute_ids, part.substitute_ids)

    def holds(self, record: Record, command: AddSubstitutes | RemoveSubstitutes) -> bool:
        wanted = sorted(command.substitute_ids) if isinstance(command, AddSubstitutes) else []
        return bool(record.fields["substitute_ids"] == wanted)

    async def send(
        self, command: AddSubstitutes | RemoveSubstitutes, target: Target[PartPort], sending: Sending
    ) -> Exchange:
        if isinstance(command, AddSubstitutes):
            return await target.port.add_substitutes(command, sending)
        return await target.port.remove_substitutes(command, sending)


def _linked(field: str, part_id: str, named: tuple[str, ...], present: tuple[str, ...]) -> Record:
    return Record("part", part_id, {field: sorted(set(named) & set(present))})


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    AddMembers: MemberChange(),
    RemoveMembers: MemberChange(),
    AddSubstitutes: SubstituteChange(),
    RemoveSubstitutes: SubstituteChange(),
}
