"""Commands that become commands at several vendors: the parent ends with its children, and each child once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tasks.cad import ImportPart
from tasks.catalog import Attribute, AttributeValue, UpsertPart
from tasks.orders import ReceiveOrder
from tasks.part_upsert import UpsertPart as UpsertNamedPart
from tasks.projects import CreateProject
from tasks.records import State
from tasks.registry import expansion_of
from tasks.routes import ROUTING
from tasks.submit import to_new_command
from tasks.task import Target
from tests.conformance.catalogue import CASES, ROUTES, Vendors
from tests.conformance.catalogue.case import event
from tests.conformance.catalogue.routed import STOCK
from tests.conformance.rounds import SETTLE_SECONDS, TIMEOUT_SECONDS, opened, reopening
from tests.relay import consuming, running_relay
from tests.sandbox.partbolt import id_for as partbolt_id
from tests.sandbox.partsbox import id_for
from workers.work import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.conformance.rounds import Round
    from tests.conftest import SharedValkey
    from tests.relay import Relay

NAME = "D-SIGNAL"


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors.running() as running:
        yield running


@pytest.fixture
async def relay(redis_client: Redis, vendors: Vendors) -> AsyncIterator[Relay]:
    async with running_relay(
        redis_client,
        vendors.partsbox,
        vendors.partium,
        vendors.openbom,
        vendors.partbolt,
        routes=ROUTES,
        settle_seconds=SETTLE_SECONDS,
        timeout_seconds=TIMEOUT_SECONDS,
    ) as running:
        yield running


def a_part() -> UpsertPart:
    weight = Attribute(attribute_id="weight", values=(AttributeValue(value={"en": "5 g"}),))
    return UpsertPart(part_id="N-1", name={"en": NAME}, attributes=(weight,), **event())


def child_of(parent: CommandRecord, vendor: str) -> str:
    (key,) = (name.partition(":")[2] for name in parent.children if name.startswith(f"{vendor}:"))
    return key


def bins(vendors: Vendors) -> list[Any]:
    return vendors.openbom.vendor.documents[STOCK].values(NAME, "Bin")


def writes(vendors: Vendors) -> dict[str, int]:
    return {name: len(vendors.of(name).journal.own_effects()) for name in ("partium", "partsbox", "openbom")}


# the parent


async def test_a_catalog_part_is_applied_when_every_vendor_has_it(relay: Relay, vendors: Vendors) -> None:
    gate = vendors.openbom.faults.add("gate", "catalog/propertyvalue", gate="last")

    accepted = await relay.submitter.submit(a_part())
    await vendors.openbom.gates["last"].until_arrived(1)
    while (record := await relay.until(accepted.key, State.WAITING)).done < 2:
        pass
    vendors.openbom.gates["last"].open()
    ended = await relay.until(accepted.key)

    assert (accepted.kind, gate.fired) == ("catalog.route_part", 1)
    assert (record.total, record.reason) == (3, "2/3 done")
    assert (ended.state, ended.done, ended.failed) == (State.APPLIED, 3, 0)
    assert writes(vendors) == {"partium": 1, "partsbox": 1, "openbom": 1}


async def test_a_child_that_is_rejected_and_discarded_rejects_its_parent(relay: Relay, vendors: Vendors) -> None:
    vendors.openbom.faults.add("status", "catalog/propertyvalue", status=400)

    key = await relay.submit(a_part())
    parent = await relay.until(key, State.WAITING)
    child = child_of(parent, "openbom")
    assert (await relay.until(child)).state is State.REJECTED
    waiting = await relay.find(key)
    assert waiting is not None
    assert waiting.state is State.WAITING

    await relay.ledger_of("openbom").discard(child, by="anna", reason="not in this catalog")
    ended = await relay.until(key)

    assert (ended.state, ended.done, ended.failed) == (State.REJECTED, 3, 1)
    assert writes(vendors) == {"partium": 1, "partsbox": 1, "openbom": 0}


async def test_a_child_that_is_replayed_lets_its_parent_be_applied(relay: Relay, vendors: Vendors) -> None:
    vendors.openbom.faults.add("status", "catalog/propertyvalue", status=400)
    key = await relay.submit(a_part())
    child = child_of(await relay.until(key, State.WAITING), "openbom")
    assert (await relay.until(child)).state is State.REJECTED

    await relay.ledger_of("openbom").replay(child, by="anna")

    assert (await relay.until(key)).state is State.APPLIED
    assert bins(vendors) == ["5 g"]


async def test_one_vendor_that_is_closed_holds_up_no_other(relay: Relay, vendors: Vendors) -> None:
    await relay.limiter_of("partium").pause(None, "stocktaking")

    key = await relay.submit(a_part())
    parent = await relay.until(key, State.WAITING)
    for vendor in ("partsbox", "openbom"):
        assert (await relay.until(child_of(parent, vendor))).state is State.APPLIED
    assert writes(vendors) == {"partium": 0, "partsbox": 1, "openbom": 1}

    await relay.limiter_of("partium").resume()
    assert (await relay.until(key)).state is State.APPLIED


async def test_a_part_whose_name_two_parts_have_is_refused_at_that_vendor_alone(relay: Relay, vendors: Vendors) -> None:
    vendors.partsbox.state.unique_part_names = False
    twins = [vendors.partsbox.load.part(NAME, id_for("part", f"twin {number}")) for number in range(2)]

    key = await relay.submit(a_part())
    child = child_of(await relay.until(key, State.WAITING), "partsbox")
    record = await relay.until(child)

    assert record.state is State.REJECTED
    # which one is meant is for a person to say
    assert all(twin in record.reason for twin in twins)
    assert writes(vendors)["partsbox"] == 0


# crashes of the worker that makes the children


async def died_between_admitting_and_expanding(played: Round, name: str) -> None:
    """Claim a parent, admit its children at the other vendors, and never come back."""
    case = CASES[name]
    key, command = await played.admit(case), played.scenes[case].command
    executor = played.relay.executors[command.vendor]
    claim = await executor.leases.ledger.claim(key, "dead", 30)
    assert claim.record is not None
    expansion = expansion_of(command.kind)
    assert expansion is not None
    target = Target(executor.port, key, routes=ROUTES)
    work = Work(claim.record, "dead", command, target)
    with executor.leases.held(key, "dead", executor.leases.clock()):
        assert await executor._admit_elsewhere(work, await expansion.children(command, target))
    await executor.leases.ledger.renew({key: "dead"}, 0.01)


@pytest.mark.parametrize("name", ["catalog.route_part", "cad.import_part"])
async def test_a_worker_that_dies_between_its_children_and_their_parent_makes_each_child_once(
    valkey_server: SharedValkey, name: str
) -> None:
    case = CASES[name]
    async with opened(valkey_server.url, [case]) as played:
        await died_between_admitting_and_expanding(played, name)
        async with consuming(played.relay):
            seen = await played.ended(case)
            parent = await played.relay.find(played.scenes[case].command.key())

    assert parent is not None
    assert (seen.parent, seen.found, parent.total, parent.done) == (State.APPLIED, seen.wanted, 3, 3)
    assert writes(played.vendors) == {"partium": 1, "partsbox": 1, "openbom": 1}


async def test_children_that_end_before_their_parent_knows_them_are_counted(valkey_server: SharedValkey) -> None:
    case = CASES["catalog.route_part"]
    async with opened(valkey_server.url, [case]) as played:
        await died_between_admitting_and_expanding(played, case.name)
        parent = played.relay.executors.pop(ROUTING)
        async with consuming(played.relay):
            for sandbox in (played.vendors.partium, played.vendors.partsbox, played.vendors.openbom):
                await sandbox.journal.until_effects(1)
            while any([await played.relay.ledger_of(name).closings() for name in played.relay.executors]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        played.relay.executors[ROUTING] = parent
        async with consuming(played.relay):
            seen = await played.ended(case)

    assert (seen.parent, seen.found) == (State.APPLIED, seen.wanted)
    assert writes(played.vendors) == {"partium": 1, "partsbox": 1, "openbom": 1}


# reads of commands that become others, or that read a whole list

READS: dict[str, tuple[str, str, Command]] = {
    "order.receive": (
        "partsbox",
        "order/get",
        ReceiveOrder(order_id=id_for("order", "SO-1"), storage_id=id_for("storage", "shelf-1"), **event()),
    ),
    "part.upsert": ("partsbox", "part/all", UpsertNamedPart(name="new part", description="x", **event())),
    "project.create": ("partsbox", "project/all", CreateProject(name="new project", **event())),
    "cad.import_part": ("partbolt", "parts/get", ImportPart(item_id=partbolt_id("part", "LED-RED"), **event())),
}
FAILURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("garbage", {}),
    ("truncated", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "body": "html", "retry_after": "zero"}),
    ("status", {"status": 429}),
    ("status", {"status": 401}),
    ("status", {"status": 402}),
    ("redirect", {}),
)


@pytest.mark.parametrize("kind", READS)
async def test_whatever_a_first_read_answers_the_command_is_applied_once_it_is_answered(
    relay: Relay, vendors: Vendors, kind: str
) -> None:
    vendor, operation, command = READS[kind]
    switches = [vendors.of(vendor).faults.add(fault, operation, **options) for fault, options in FAILURES]

    async with reopening(relay):
        record = await relay.until(await relay.submit(replaced(command)))

    assert [switch.fired for switch in switches] == [1] * len(FAILURES)
    assert record.state is State.APPLIED, record.reason
    assert record.waits >= 4
    assert not record.doubted


def replaced(command: Command) -> Command:
    """Give the same command as another event."""
    return command.model_copy(update=event())


# input that only a read can judge


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 404}, "item_id: there is no part"),
        ({"status": 400}, "One or more of the request parameters were invalid"),
    ],
)
async def test_a_part_that_partbolt_does_not_give_is_a_dead_letter_with_its_words(
    relay: Relay, vendors: Vendors, fault: dict[str, Any], words: str
) -> None:
    vendors.partbolt.faults.add("status", "parts/get", **fault)

    record = await relay.until(await relay.submit(ImportPart(item_id="0000000000", **event())))

    assert (record.state, record.total) == (State.REJECTED, 0)
    assert words in record.reason
    assert writes(vendors) == {"partium": 0, "partsbox": 0, "openbom": 0}


async def test_a_part_without_what_the_routes_need_is_a_dead_letter_that_names_the_place(
    relay: Relay, vendors: Vendors
) -> None:
    nameless = vendors.partbolt.load.part("", code="AAAAAAAAAA")

    record = await relay.until(await relay.submit(ImportPart(item_id=nameless, **event())))

    assert (record.state, record.total) == (State.REJECTED, 0)
    assert "imports.partbolt.name" in record.reason


async def test_an_import_without_a_mapping_says_what_to_write_into_the_routes_file(
    valkey_server: SharedValkey,
) -> None:
    case = CASES["cad.import_part"]
    async with opened(valkey_server.url, [case]) as played:
        executor = played.relay.executors["partbolt"]
        executor.routes = replace_imports(executor.routes)
        key = await played.admit(case)
        async with consuming(played.relay):
            record = await played.relay.until(key)

    assert record.state is State.REJECTED
    assert "imports.partbolt: missing in the routes file" in record.reason


def replace_imports(routes: Any) -> Any:
    return routes.model_copy(update={"imports": routes.imports.model_copy(update={"partbolt": None})})


async def test_the_same_catalog_part_submitted_again_is_the_same_parent(relay: Relay, vendors: Vendors) -> None:
    part = a_part()
    first = await relay.submitter.submit(part)
    assert (await relay.until(first.key)).state is State.APPLIED

    again = await relay.submitter.submit(part)
    (admission,) = await relay.ledger_of(ROUTING).admit([to_new_command(part, first.key, "again")])

    assert (again.key, again.duplicate, admission.fresh) == (first.key, True, False)
    assert writes(vendors) == {"partium": 1, "partsbox": 1, "openbom": 1}
