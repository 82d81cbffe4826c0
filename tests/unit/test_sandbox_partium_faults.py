"""Every fault of the Partium sandbox does what it says: whole requests, single items, maintenance."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.faults import KINDS as SHARED_KINDS
from tests.sandbox.partium import API_KEY, PartiumSandbox
from tests.sandbox.partium.faults import KINDS
from tests.sandbox.probe import Probe

PARTS = "1/catalog/parts"
NUT = {"part_id": "P-9001", "name": {"en": "Nut"}}
BOLT = {"part_id": "P-9002", "name": {"en": "Bolt"}}
MAINTENANCE = {
    "detail": "Catalog manager is in maintenance mode - all processing is suspended "
    "and changes are currently not possible"
}
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartiumSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"Bearer {API_KEY}"}) as probe:
        yield probe


async def send(vendor: Probe) -> Any:
    return (await vendor.post(PARTS, [NUT, BOLT])).json


def stored(sandbox: PartiumSandbox) -> list[str]:
    return [part_id for part_id in ("P-9001", "P-9002") if part_id in sandbox.state.parts]


@pytest.mark.parametrize(("kind", "effects"), [("accept_then_drop", 2), ("drop_before", 0), ("late_commit", 2)])
async def test_a_lost_answer_hits_the_request_with_all_its_items(
    sandbox: PartiumSandbox, vendor: Probe, kind: str, effects: int
) -> None:
    sandbox.faults.add(kind, "parts/upsert")
    with pytest.raises(CUT):
        await vendor.post(PARTS, [NUT, BOLT])
    await sandbox.until_quiet()
    (request,) = sandbox.journal.requests
    assert (len(request.effects), request.outcome, request.subjects) == (effects, kind, ["P-9001", "P-9002"])
    assert (await send(vendor))["updated"] == ["P-9001", "P-9002"][:effects]


async def test_a_dropped_delete_is_sent_twice_by_a_client_that_repeats_on_its_own(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    """vendors.md G8: the caller sees one call, and its answer says that there is nothing to delete."""
    sandbox.faults.add("accept_then_drop", "parts/delete")
    seen = await vendor.send("DELETE", PARTS, json=["P-1001"])
    assert seen.json == {"deleted": [], "errors": {"P-1001": "P-1001 does not exist"}}
    requests = sandbox.journal.requests_of("parts/delete")
    assert [(one.outcome, len(one.effects)) for one in requests] == [("accept_then_drop", 1), ("errors", 0)]


async def test_an_older_upsert_that_lands_late_shows_as_a_lost_update(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("late_commit", "parts/upsert", after="client_left", delay_seconds=0)
    sandbox.faults.add("gate", "parts/upsert", gate="late")
    old = asyncio.create_task(vendor.post(PARTS, [NUT]))
    await sandbox.journal.until_requests(1)
    old.cancel()
    await sandbox.gates["late"].until_arrived()
    await vendor.post(PARTS, [{**NUT, "name": {"en": "Nut M4"}}])
    sandbox.gates["late"].open()
    await sandbox.until_quiet()
    effects = sandbox.journal.effects_on("P-9001")
    assert [effect.request_seq for effect in effects] == [2, 1]
    assert [effect.details["after"]["name"]["en"] for effect in effects] == ["Nut M4", "Nut"]
    assert effects[1].details["before"] == effects[0].details["after"]


async def test_a_duplicate_commit_writes_every_item_twice_and_answers_once(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("duplicate_commit", "parts/upsert")
    assert (await send(vendor))["created"] == ["P-9001", "P-9002"]
    done = [(effect.subjects, effect.details["done"]) for effect in sandbox.journal.effects]
    assert done == [
        (("P-9001",), "created"),
        (("P-9002",), "created"),
        (("P-9001",), "updated"),
        (("P-9002",), "updated"),
    ]


@pytest.mark.parametrize(("place", "name"), [("before_commit", "Nut"), ("after_commit", "Nut (colleague)")])
async def test_a_second_writer_gives_the_same_part_another_name(
    sandbox: PartiumSandbox, vendor: Probe, place: str, name: str
) -> None:
    sandbox.faults.add("second_writer", "parts/upsert", place=place, user="anna")
    await vendor.post(PARTS, [NUT])
    foreign = [effect for effect in sandbox.journal.effects if effect.foreign]
    assert [(effect.user, effect.details["after"]["name"]) for effect in foreign] == [
        ("anna", {"en": "Nut (colleague)"})
    ]
    assert sandbox.state.parts.get("P-9001") == {"part_id": "P-9001", "name": {"en": name}}
    assert len(sandbox.journal.own_effects()) == 1


async def test_a_second_writer_deletes_first(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("second_writer", "parts/delete", place="before_commit")
    seen = await vendor.send("DELETE", PARTS, json=["P-1001"])
    assert list(seen.json["errors"]) == ["P-1001"]
    assert [effect.foreign for effect in sandbox.journal.effects] == [True]


@pytest.mark.parametrize("commit", [False, True])
async def test_a_503_that_is_no_maintenance_may_have_committed(
    sandbox: PartiumSandbox, vendor: Probe, *, commit: bool
) -> None:
    sandbox.faults.add("status", "parts/upsert", status=503, commit=commit, retry_after="seconds")
    seen = await vendor.post(PARTS, [NUT])
    assert (seen.status, seen.headers["Retry-After"]) == (503, "1")
    assert seen.json != MAINTENANCE
    assert len(sandbox.journal.effects) == commit


@pytest.mark.parametrize("commit", [False, True])
async def test_an_id_can_be_left_out_of_the_answer_whether_or_not_it_was_stored(
    sandbox: PartiumSandbox, vendor: Probe, *, commit: bool
) -> None:
    sandbox.faults.add("item_left_out", "parts/upsert", id="P-9002", commit=commit)
    assert await send(vendor) == {"created": ["P-9001"], "updated": [], "errors": {}}
    assert stored(sandbox) == (["P-9001", "P-9002"] if commit else ["P-9001"])


@pytest.mark.parametrize("commit", [False, True])
async def test_an_id_can_be_among_the_errors_once(sandbox: PartiumSandbox, vendor: Probe, *, commit: bool) -> None:
    sandbox.faults.add("item_in_errors", "parts/upsert", id="P-9001", message="busy", commit=commit)
    assert await send(vendor) == {"created": ["P-9002"], "updated": [], "errors": {"P-9001": "busy"}}
    assert stored(sandbox) == (["P-9001", "P-9002"] if commit else ["P-9002"])
    assert (await send(vendor))["errors"] == {}


async def test_a_fault_of_one_item_waits_for_a_request_with_that_item(sandbox: PartiumSandbox, vendor: Probe) -> None:
    fault = sandbox.faults.add("item_in_errors", id="P-900")
    await send(vendor)
    await vendor.post(f"{PARTS}/select", {"part_ids": ["P-900"]})
    assert fault.fired == 0
    seen = await vendor.send("DELETE", PARTS, json=["P-9001", "P-900"])
    assert (seen.json["errors"], fault.fired) == ({"P-900": "try again"}, 1)


async def test_a_fault_of_one_item_takes_the_first_when_it_names_none(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("item_left_out", "parts/delete")
    seen = await vendor.send("DELETE", PARTS, json=["P-1001", "P-1002"])
    assert seen.json == {"deleted": ["P-1002"], "errors": {}}
    assert "P-1001" not in sandbox.state.parts


async def test_a_left_out_item_that_is_wrong_is_still_an_error(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("item_left_out", "parts/upsert", id="P-9001")
    assert list((await vendor.post(PARTS, [{"part_id": "P-9001"}])).json["errors"]) == ["P-9001"]


async def test_item_faults_combine_with_those_of_the_commit_and_the_answer(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("delay", "parts/upsert", delay_seconds=0)
    for kind in ("accept_then_drop", "item_left_out", "duplicate_commit"):
        sandbox.faults.add(kind, "parts/upsert")
    with pytest.raises(CUT):
        await vendor.post(PARTS, [NUT])
    assert sandbox.journal.requests[0].faults == ["delay", "item_left_out", "duplicate_commit", "accept_then_drop"]
    assert len(sandbox.journal.effects) == 2


async def test_maintenance_suspends_writes_and_lets_reads_work(sandbox: PartiumSandbox, vendor: Probe) -> None:
    async with Probe.to(sandbox.root_url + "/_sandbox") as control:
        await control.post("maintenance", {"on": True})
        refused = [
            await vendor.send(method, f"1/catalog/{noun}", json=[])
            for method in ("POST", "DELETE")
            for noun in ("parts", "assemblies")
        ]
        reads = [await vendor.post(f"{PARTS}/select", {"part_ids": []})]
        reads += [
            await vendor.post(f"1/catalog/{noun}/list", {"paging": {"limit": 1}}) for noun in ("parts", "assemblies")
        ]
        await control.post("maintenance", {"on": False})
    assert [(seen.status, seen.json) for seen in refused] == [(503, MAINTENANCE)] * 4
    assert not any("Retry-After" in seen.headers for seen in refused)
    assert [seen.status for seen in reads] == [200] * 3
    assert (await send(vendor))["created"] == ["P-9001", "P-9002"]
    assert sandbox.journal.requests[0].outcome == "maintenance"


async def test_maintenance_can_say_how_long(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.state.maintenance.on, sandbox.state.maintenance.retry_after_seconds = True, 90
    seen = await vendor.post(PARTS, [NUT])
    assert (seen.status, seen.headers["Retry-After"]) == (503, "90")


async def test_a_maintenance_window_ends_after_so_many_writes(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("maintenance", count=2, retry_after="seconds", retry_after_seconds=7)
    first = await vendor.post(PARTS, [NUT])
    assert (first.status, first.json, first.headers["Retry-After"]) == (503, MAINTENANCE, "7")
    assert (await vendor.post(f"{PARTS}/select", {"part_ids": []})).status == 200
    assert [(await vendor.post(PARTS, [NUT])).status for _ in range(2)] == [503, 200]
    assert len(sandbox.journal.effects) == 1


async def test_select_can_answer_more_than_was_asked(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("stranger")
    seen = await vendor.post(f"{PARTS}/select", {"part_ids": ["P-1001"]})
    assert [part["part_id"] for part in seen.json] == ["P-1001", "nobody-asked"]


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [("", [NUT], []), ("/list", {"paging": {"limit": 1}}, []), ("/select", {"part_ids": []}, {})],
)
async def test_an_answer_can_have_a_wrong_shape(
    sandbox: PartiumSandbox, vendor: Probe, path: str, body: Any, shape: Any
) -> None:
    sandbox.faults.add("wrong_shape")
    seen = await vendor.post(PARTS + path, body)
    assert (seen.status, seen.json) == (200, shape)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("maintenance", "parts/list"), ("item_left_out", "parts/select"), ("stranger", "parts/list"), ("hang", "parts")],
)
def test_a_fault_that_could_never_hit_is_refused(kind: str, operation: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PartiumSandbox().faults.add(kind, operation)


def test_this_vendor_has_every_shared_kind() -> None:
    assert KINDS.keys() >= SHARED_KINDS.keys()
    assert PartiumSandbox.answers.keys() == {name for name, kind in KINDS.items() if kind.stage == "outcome"}


def test_every_kind_and_control_call_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "sandbox" / "README.md").read_text(encoding="utf-8")
    calls = [f"{method} {path.strip('/')}" for method, path in PartiumSandbox().control_calls()]
    assert [name for name in (*KINDS, *calls) if f"`{name}`" not in readme] == []
