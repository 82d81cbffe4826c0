"""A directory from a file, for rehearsals without a relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from producers.scanner.lookups import Absence
from tasks.commands import VendorId
from tasks.directory import Thing, ThingType, code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.scanner.codes import Code


class KnownThing(BaseModel):
    """One thing of the file. `codes` are the part numbers and SKUs that stand for a part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: VendorId
    type: ThingType
    name: str
    codes: tuple[str, ...] = ()


_FILE: TypeAdapter[tuple[KnownThing, ...]] = TypeAdapter(tuple[KnownThing, ...])


def read_things(content: bytes) -> tuple[KnownThing, ...]:
    """Read a JSON list of things. ValueError names the entry and the field that are wrong."""
    try:
        return _FILE.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"--things: {place or 'the file'}: {first['msg']}") from error


class KnownThings:
    """Answers from the file at once; what is not in it is unknown."""

    def __init__(self, things: Sequence[KnownThing]) -> None:
        self._by_id = {each.id: Thing(each.id, each.type, each.name) for each in things}
        self._by_code: dict[str, tuple[Thing, ...]] = {}
        for each in things:
            for code in map(code_of, each.codes):
                self._by_code[code] = (*self._by_code.get(code, ()), self._by_id[each.id])

    async def prepare(self, code: Code) -> None:
        """Know everything already."""

    def thing(self, vendor_id: str) -> Thing | Absence:
        return self._by_id.get(vendor_id, Absence.UNKNOWN)

    def parts(self, code: str) -> tuple[Thing, ...] | Absence:
        return self._by_code.get(code_of(code), Absence.UNKNOWN)
