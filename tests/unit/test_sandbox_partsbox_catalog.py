"""The PartsBox sandbox plays every operation of the vendor's document, and every write leaves its trace."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.partsbox import API_KEY, API_USER, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.operations import Read, Write
from tests.sandbox.probe import Probe

CATEGORY = "partsbox.status/category"

READS = (
    "part/get", "part/all", "part/storage", "part/lots", "part/stock", "lot/get", "lot/all", "storage/get",
    "storage/all", "storage/parts", "storage/lots", "project/get", "project/all", "project/get-entries",
    "project/get-builds", "build/get", "order/get", "order/all", "order/get-entries", "id-anything-qr",
    "db/download-all-data",
)  # fmt: skip

WRITES = (
    "part/create", "part/update", "part/delete", "part/add-meta-part-ids", "part/remove-meta-part-ids",
    "part/add-substitute-ids", "part/remove-substitute-ids", "part/update-custom-fields", "part/delete-custom-field",
    "stock/add", "stock/remove", "stock/move", "stock/update", "lot/update", "storage/update", "storage/rename",
    "storage/change-settings", "storage/archive", "storage/restore", "project/create", "project/update",
    "project/delete", "project/add-entries", "project/update-entries", "project/delete-entries", "project/archive",
    "project/restore", "build/update", "order/receive",
)  # fmt: skip

PART = {"part/id": id_for("part", "R-1K")}
OTHER = id_for("part", "R-10K")
META = {"part/id": id_for("part", "R-10K-ANY")}
MCU = {"part/id": id_for("part", "IC-MCU")}
LOT = {"lot/id": id_for("lot", "L-2024-07")}
SHELF = {"storage/id": id_for("storage", "shelf-1")}
PROJECT = {"project/id": id_for("project", "lamp")}
ENTRY = id_for("entry", "lamp/2")
BUILD = {"build/id": id_for("build", "lamp/1")}

#: what is written to whom, for every write of a record; `[cmd:k1]` where people could read it
RECORD_WRITES: list[tuple[str, dict[str, Any], str | None]] = [
    ("part/create", {"part/type": "local", "part/name": "new", "part/notes": "n [cmd:k1]"}, None),
    ("part/update", {**PART, "part/notes": "n [cmd:k1]"}, f"part:{PART['part/id']}"),
    ("part/delete", PART, f"part:{PART['part/id']}"),
    ("part/add-meta-part-ids", {**META, "part/part-ids": [PART["part/id"]]}, f"part:{META['part/id']}"),
    ("part/remove-meta-part-ids", {**META, "part/part-ids": [OTHER]}, f"part:{META['part/id']}"),
    ("part/add-substitute-ids", {**PART, "part/substitute-ids": [OTHER]}, f"part:{PART['part/id']}"),
    ("part/remove-substitute-ids", {**PART, "part/substitute-ids": [OTHER]}, f"part:{PART['part/id']}"),
    (
        "part/update-custom-fields",
        {**MCU, "custom-fields": [{"key": "k", "value": "[cmd:k1]"}]},
        f"part:{MCU['part/id']}",
    ),
    ("part/delete-custom-field", {**MCU, "custom-field-key": "supplier"}, f"part:{MCU['part/id']}"),
    ("lot/update", {**LOT, "lot/comments": "c [cmd:k1]"}, f"lot:{LOT['lot/id']}"),
    ("storage/update", {**SHELF, "storage/description": "d [cmd:k1]"}, f"storage:{SHELF['storage/id']}"),
    ("storage/rename", {**SHELF, "storage/name": "rack [cmd:k1]"}, f"storage:{SHELF['storage/id']}"),
    (
        "storage/change-settings",
        {"ids": [SHELF["storage/id"]], "param": "full?", "value": True},
        f"storage:{SHELF['storage/id']}",
    ),
    ("storage/archive", SHELF, f"storage:{SHELF['storage/id']}"),
    ("storage/restore", SHELF, f"storage:{SHELF['storage/id']}"),
    ("project/create", {"project/name": "new", "project/notes": "n [cmd:k1]"}, None),
    ("project/update", {**PROJECT, "project/notes": "n [cmd:k1]"}, f"project:{PROJECT['project/id']}"),
    ("project/delete", PROJECT, f"project:{PROJECT['project/id']}"),
    (
        "project/add-entries",
        {**PROJECT, "entries": [{"entry/name": "x", "entry/quantity": 1, "entry/comments": "c [cmd:k1]"}]},
        f"project:{PROJECT['project/id']}",
    ),
    (
        "project/update-entries",
        {**PROJECT, "entries": [{"entry/id": ENTRY, "entry/comments": "c [cmd:k1]"}]},
        f"project:{PROJECT['project/id']}",
    ),
    ("project/delete-entries", {**PROJECT, "ids": [ENTRY]}, f"project:{PROJECT['project/id']}"),
    ("project/archive", PROJECT, f"project:{PROJECT['project/id']}"),
    ("project/restore", PROJECT, f"project:{PROJECT['project/id']}"),
    ("build/update", {**BUILD, "build/comments": "c [cmd:k1]"}, f"build:{BUILD['build/id']}"),
]


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as probe:
        yield probe


def test_every_operation_of_the_document_is_played_and_no_other() -> None:
    assert len(READS) + len(WRITES) == 50
    assert {name for name, operation in OPERATIONS.items() if isinstance(operation, Read)} == set(READS)
    assert {name for name, operation in OPERATIONS.items() if isinstance(operation, Write)} == set(WRITES)


def test_every_write_of_a_record_is_tried_here() -> None:
    booked = {"stock/add", "stock/remove", "stock/move", "stock/update", "order/receive"}
    assert {operation for operation, _, _ in RECORD_WRITES} == set(WRITES) - booked


@pytest.mark.parametrize(("operation", "params", "subject"), RECORD_WRITES)
async def test_a_write_leaves_an_effect_with_subject_marker_and_user(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str, params: dict[str, Any], subject: str | None
) -> None:
    assert (await vendor.post(operation, params)).status == 200
    (effect,) = sandbox.journal.effects
    assert (effect.operation, effect.user, effect.request_seq, effect.foreign) == (operation, API_USER, 1, False)
    assert effect.marker == ("[cmd:k1]" if "[cmd:k1]" in str(params) else None)
    assert set(effect.details["before"]) == set(effect.details["after"]) <= set(effect.subjects)
    # What is created has an id that no request could name.
    assert subject in effect.subjects if subject else effect.subjects[0].startswith(operation.partition("/")[0])
    (request,) = sandbox.journal.requests
    assert request.subjects == ([subject] if subject else [])


@pytest.mark.parametrize(("operation", "params"), [row[:2] for row in RECORD_WRITES if row[2]])
async def test_a_write_to_what_is_not_there_is_not_found_and_leaves_no_effect(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str, params: dict[str, Any]
) -> None:
    nobody = id_for("part", "never loaded")
    key = next((name for name in params if name.endswith("/id")), "ids")
    seen = await vendor.post(operation, {**params, key: [nobody] if key == "ids" else nobody})
    assert (seen.status, seen.json[CATEGORY]) == (404, "not-found")
    assert sandbox.journal.effects == []


@pytest.mark.parametrize(("operation", "params"), [row[:2] for row in RECORD_WRITES])
async def test_null_is_no_value_for_any_field(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str, params: dict[str, Any]
) -> None:
    before = copy.deepcopy(sandbox.describe_state())
    for name in params:
        seen = await vendor.post(operation, {**params, name: None})
        assert (seen.status, seen.json[CATEGORY]) == (400, "invalid"), name
    assert sandbox.journal.effects == []
    assert sandbox.describe_state() == before


@pytest.mark.parametrize("operation", [operation for operation in READS if operation != "id-anything-qr"])
async def test_a_read_changes_nothing_and_answers_the_same_twice(
    sandbox: PartsBoxSandbox, vendor: Probe, operation: str
) -> None:
    before = copy.deepcopy(sandbox.describe_state())
    everyone = {**PART, **LOT, **SHELF, **PROJECT, **BUILD, "order/id": id_for("order", "SO-1")}
    given = {name: value for name, value in everyone.items() if name.startswith(operation.partition("/")[0])}
    first, second = [await vendor.send("GET", operation, params=given) for _ in range(2)]
    assert (first.status, first.text) == (200, second.text)
    assert (sandbox.describe_state(), sandbox.journal.effects) == (before, [])


async def test_what_changed_is_told_before_and_after_and_nothing_else(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    change = {**MCU, "part/description": "Controller of the lamp", "part/footprint": "QFN-48", "part/notes": "new"}
    await vendor.post("part/update", change)
    subject = f"part:{MCU['part/id']}"
    assert sandbox.journal.effects[0].details == {
        "before": {subject: {"part/footprint": "QFN-32"}},
        "after": {subject: {"part/footprint": "QFN-48", "part/notes": "new"}},
    }


async def test_stock_and_records_of_a_part_are_kept_under_one_subject(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    await vendor.post("part/update", {**PART, "part/notes": "n"})
    addition = {"stock/part-id": PART["part/id"], "stock/storage-id": SHELF["storage/id"], "stock/quantity": 1}
    await vendor.post("stock/add", addition)
    effects = sandbox.journal.effects_on(f"part:{PART['part/id']}")
    assert [effect.operation for effect in effects] == ["part/update", "stock/add"]
