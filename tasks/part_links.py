"""Which parts stand for one another: the members of a meta-part, and a part's substitutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from tasks.absolute import ListSetting
from tasks.commands import Command, VendorId
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.parts import PartCommand, PartType
from tasks.ports import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class MemberChange(ListSetting[AddMembers | RemoveMembers]):
    """Applies part.add_members and part.remove_members: only the members named are compared."""

    names_it = "part_id"

    async def read(self, command: AddMembers | RemoveMembers, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        if part.part_type not in (None, PartType.META):
            raise RejectedError(f"part_id: part {part.part_id} is {part.part_type}, not meta", code="conflict")
        return _linked("member_ids", command.part_id, command.member_ids, part.member_ids)

    def items(self, fields: Mapping[str, Any], command: AddMembers | RemoveMembers) -> dict[str, tuple[Any, bool]]:
        return _links(command.member_ids, fields.get("member_ids", ()), wanted=isinstance(command, AddMembers))

    async def send(self, command: AddMembers | RemoveMembers, target: Target[PartPort], sending: Sending) -> Exchange:
        if isinstance(command, AddMembers):
            return await target.port.add_members(command, sending)
        return await target.port.remove_members(command, sending)


class SubstituteChange(ListSetting[AddSubstitutes | RemoveSubstitutes]):
    """Applies part.add_substitutes and part.remove_substitutes: only the substitutes named are compared."""

    names_it = "part_id"

    async def read(self, command: AddSubstitutes | RemoveSubstitutes, target: Target[PartPort]) -> Record | None:
        part = await target.port.part(command.part_id)
        if part is None:
            return None
        return _linked("substitute_ids", command.part_id, command.substitute_ids, part.substitute_ids)

    def items(
        self, fields: Mapping[str, Any], command: AddSubstitutes | RemoveSubstitutes
    ) -> dict[str, tuple[Any, bool]]:
        return _links(
            command.substitute_ids, fields.get("substitute_ids", ()), wanted=isinstance(command, AddSubstitutes)
        )

    async def send(
        self, command: AddSubstitutes | RemoveSubstitutes, target: Target[PartPort], sending: Sending
    ) -> Exchange:
        if isinstance(command, AddSubstitutes):
            return await target.port.add_substitutes(command, sending)
        return await target.port.remove_substitutes(command, sending)


def _linked(field: str, part_id: str, named: tuple[str, ...], present: tuple[str, ...]) -> Record:
    return Record("part", part_id, {field: sorted(set(named) & set(present))})


def _links(named: tuple[str, ...], present: Sequence[str], *, wanted: bool) -> dict[str, tuple[Any, bool]]:
    return {part_id: (part_id in present, (part_id in present) == wanted) for part_id in named}


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    AddMembers: MemberChange(),
    RemoveMembers: MemberChange(),
    AddSubstitutes: SubstituteChange(),
    RemoveSubstitutes: SubstituteChange(),
}
