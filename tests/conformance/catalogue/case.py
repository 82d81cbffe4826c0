"""What a case is: one command that applies on the vendors' warehouses, and how to see there that it was applied."""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.registry import command_type
from tasks.routes import Routes
from tasks.submit import now_ms
from tests.sandbox.openbom import OpenBomSandbox
from tests.sandbox.openbom import id_for as openbom_id
from tests.sandbox.partbolt import PartBoltSandbox
from tests.sandbox.partium import PartiumSandbox
from tests.sandbox.partsbox import PartsBoxSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tasks.commands import Command
    from tasks.effects import Effect
    from tests.sandbox import journal
    from tests.sandbox.server import Sandbox

COLLEAGUE: Final = "colleague"
#: Event times that never repeat.
ticks = itertools.count(now_ms())

#: Catalog parts go to every vendor, and PartBolt's parts become some.
ROUTES: Final = Routes.model_validate(
    {
        "routes": {
            "catalog_part": {
                "partsbox": {"name": "name.en"},
                "openbom": {
                    "catalog_id": openbom_id("catalog", "Stock items"),
                    "part_number": "name.en",
                    "properties": {"Bin": "attributes.weight.en"},
                },
            }
        },
        "imports": {"partbolt": {"name": {"en": "name"}, "attributes": {"weight": {"en": "mpn"}}}},
    }
)


@dataclass(frozen=True)
class Vendors:
    """Every vendor's sandbox, each with its warehouse."""

    partsbox: PartsBoxSandbox
    partium: PartiumSandbox
    openbom: OpenBomSandbox
    partbolt: PartBoltSandbox

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Vendors]:
        async with (
            PartsBoxSandbox.running(seed_fixture="warehouse") as partsbox,
            PartiumSandbox.running(seed_fixture="warehouse") as partium,
            OpenBomSandbox.running(seed_fixture="warehouse") as openbom,
            PartBoltSandbox.running(seed_fixture="warehouse") as partbolt,
        ):
            yield cls(partsbox, partium, openbom, partbolt)

    def of(self, vendor: str) -> Sandbox[Any]:
        sandbox: Sandbox[Any] = getattr(self, vendor)
        return sandbox


@dataclass(frozen=True)
class Scene:
    """One command, set up at the vendors: its write, its result, and how someone else gets in its way."""

    command: Command
    #: What only this command's write is about: a text in its parameters and in its effect.
    about: str
    #: Reads past the HTTP API what the command changes.
    found: Callable[[], Any]
    #: That, once the command is applied.
    wanted: Any
    #: Of a value that is set: someone else gives it a third one; None where there is no third.
    meddle: Callable[[], None] | None = None
    #: What the read before the write is about, where its parameters name something else.
    read_about: str | None = None


@dataclass(frozen=True)
class Case:
    """One way of using one kind of command."""

    name: str
    kind: str
    #: The vendor's operation that its write is, or its last descendant's.
    operation: str
    #: The kind that does this write: the command's own, or that of the child it becomes.
    writer: str
    #: The read before the write, as far as it names what it is about.
    read: str | None
    prepare: Callable[[Vendors], Scene]

    @property
    def vendor(self) -> str:
        """The vendor that is written to."""
        return command_type(self.writer).vendor

    @property
    def effect(self) -> Effect:
        """How the write behaves when it is repeated."""
        return command_type(self.writer).effect

    def __str__(self) -> str:
        return f"{command_type(self.kind).vendor}-{self.name}"

    def effects(self, vendors: Vendors, scene: Scene) -> list[journal.Effect]:
        """Every time that our write was committed."""
        return [
            effect
            for effect in vendors.of(self.vendor).journal.own_effects()
            if effect.operation == self.operation and scene.about in json.dumps(effect.describe())
        ]


#: Every case by its name.
CASES: Final[dict[str, Case]] = {}


def case(
    kind: str, operation: str, *, how: str = "", writer: str = "", read: str | None = None
) -> Callable[[Callable[[Vendors], Scene]], Callable[[Vendors], Scene]]:
    """Enter a case; `how` tells several of one kind apart."""

    def enter(prepare: Callable[[Vendors], Scene]) -> Callable[[Vendors], Scene]:
        name = f"{kind} {how}".strip()
        CASES[name] = Case(name, kind, operation, writer or kind, read, prepare)
        return prepare

    return enter


def event() -> dict[str, Any]:
    """What every command needs: the moment of a new event."""
    return {"stock_timestamp": next(ticks)}
