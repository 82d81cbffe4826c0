"""Records that were created, written whole, or deleted, compared with what each vendor shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.boms import SetBomProperty, SetCatalogProperty
from tasks.catalog import Attribute, AttributeValue, DeletePart, UpsertAssembly, UpsertPart
from tasks.part_upsert import UpsertPart as UpsertPartsBoxPart
from tasks.project_entries import AddEntries, DeleteEntries, EntryChange, NewEntry, UpdateEntries
from tasks.projects import CreateProject, DeleteProject, UpdateProject
from tasks.records import State
from tasks.storage import RenameStorage
from tests.conformance.catalogue.case import event
from tests.integration.reconciler_harness import COLLEAGUE, only, put_right, warehouse
from tests.sandbox.openbom import OpenBomSandbox
from tests.sandbox.openbom import id_for as openbom_id
from tests.sandbox.partium import PartiumSandbox
from tests.sandbox.partsbox import PartsBoxSandbox, id_for
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.integration.reconciler_harness import Warehouse

BOARD, STOCK = openbom_id("bom", "Controller board"), openbom_id("catalog", "Stock items")


@pytest.fixture
async def partsbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse") as vendor:
        for entries in vendor.state.history.values():
            for entry in entries:
                entry.timestamp_ms -= 10 * 86_400_000  # long before any comparison
        yield vendor


@pytest.fixture
async def partium() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def openbom() -> AsyncIterator[OpenBomSandbox]:
    async with OpenBomSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def at_partsbox(redis_client: Redis, partsbox: PartsBoxSandbox) -> AsyncIterator[Warehouse]:
    async with warehouse(redis_client, partsbox, settle_seconds=0.2) as opened:
        yield opened


@pytest.fixture
async def at_partium(redis_client: Redis, partium: PartiumSandbox) -> AsyncIterator[Warehouse]:
    async with warehouse(redis_client, partium, settle_seconds=0.2) as opened:
        yield opened


@pytest.fixture
async def at_openbom(redis_client: Redis, openbom: OpenBomSandbox) -> AsyncIterator[Warehouse]:
    async with warehouse(redis_client, openbom, settle_seconds=0.2) as opened:
        yield opened


async def applied(house: Warehouse, *commands: Any) -> list[str]:
    records = await house.apply(*commands)
    assert [record.state for record in records] == [State.APPLIED] * len(records), [one.reason for one in records]
    return [record.key for record in records]


# PartsBox


async def test_a_second_part_of_a_created_name_is_double_and_its_offer_deletes_the_other(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    partsbox.state.unique_part_names = False
    await applied(at_partsbox, UpsertPartsBoxPart(name="Resistor 47k", description="E12", **event()))
    (ours,) = [one for one, part in partsbox.state.parts.items() if part["part/name"] == "Resistor 47k"]
    partsbox.write_as(COLLEAGUE, "part/create", {"part/type": "local", "part/name": "Resistor 47k"})

    found = only(await at_partsbox.reconcile("partsbox"))

    assert (found.finding, found.subject, found.kind) == (Finding.DOUBLE, f"part {ours}", "part.create")
    await put_right(at_partsbox, found)
    assert [one for one, part in partsbox.state.parts.items() if part["part/name"] == "Resistor 47k"] == [ours]


async def test_a_created_part_that_is_gone_is_missing_and_its_offer_creates_it_again(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    await applied(at_partsbox, UpsertPartsBoxPart(name="Resistor 47k", description="E12", **event()))
    (ours,) = [one for one, part in partsbox.state.parts.items() if part["part/name"] == "Resistor 47k"]
    partsbox.state.forget_part(ours)

    found = only(await at_partsbox.reconcile("partsbox"))

    assert (found.finding, [offer.kind for offer in found.offers]) == (Finding.MISSING, ["part.upsert"])
    await put_right(at_partsbox, found)
    (again,) = [part for part in partsbox.state.parts.values() if part["part/name"] == "Resistor 47k"]
    assert again["part/description"] == "E12"


async def test_a_project_with_our_marker_twice_is_double_one_without_is_changed_and_none_is_missing(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    names = ("twice", "unmarked", "gone")
    await applied(at_partsbox, *(CreateProject(name=name, notes="ours", **event()) for name in names))
    ids = {project["project/name"]: one for one, project in partsbox.state.projects.items()}
    copied = {**partsbox.state.projects[ids["twice"]], "project/id": partsbox.state.new_id()}
    partsbox.state.projects[copied["project/id"]] = copied
    partsbox.write_as(COLLEAGUE, "project/update", {"project/id": ids["unmarked"], "project/notes": "ours"})
    del partsbox.state.projects[ids["gone"]]

    report = await at_partsbox.reconcile("partsbox")

    assert {(each.finding, each.subject) for each in report.differences} == {
        (Finding.DOUBLE, f"project {ids['twice']}"),
        (Finding.CHANGED, f"project {ids['unmarked']}"),
        (Finding.MISSING, f"project {ids['gone']}"),
    }
    await put_right(at_partsbox, *report.differences)
    found = [project["project/name"] for project in partsbox.state.projects.values()]
    assert sorted(name for name in found if name in names) == sorted(names)


async def test_what_commands_of_ours_did_later_is_no_difference(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    project = id_for("project", "lamp")
    part = id_for("part", "R-1K")
    new = NewEntry(part_id=part, quantity=2, name="R4")
    await applied(at_partsbox, AddEntries(project_id=project, entries=(new, new), **event()))
    first, second = list(partsbox.state.project_entries[project])[-2:]
    await applied(
        at_partsbox,
        UpdateEntries(
            project_id=project, entries=(EntryChange(entry_id=first, quantity=3, comments="seen"),), **event()
        ),
        DeleteEntries(project_id=project, entry_ids=(second,), **event()),
        CreateProject(name="short-lived", **event()),
    )
    (made,) = [one for one, each in partsbox.state.projects.items() if each["project/name"] == "short-lived"]
    await applied(
        at_partsbox,
        UpdateProject(project_id=made, name="renamed", **event()),
        DeleteProject(project_id=made, **event()),
    )

    report = await at_partsbox.reconcile("partsbox")

    assert (report.compared, report.differences, report.uncompared) == (4, (), ())  # those that still stand


async def test_entries_of_a_project_are_counted_by_our_marker(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    project, part = id_for("project", "lamp"), id_for("part", "R-1K")
    new = NewEntry(part_id=part, quantity=2, name="R4")
    (key,) = await applied(at_partsbox, AddEntries(project_id=project, entries=(new, new), **event()))
    entries = partsbox.state.project_entries[project]
    first, second = list(entries)[-2:]

    copied = {**entries[first], "entry/id": partsbox.state.new_id()}
    entries[copied["entry/id"]] = copied
    found = only(await at_partsbox.reconcile("partsbox"))
    assert (found.finding, found.key) == (Finding.DOUBLE, key)
    await put_right(at_partsbox, found)
    assert copied["entry/id"] not in entries

    del entries[first]
    entries[second]["entry/quantity"] = 7
    report = await at_partsbox.reconcile("partsbox")
    assert sorted((each.finding, each.key) for each in report.differences) == [
        (Finding.CHANGED, key),
        (Finding.MISSING, key),
    ]
    await put_right(at_partsbox, *report.differences)
    assert entries[second]["entry/quantity"] == 2
    assert sum(entry.get("entry/part-id") == part for entry in entries.values()) == 2


async def test_a_project_that_is_gone_takes_its_entries_along_in_one_difference(
    at_partsbox: Warehouse, partsbox: PartsBoxSandbox
) -> None:
    project = id_for("project", "lamp")
    new = NewEntry(part_id=id_for("part", "R-1K"), quantity=2)
    await applied(at_partsbox, *(AddEntries(project_id=project, entries=(new,), **event()) for _ in range(2)))
    partsbox.write_as(COLLEAGUE, "project/delete", {"project/id": project})

    found = only(await at_partsbox.reconcile("partsbox"))

    assert (found.finding, found.subject, len(found.expected)) == (Finding.MISSING, f"project {project}", 2)


async def test_only_the_last_value_of_a_field_counts(at_partsbox: Warehouse, partsbox: PartsBoxSandbox) -> None:
    shelf = id_for("storage", "shelf-1")
    _, last = await applied(
        at_partsbox, *(RenameStorage(storage_id=shelf, name=name, **event()) for name in ("first", "last"))
    )
    assert (await at_partsbox.reconcile("partsbox")).differences == ()

    partsbox.write_as(COLLEAGUE, "storage/rename", {"storage/id": shelf, "storage/name": "first"})

    found = only(await at_partsbox.reconcile("partsbox"))
    assert (found.finding, found.key, found.found) == (Finding.CHANGED, last, {"name": "first"})


# Partium


def catalog_part(part_id: str, name: str = "Lever") -> UpsertPart:
    weight = Attribute(attribute_id="weight", values=(AttributeValue(value={"en": "5 g"}),))
    return UpsertPart(part_id=part_id, name={"en": name}, attributes=(weight,), **event())


async def test_a_catalog_record_that_is_gone_is_missing_and_one_that_someone_wrote_is_changed(
    at_partium: Warehouse, partium: PartiumSandbox
) -> None:
    gone, changed = await applied(at_partium, catalog_part("K-1"), catalog_part("K-2"))
    await applied(
        at_partium, catalog_part("K-3"), UpsertAssembly(ass_id="K", parent_id="", name={"en": "K"}, **event())
    )
    partium.write_as(COLLEAGUE, "parts/delete", ["K-1"])
    partium.write_as(COLLEAGUE, "parts/upsert", [{"part_id": "K-2", "name": {"en": "Hebel"}}])

    report = await at_partium.reconcile("partium")

    assert report.compared == 4
    assert {(each.finding, each.key) for each in report.differences} == {
        (Finding.MISSING, gone),
        (Finding.CHANGED, changed),
    }
    await put_right(at_partium, *report.differences)
    assert (await at_partium.reconcile("partium")).differences == ()


async def test_a_deleted_catalog_record_that_is_back_is_missing_as_it_was_and_foreign_as_another(
    at_partium: Warehouse, partium: PartiumSandbox
) -> None:
    for part_id in ("K-1", "K-2"):
        partium.load.part(part_id, {"en": "Lever"})
    before = partium.state.parts.get("K-1")
    back, another = await applied(at_partium, *(DeletePart(part_id=one, **event()) for one in ("K-1", "K-2")))
    assert (await at_partium.reconcile("partium")).differences == ()
    partium.write_as(COLLEAGUE, "parts/upsert", [before])
    partium.write_as(COLLEAGUE, "parts/upsert", [{"part_id": "K-2", "name": {"en": "Knob"}}])

    report = await at_partium.reconcile("partium")

    assert {(each.finding, each.key, bool(each.offers)) for each in report.differences} == {
        (Finding.MISSING, back, True),
        (Finding.FOREIGN, another, False),
    }


async def test_a_catalog_record_that_was_written_again_after_its_deletion_is_no_difference(
    at_partium: Warehouse,
) -> None:
    await applied(at_partium, catalog_part("K-1"), DeletePart(part_id="K-1", **event()), catalog_part("K-1", "Knob"))

    report = await at_partium.reconcile("partium")

    assert (report.compared, report.differences) == (1, ())


async def test_hundreds_of_catalog_records_are_read_in_a_few_requests(
    at_partium: Warehouse, partium: PartiumSandbox
) -> None:
    commands = [catalog_part(f"K-{number}") for number in range(250)]
    keys = [await at_partium.relay.submit(command) for command in commands]
    for key in keys:
        await at_partium.relay.until(key)
    asked = len(partium.journal.requests_of("parts/select"))

    report = await at_partium.reconcile("partium")

    assert (report.compared, report.differences) == (250, ())
    assert len(partium.journal.requests_of("parts/select")) - asked <= 6


# OpenBOM


async def test_a_row_that_is_gone_is_missing_and_a_second_one_of_its_number_is_double(
    at_openbom: Warehouse, openbom: OpenBomSandbox
) -> None:
    gone, twice = await applied(
        at_openbom,
        SetBomProperty(bom_id=BOARD, part_number="IC-TIMER", property="Quantity", value="25", **event()),
        SetCatalogProperty(catalog_id=STOCK, part_number="J-HDR-10", property="Bin", value="B 7", **event()),
    )
    board, stock = openbom.vendor.documents[BOARD], openbom.vendor.documents[STOCK]
    board.rows.remove(board.first_row(board.column("Part Number"), "IC-TIMER"))
    stock.add_row({"Part Number": "J-HDR-10", "Bin": "B 9"})

    report = await at_openbom.reconcile("openbom")

    assert {(each.finding, each.key) for each in report.differences} == {
        (Finding.MISSING, gone),
        (Finding.DOUBLE, twice),
    }


async def test_a_renumbered_row_is_compared_under_its_new_number(
    at_openbom: Warehouse, openbom: OpenBomSandbox
) -> None:
    row: dict[str, Any] = {"catalog_id": STOCK, "part_number": "J-HDR-10"}
    await applied(
        at_openbom,
        SetCatalogProperty(**row, property="Bin", value="B 7", **event()),
        SetCatalogProperty(**row, property="Part Number", value="J-HDR-11", **event()),
    )
    assert (await at_openbom.reconcile("openbom")).differences == ()

    theirs = {"partNumberPropertyName": "Part Number", "partNumber": "J-HDR-11"}
    openbom.write_as(
        COLLEAGUE, "catalog/propertyvalue", {"id": STOCK, **theirs, "propertyName": "Bin", "propertyValue": "B 9"}
    )

    found = only(await at_openbom.reconcile("openbom"))
    assert (found.finding, found.expected, found.found) == (Finding.CHANGED, {"Bin": "B 7"}, {"Bin": "B 9"})


async def test_a_document_without_the_column_any_more_is_not_compared(
    at_openbom: Warehouse, openbom: OpenBomSandbox
) -> None:
    await applied(
        at_openbom, SetCatalogProperty(catalog_id=STOCK, part_number="J-HDR-10", property="Bin", value="B 7", **event())
    )
    document = openbom.vendor.documents[STOCK]
    document.columns.remove(document.column("Bin"))

    report = await at_openbom.reconcile("openbom")

    assert report.differences == ()
    assert [gap.why for gap in report.uncompared] == ["0 columns have this name"]
