"""The Partium sandbox counts right: journal, catalog status, control API, and the same as a process."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.partium import API_KEY, API_USER, LimitRules, PartiumSandbox
from tests.sandbox.probe import Probe

AUTHORIZED = {"Authorization": f"Bearer {API_KEY}"}
PARTS = "1/catalog/parts"
NUT = {"part_id": "P-9001", "name": {"en": "Nut"}}
BOLT = {"part_id": "P-9002", "name": {"en": "Bolt"}}


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartiumSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, AUTHORIZED) as probe:
        yield probe


@pytest.fixture
async def control(sandbox: PartiumSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.root_url + "/_sandbox") as probe:
        yield probe


async def test_there_is_one_effect_per_item_with_what_was_and_what_is(vendor: Probe, control: Probe) -> None:
    await vendor.post(PARTS, [NUT, {"part_id": "P-1001", "name": {"en": "Screw"}}, {"part_id": "P-9003"}])
    await vendor.send("DELETE", PARTS, json=["P-9001"])
    journal = (await control.send("GET", "journal?effects=3")).json
    created, updated, deleted = journal["effects"]
    assert [one["subjects"] for one in journal["effects"]] == [["P-9001"], ["P-1001"], ["P-9001"]]
    assert [one["operation"] for one in journal["effects"]] == ["parts/upsert", "parts/upsert", "parts/delete"]
    assert [(one["seq"], one["request_seq"], one["user"]) for one in journal["effects"]] == [
        (1, 1, API_USER),
        (2, 1, API_USER),
        (3, 2, API_USER),
    ]
    assert created["details"] == {"done": "created", "before": None, "after": NUT}
    assert (updated["details"]["done"], updated["details"]["before"]["name"]["de"]) == ("updated", "Schraube M3x8")
    assert updated["details"]["after"]["attributes"] == updated["details"]["before"]["attributes"]
    assert deleted["details"] == {"done": "deleted", "before": NUT, "after": None}
    assert [(one["outcome"], one["effects"]) for one in journal["requests"]] == [("errors", [1, 2]), ("ok", [3])]


async def test_the_journal_keeps_what_was_stored_then(sandbox: PartiumSandbox, vendor: Probe) -> None:
    for name in ("Nut", "Nut M3", "Nut M4"):
        await vendor.post(PARTS, [{**NUT, "name": {"en": name}}])
    names = [effect.details["after"]["name"]["en"] for effect in sandbox.journal.effects_on("P-9001")]
    assert names == ["Nut", "Nut M3", "Nut M4"]


async def test_every_request_is_in_the_journal_without_its_key(
    sandbox: PartiumSandbox, vendor: Probe, control: Probe
) -> None:
    await vendor.post(f"{PARTS}/select", {"part_ids": ["P-1001", "P-1002"]})
    await vendor.post(PARTS, [NUT], headers={"Authorization": "Bearer secret-of-someone"})
    read, stranger = sandbox.journal.requests
    assert (read.operation, read.subjects, read.outcome) == ("parts/select", ["P-1001", "P-1002"], "ok")
    assert (stranger.operation, stranger.outcome, stranger.status) == ("parts/upsert", "unauthorized", 401)
    text = (await control.send("GET", "journal")).text
    assert (API_KEY in text, "secret" in text) == (False, False)


async def test_overlapping_writes_of_one_part_are_counted(sandbox: PartiumSandbox, vendor: Probe) -> None:
    for _ in range(3):
        await vendor.post(PARTS, [NUT])
    assert sandbox.limits.max_writes_in_flight_per_subject == 1
    sandbox.faults.add("gate", count=None)
    calls = asyncio.gather(
        vendor.post(PARTS, [NUT, BOLT]),
        vendor.send("DELETE", PARTS, json=["P-9001"]),
        vendor.post(f"{PARTS}/select", {"part_ids": ["P-9001"]}),
    )
    await sandbox.gates["gate"].until_arrived(3)
    sandbox.gates["gate"].open()
    await calls
    assert (sandbox.limits.max_in_flight, sandbox.limits.max_writes_in_flight_per_subject) == (3, 2)


async def test_too_fast_is_noted_and_only_refused_when_told() -> None:
    rules = LimitRules(rate_per_second=0.01, burst=2)
    async with PartiumSandbox.running(limit_rules=rules) as sandbox, Probe.to(sandbox.url, AUTHORIZED) as vendor:
        assert [(await vendor.post(PARTS, [NUT])).status for _ in range(3)] == [200] * 3
        assert [violation.request_seq for violation in sandbox.limits.violations] == [3]


async def test_what_was_written_can_be_searched_only_after_the_import(vendor: Probe, control: Probe) -> None:
    assert (await control.send("GET", "state")).json["catalog"]["status"] == "clean"
    await vendor.post(PARTS, [NUT])
    staged = (await control.send("GET", "state")).json["catalog"]
    assert (staged["status"], staged["staged"], staged["imported"]) == ("processing", ["P-9001"], [])
    steps = ("data_to_import", "importing", "clean")
    moved = [(await control.post("catalog-status", {"status": status})).json for status in steps]
    assert [one["status"] for one in moved] == list(steps)
    assert [one["imported"] for one in moved] == [[], [], ["P-9001"]]


async def test_a_status_that_does_not_come_next_is_refused(vendor: Probe, control: Probe) -> None:
    assert (await control.post("catalog-status", {"status": "processing"})).status == 409
    await vendor.post(PARTS, [NUT])
    assert (await control.post("catalog-status", {"status": "importing"})).status == 409


async def test_writes_before_the_import_are_processed_again(vendor: Probe, control: Probe) -> None:
    await vendor.post(PARTS, [NUT])
    await control.post("catalog-status", {"status": "data_to_import"})
    await vendor.post(PARTS, [BOLT])
    assert (await control.send("GET", "state")).json["catalog"]["status"] == "processing"


async def test_writes_during_an_import_wait_for_the_next(vendor: Probe, control: Probe) -> None:
    await vendor.post(PARTS, [NUT])
    for status in ("data_to_import", "importing"):
        await control.post("catalog-status", {"status": status})
    await vendor.post(PARTS, [BOLT])
    after = (await control.post("catalog-status", {"status": "clean"})).json
    assert (after["status"], after["imported"], after["staged"]) == ("processing", ["P-9001"], ["P-9002"])


async def test_a_request_that_changes_nothing_leaves_the_catalog_clean(vendor: Probe, control: Probe) -> None:
    await vendor.post(PARTS, [{"part_id": "P-9001"}])
    assert (await control.send("GET", "state")).json["catalog"]["status"] == "clean"


async def test_the_control_api_loads_a_fixture(vendor: Probe, control: Probe) -> None:
    fixture = {
        "languages": ["en", "it"],
        "organizations": ["org-west"],
        "attributes": [{"attribute_id": "thread", "type": "text", "per_org_values": True}],
        "users": [{"name": "station", "key": "sandbox-partium-key-0002", "denied": ["parts/delete"]}],
        "parts": [{"part_id": "P-1", "name": {"it": "Dado"}}],
        "assemblies": [{"ass_id": "A-1", "parent_id": "", "name": {"en": "Cart"}}],
        "assignments": [{"part_id": "P-1", "ass_id": "A-1"}],
        "images": [{"image_id": "I-9", "part_id": "P-1"}],
    }
    assert (await control.post("fixture", fixture)).json == {"parts": ["P-1"], "assemblies": ["A-1"]}
    thread = {"attribute_id": "thread", "values": [{"organization": "org-west", "value": {"it": "M3"}}]}
    seen = await vendor.post(PARTS, [{"part_id": "P-1", "attributes": [thread]}])
    assert seen.json["updated"] == ["P-1"]
    assert list((await vendor.send("DELETE", PARTS, json=["P-1"])).json["errors"]) == ["P-1"]
    station = {"Authorization": "Bearer sandbox-partium-key-0002"}
    assert (await vendor.send("DELETE", PARTS, json=["P-1"], headers=station)).status == 403
    state = (await control.send("GET", "state")).json
    assert (state["assignments"]["P-1"], state["images"]["I-9"]) == (["A-1"], "P-1")


async def test_the_warehouse_has_twenty_parts_and_a_tree_of_three_levels(control: Probe) -> None:
    state = (await control.send("GET", "state")).json
    parents = {one["ass_id"]: one["parent_id"] for one in state["assemblies"]}
    assert len(state["parts"]) == 20
    assert parents[parents[parents["press-motor"]]] == ""
    assert list(state["images"].values()) == ["P-4001"]


async def test_a_colleague_can_write_through_the_control_api(sandbox: PartiumSandbox, control: Probe) -> None:
    seen = await control.post("write", {"operation": "parts/upsert", "params": [NUT], "user": "anna"})
    assert [(one["user"], one["foreign"], one["request_seq"]) for one in seen.json] == [("anna", True, None)]
    seen = await control.post("write", {"operation": "parts/delete", "params": ["P-1001", "P-9001"]})
    assert [(one["seq"], one["user"]) for one in seen.json] == [(2, "colleague"), (3, "colleague")]
    for operation, params in (("parts/delete", ["P-4001"]), ("parts/explode", []), ("parts/upsert", {})):
        assert (await control.post("write", {"operation": operation, "params": params})).status == 409
    assert (len(sandbox.journal.effects), sandbox.journal.own_effects(), sandbox.journal.requests) == (3, [], [])


async def test_readings_of_the_document_can_be_changed(vendor: Probe, control: Probe) -> None:
    await control.post("assumptions", {"statuses": {"invalid": 400}, "most_items": 1})
    assert (await vendor.post(PARTS, {})).status == 400
    assert (await vendor.post(PARTS, [NUT, BOLT])).status == 413
    for wrong in ({"error_shape": "number"}, {"colour": "red"}):
        assert (await control.post("assumptions", wrong)).status == 400


async def test_who_follows_a_redirect_is_in_the_journal(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.faults.add("redirect", "parts/upsert", status=307)
    seen = await vendor.post(PARTS, [NUT])
    assert (seen.status, sandbox.journal.requests_of("redirect-target")) == (307, [])
    await vendor.send("POST", seen.headers["Location"].lstrip("/"), json=[NUT])
    assert len(sandbox.journal.requests_of("redirect-target")) == 1
    assert sandbox.journal.effects == []


async def test_the_process_serves_and_leaves_cleanly_on_sigterm(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    options = "--rate 5/s --burst 5 --concurrency 2 --enforce --read-latency-ms 1-2 --write-latency-ms 2-3"
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sandbox.partium", "--ready-file", str(ready_file)),
        *("--seed-fixture", "warehouse", *options.split()),
        cwd=Path(__file__).parents[2],
    )
    try:
        async with asyncio.timeout(30):
            while not ready_file.exists():
                assert running.returncode is None
                await asyncio.sleep(0.02)
        ready: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
        async with Probe.to(ready["url"], AUTHORIZED) as vendor, Probe.to(ready["control_url"]) as control:
            assert (await vendor.post(PARTS, [NUT])).json["created"] == ["P-9001"]
            limits = (await control.send("GET", "limits")).json
        rules = {"rate_per_second": 5, "burst": 5, "concurrency": 2, "enforce": True, "jitter_seconds": 0.05}
        assert (limits["rules"], limits["requests"]) == (rules, 1)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 20) == 0
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
