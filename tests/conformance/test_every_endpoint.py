"""Every endpoint that the adapters use, called once over real HTTP: request and answer are understood.

The writes are those of the cases in `catalogue`, sent by their tasks without ledger or executor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.registry import task_of
from tasks.task import Target
from tests.conformance.catalogue import CASES
from tests.conformance.rounds import opened
from tests.sandbox.openbom import OpenBomSandbox
from tests.sandbox.openbom import id_for as openbom_id
from tests.sandbox.partbolt import PartBoltSandbox
from tests.sandbox.partbolt import id_for as partbolt_id
from tests.sandbox.partium import PartiumSandbox
from tests.sandbox.partsbox import PartsBoxSandbox, id_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.conformance.catalogue import Case
    from tests.conftest import SharedValkey
    from tests.sandbox.server import Sandbox

SANDBOXES: dict[str, type[Sandbox[Any]]] = {
    "partsbox": PartsBoxSandbox,
    "partium": PartiumSandbox,
    "openbom": OpenBomSandbox,
    "partbolt": PartBoltSandbox,
}
#: Everything in one answer, for backups: no worker has a use for it.
NOT_USED = {("partsbox", "db/download-all-data")}
#: In no document: the sandbox has them for reads of any path.
INVENTED = {("partbolt", "lots/get"), ("partbolt", "locations/get")}

MCU, DRAWER, LOT = id_for("part", "IC-MCU"), id_for("storage", "drawer-1"), id_for("lot", "L-2024-07")
DRAWER_2, LOT_2 = id_for("storage", "drawer-2"), id_for("lot", "L-2024-11")
LAMP, BUILD, ORDER = id_for("project", "lamp"), id_for("build", "lamp/1"), id_for("order", "SO-1")
TABLE, TOOLS = openbom_id("propertytable", "Order properties"), openbom_id("catalog", "Tools")
SENSOR, BOLT = openbom_id("bom", "Sensor board"), partbolt_id("part", "R-1K")


@dataclass(frozen=True)
class Read:
    """One read: the operations that it asks, and what of its answer must be there."""

    vendor: str
    operations: tuple[str, ...]
    ask: Callable[[Any], Awaitable[Any]]
    shown: Callable[[Any], Any]
    wanted: Any

    def __str__(self) -> str:
        return f"{self.vendor}-{self.operations[-1]}"


def _box(operation: str, ask: Callable[[Any], Awaitable[Any]], shown: Callable[[Any], Any], wanted: Any) -> Read:
    return Read("partsbox", (operation,), ask, shown, wanted)


def _bom(operation: str, ask: Callable[[Any], Awaitable[Any]], shown: Callable[[Any], Any], wanted: Any) -> Read:
    return Read("openbom", ("login", operation), ask, shown, wanted)


async def _listed(records: AsyncIterator[Any]) -> list[str]:
    return [record.record_id async for record in records]


def _names(records: Any) -> list[str]:
    return [record.name for record in records]


def _places(sources: Any) -> list[tuple[Any, ...]]:
    return [(source.part_id, source.storage_id, source.lot_id, source.quantity) for source in sources]


def _entries(entries: Any) -> list[tuple[Any, ...]]:
    return [(entry.part_id, entry.quantity, entry.designators) for entry in entries]


PARTS = ["R-10R", "R-100R", "R-1K", "R-10K", "R-100K", "R-1M", "C-10N", "C-100N", "C-1U", "C-10U", "C-47U", "C-100U"]
PLACES = ["goods-in", "shelf-1", "shelf-2", "shelf-3", "line-1", "line-2", "full-box", "bag", "bin", "drawer-1"]
FIELDS = {"shelf life": "24 months", "supplier": "Acme"}
LAMP_ENTRIES = [
    (MCU, 1, ("U1",)),
    (id_for("part", "R-10K"), 3, ("R1", "R2", "R3")),
    (id_for("part", "C-100N"), 2, ("C1", "C2")),
]

READS = (
    _box("part/get", lambda p: p.part(MCU), lambda part: part.custom_fields, FIELDS),
    _box("part/get", lambda p: p.stock_entries(MCU), lambda found: [e.quantity for e in found], [40, 60]),
    _box("part/all", lambda p: p.parts(), _names, [*PARTS, "R-10K-THIN", "R-10K-ANY", "IC-MCU"]),
    _box("part/storage", lambda p: p.part_storage(MCU), _places, [(MCU, DRAWER, None, 40), (MCU, DRAWER_2, None, 60)]),
    _box("part/lots", lambda p: p.part_lots(MCU), _places, [(MCU, DRAWER, LOT, 40), (MCU, DRAWER_2, LOT_2, 60)]),
    _box("part/stock", lambda p: p.part_stock(MCU), int, 100),
    _box("part/stock", lambda p: p.part_stock(MCU, DRAWER), int, 40),
    _box("lot/get", lambda p: p.lot(LOT), lambda lot: (lot.name, lot.part_id), ("L-2024-07", MCU)),
    _box("lot/all", lambda p: p.lots(), _names, ["L-2024-07", "L-2024-11"]),
    _box("storage/get", lambda p: p.storage(DRAWER), lambda place: (place.name, place.tags), ("drawer-1", ("lots",))),
    _box("storage/all", lambda p: p.storages(), _names, [*PLACES, "drawer-2"]),
    _box("storage/parts", lambda p: p.storage_parts(DRAWER), _places, [(MCU, DRAWER, None, 40)]),
    _box("storage/lots", lambda p: p.storage_lots(DRAWER), _places, [(MCU, DRAWER, LOT, 40)]),
    _box("project/get", lambda p: p.project(LAMP), lambda project: project.description, "Desk lamp with a dimmer"),
    _box("project/all", lambda p: p.projects(), _names, ["lamp", "clock"]),
    _box("project/get-entries", lambda p: p.project_entries(LAMP), _entries, LAMP_ENTRIES),
    _box("project/get-entries", lambda p: p.project_entries(LAMP, BUILD), _entries, LAMP_ENTRIES),
    _box("project/get-builds", lambda p: p.project_builds(LAMP), lambda found: [b.build_id for b in found], [BUILD]),
    _box("build/get", lambda p: p.build(BUILD), lambda found: (found.project_id, found.quantity), (LAMP, 5)),
    _box("order/all", lambda p: p.orders(), _names, ["SO-1", "SO-2", "SO-3"]),
    _box("id-anything-qr", lambda p: p.labels.qr_code(MCU), lambda image: image[:4], b"\x89PNG"),
    Read(
        "partsbox",
        ("order/get", "order/get-entries"),
        lambda p: p.order(ORDER),
        lambda order: (order.status, [line.quantity for line in order.open_lines]),
        ("ordered", [100, 100, 100, 100]),
    ),
    Read("partium", ("parts/select",), lambda p: p.part("P-3001"), lambda part: part.fields["name"]["de"], "Riemen"),
    Read("partium", ("parts/list",), lambda p: _listed(p.parts()), len, 20),
    Read(
        "partium",
        ("assemblies/select",),
        lambda p: p.assembly("press-belt"),
        lambda assembly: assembly.fields["parent_id"],
        "press-drive",
    ),
    Read("partium", ("assemblies/list",), lambda p: _listed(p.assemblies(("saw",))), list, ["saw-table"]),
    _bom("boms", lambda p: p.boms(), _names, ["Controller board", "Sensor board"]),
    _bom("orderboms", lambda p: p.order_boms(), _names, ["Order 1 Controller board"]),
    _bom("catalogs", lambda p: p.catalogs(), _names, ["Stock items", "Tools"]),
    _bom("propertytables", lambda p: p.property_tables(), _names, ["Stock properties", "Order properties"]),
    _bom("propertytable", lambda p: p.property_table(TABLE), _names, ["Order Quantity", "Received"]),
    _bom("bom", lambda p: p.bom(SENSOR), lambda found: found.rows[1], ("2", "C-1U", None, "3", 3)),
    _bom("catalog", lambda p: p.catalog(TOOLS), lambda found: found.rows[0], ("T-CRIMP", "Crimping tool", "2")),
    Read("partbolt", ("parts/get",), lambda p: p.part(BOLT), lambda part: part["totalQuantity"], 835),
)  # fmt: skip

#: Cases whose command writes by itself.
WRITES = [case for case in CASES.values() if case.kind == case.writer]


def test_every_endpoint_of_every_vendor_is_called() -> None:
    read = {(read.vendor, operation) for read in READS for operation in read.operations}
    written = {(case.vendor, case.operation) for case in WRITES}
    known = {(vendor, name) for vendor, sandbox in SANDBOXES.items() for name in sandbox.operations}

    assert read | written == known - NOT_USED - INVENTED
    assert len(known - INVENTED) == 50 + 8 + 10 + 1


@pytest.mark.parametrize("read", READS, ids=str)
async def test_a_read_is_understood(valkey_server: SharedValkey, read: Read) -> None:
    async with opened(valkey_server.url, []) as played:
        found = await read.ask(played.relay.executors[read.vendor].port)
        requests = played.vendors.of(read.vendor).journal.requests

    assert read.shown(found) == read.wanted
    assert [(request.operation, request.status) for request in requests] == [(name, 200) for name in read.operations]


@dataclass
class Sender:
    """The sender's side of a write that nothing hinders."""

    key: str

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        pass

    def may_leave(self) -> bool:
        return True


@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_a_write_is_carried_out_and_confirmed(valkey_server: SharedValkey, case: Case) -> None:
    async with opened(valkey_server.url, [case]) as played:
        scene = played.scenes[case]
        task, target = task_of(case.kind), Target(played.relay.executors[case.vendor].port, scene.command.key())
        before = await task.before(scene.command, target)
        exchange = await task.send(scene.command, replace(target, image=before.image), Sender(target.key))
        effects = case.effects(played.vendors, scene)
        (request,) = played.vendors.of(case.vendor).journal.requests_of(case.operation)

    assert exchange.status == 200
    assert (len(effects), scene.found()) == (1, scene.wanted)
    assert (request.outcome, request.effects) == ("ok", [effects[0].seq])
