"""Storages and lots of the PartsBox sandbox are changed as its document says."""

from typing import Any

import pytest

from tests.sandbox.partsbox import PartsBoxSandbox, id_for
from tests.sandbox.probe import Probe
from tests.unit.partsbox_answers import assert_refused

SHELF, OTHER_SHELF, DRAWER = (id_for("storage", name) for name in ("shelf-1", "shelf-2", "drawer-1"))
PART = id_for("part", "R-1K")
LOT = id_for("lot", "L-2024-07")


async def storage(vendor: Probe, storage_id: str = SHELF) -> dict[str, Any]:
    found: dict[str, Any] = (await vendor.post("storage/get", {"storage/id": storage_id})).json["data"]
    return found


def setting(ids: Any, param: Any = "full?", *, value: Any = True) -> dict[str, Any]:
    return {"ids": ids, "param": param, "value": value}


async def test_only_description_and_tags_of_a_storage_are_updated(vendor: Probe) -> None:
    change = {"storage/id": SHELF, "storage/description": "left", "storage/tags": ["a", "b"]}
    assert (await vendor.post("storage/update", {**change, "storage/name": "x", "storage/full?": True})).status == 200
    assert await storage(vendor) == {**change, "storage/name": "shelf-1"}
    await vendor.post("storage/update", {"storage/id": SHELF, "storage/tags": []})
    assert await storage(vendor) == {**change, "storage/name": "shelf-1", "storage/tags": []}


@pytest.mark.parametrize("wrong", [{"storage/tags": ["a b"]}, {"storage/tags": [1]}, {"storage/description": 1}])
async def test_a_wrong_field_of_a_storage_is_invalid(vendor: Probe, wrong: dict[str, Any]) -> None:
    assert_refused(await vendor.post("storage/update", {"storage/id": SHELF, **wrong}), 400, "invalid")


async def test_a_storage_is_renamed_unless_another_has_the_name(vendor: Probe) -> None:
    for _ in range(2):
        assert (await vendor.post("storage/rename", {"storage/id": SHELF, "storage/name": "rack"})).status == 200
    assert (await storage(vendor))["storage/name"] == "rack"
    await vendor.post("storage/archive", {"storage/id": OTHER_SHELF})
    for name in ("bag", "shelf-2"):
        seen = await vendor.post("storage/rename", {"storage/id": SHELF, "storage/name": name})
        assert_refused(seen, 409, "conflict")
    assert (await vendor.post("storage/rename", {"storage/id": DRAWER, "storage/name": "shelf-1"})).status == 200


@pytest.mark.parametrize(("taken", "status"), [(False, 200), (True, 409)])
async def test_whether_a_storage_can_be_renamed_to_the_name_it_has_is_an_assumption(
    sandbox: PartsBoxSandbox, vendor: Probe, status: int, *, taken: bool
) -> None:
    sandbox.assumptions.own_name_is_taken = taken
    seen = await vendor.post("storage/rename", {"storage/id": SHELF, "storage/name": "shelf-1"})
    assert seen.status == status
    assert len(sandbox.journal.effects) == (status == 200)


@pytest.mark.parametrize("name", [..., "", " ", 7])
async def test_a_storage_needs_a_name(vendor: Probe, name: Any) -> None:
    given = {} if name is ... else {"storage/name": name}
    assert_refused(await vendor.post("storage/rename", {"storage/id": SHELF, **given}), 400, "invalid")


@pytest.mark.parametrize("prefix", ["", "storage/"])
@pytest.mark.parametrize("param", ["full?", "single-part?", "existing-parts-only?"])
async def test_a_setting_is_changed_for_every_storage_named_in_either_spelling(
    vendor: Probe, param: str, prefix: str
) -> None:
    for value in (True, False):
        body = setting([SHELF, DRAWER, SHELF], prefix + param, value=value)
        assert (await vendor.post("storage/change-settings", body)).status == 200
        found = [(await storage(vendor, storage_id))[f"storage/{param}"] for storage_id in (SHELF, DRAWER)]
        assert found == [value, value]
    assert f"storage/{param}" not in await storage(vendor, OTHER_SHELF)


async def test_a_changed_setting_holds_at_once(vendor: Probe) -> None:
    addition = {"stock/part-id": PART, "stock/storage-id": SHELF, "stock/quantity": 1}
    await vendor.post("storage/change-settings", setting([SHELF]))
    assert_refused(await vendor.post("stock/add", addition), 409, "conflict")
    await vendor.post("storage/change-settings", setting([SHELF], value=False))
    assert (await vendor.post("stock/add", addition)).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (setting([SHELF, id_for("storage", "nobody")]), 404),
        (setting([SHELF], "archived?"), 400),
        (setting([SHELF], "part/full?"), 400),
        (setting([SHELF], 7), 400),
        (setting([SHELF], value="true"), 400),
        (setting([SHELF], value=1), 400),
        (setting(SHELF), 400),
        (setting([SHELF, 7]), 400),
        ({"ids": [SHELF], "param": "full?"}, 400),
    ],
)
async def test_a_wrong_change_of_settings_changes_nothing(vendor: Probe, body: dict[str, Any], status: int) -> None:
    assert (await vendor.post("storage/change-settings", body)).status == status
    assert await storage(vendor) == {"storage/id": SHELF, "storage/name": "shelf-1"}


async def test_an_archived_storage_is_still_there_until_it_is_restored(vendor: Probe) -> None:
    for _ in range(2):
        assert (await vendor.post("storage/archive", {"storage/id": SHELF})).status == 200
    assert (await storage(vendor))["storage/archived?"] is True
    assert SHELF in {one["storage/id"] for one in (await vendor.post("storage/all")).json["data"]}
    for _ in range(2):
        assert (await vendor.post("storage/restore", {"storage/id": SHELF})).status == 200
    assert (await storage(vendor))["storage/archived?"] is False


async def test_restoring_what_never_was_archived_sets_nothing(vendor: Probe) -> None:
    await vendor.post("storage/restore", {"storage/id": SHELF})
    assert "storage/archived?" not in await storage(vendor)


async def test_a_lot_has_the_fields_sent_set_and_the_others_kept(vendor: Probe) -> None:
    before = (await vendor.post("lot/get", {"lot/id": LOT})).json["data"]
    change = {
        "lot/name": "L-1",
        "lot/comments": "opened [cmd:k1]",
        "lot/created": 1_700_000_000_000,
        "lot/expiration-date": 1_800_000_000_000,
        "lot/tags": ["open"],
    }
    assert (await vendor.post("lot/update", {"lot/id": LOT, **change, "lot/part-id": PART})).status == 200
    assert (await vendor.post("lot/get", {"lot/id": LOT})).json["data"] == {**before, **change}
    assert before["lot/description"] == "First reel"


@pytest.mark.parametrize(
    "wrong", [{"lot/created": "1"}, {"lot/created": 1.5}, {"lot/expiration-date": True}, {"lot/tags": ["a b"]}]
)
async def test_a_wrong_field_of_a_lot_is_invalid(vendor: Probe, wrong: dict[str, Any]) -> None:
    assert_refused(await vendor.post("lot/update", {"lot/id": LOT, **wrong}), 400, "invalid")
