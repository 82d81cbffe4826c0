"""Parts of the PartsBox sandbox are made, changed, linked and deleted as its document says."""

from typing import Any

import pytest

from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.ids import is_id
from tests.sandbox.probe import Probe
from tests.unit.partsbox_answers import CATEGORY, assert_refused

PART = id_for("part", "R-1K")
TEN_K, THIN, META, MCU = (id_for("part", name) for name in ("R-10K", "R-10K-THIN", "R-10K-ANY", "IC-MCU"))
SHELF = id_for("storage", "shelf-1")
NEW = {"part/type": "local", "part/name": "L-10U"}


async def part(vendor: Probe, part_id: str = PART) -> dict[str, Any]:
    found: dict[str, Any] = (await vendor.post("part/get", {"part/id": part_id})).json["data"]
    return found


async def test_a_new_part_has_what_was_sent_and_answers_its_id_in_the_data_only(vendor: Probe) -> None:
    fields = {
        "part/description": "10 µH",
        "part/notes": "made by [cmd:k1]",
        "part/footprint": "0805",
        "part/tags": ["coil", "a_B-1"],
        "part/attrition": {"percentage": 2.5, "quantity": 3},
        "part/low-stock": {"report": 10},
    }
    seen = await vendor.post("part/create", {**NEW, **fields})
    part_id = seen.json["data"]["part/id"]
    assert is_id(part_id)
    assert seen.json == {CATEGORY: "ok", "partsbox.status/message": "OK", "data": {"part/id": part_id}}
    created = await part(vendor, part_id)
    assert created.pop("part/created") > 0
    assert created == {"part/id": part_id, **NEW, **fields}
    assert created["part/id"] in {one["part/id"] for one in (await vendor.post("part/all")).json["data"]}


async def test_fields_that_were_not_sent_are_absent(vendor: Probe) -> None:
    part_id = (await vendor.post("part/create", NEW)).json["data"]["part/id"]
    assert set(await part(vendor, part_id)) == {"part/id", "part/name", "part/type", "part/created"}


@pytest.mark.parametrize(
    ("kind", "status"), [("local", 200), ("meta", 200), ("linked", 400), ("sub-assembly", 400), ("odd", 400)]
)
async def test_only_local_and_meta_parts_can_be_created(vendor: Probe, kind: str, status: int) -> None:
    assert (await vendor.post("part/create", {**NEW, "part/type": kind})).status == status


WRONG_FIELDS = [
    {"part/tags": ["no blanks"]},
    {"part/tags": ["umlaut-ä"]},
    {"part/tags": [""]},
    {"part/tags": "tag"},
    {"part/name": ""},
    {"part/name": " "},
    {"part/name": 7},
    {"part/notes": 7},
    {"part/attrition": {"percentage": "2"}},
    {"part/attrition": {"quantity": 1.5}},
    {"part/attrition": {"quantity": -1}},
    {"part/low-stock": {"report": True}},
    {"part/low-stock": 10},
]


@pytest.mark.parametrize("wrong", WRONG_FIELDS)
async def test_a_wrong_field_of_a_part_is_invalid(
    sandbox: PartsBoxSandbox, vendor: Probe, wrong: dict[str, Any]
) -> None:
    assert_refused(await vendor.post("part/create", {**NEW, **wrong}), 400, "invalid")
    assert_refused(await vendor.post("part/update", {"part/id": PART, **wrong}), 400, "invalid")
    assert sandbox.journal.effects == []


@pytest.mark.parametrize("missing", ["part/type", "part/name"])
async def test_a_new_part_needs_a_type_and_a_name(vendor: Probe, missing: str) -> None:
    given = {name: value for name, value in NEW.items() if name != missing}
    assert_refused(await vendor.post("part/create", given), 400, "invalid")


async def test_a_name_that_exists_is_a_conflict_where_the_database_says_so(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    assert_refused(await vendor.post("part/create", {**NEW, "part/name": "R-1K"}), 409, "conflict")
    assert_refused(await vendor.post("part/update", {"part/id": TEN_K, "part/name": "R-1K"}), 409, "conflict")
    assert (await vendor.post("part/update", {"part/id": PART, "part/name": "R-1K"})).status == 200
    assert (await vendor.post("part/create", {**NEW, "part/name": "r-1k"})).status == 200
    sandbox.load.load({"unique_part_names": False})
    assert (await vendor.post("part/create", {**NEW, "part/name": "R-1K"})).status == 200


async def test_names_need_not_be_unique_in_a_database_that_does_not_say_so() -> None:
    async with (
        PartsBoxSandbox.running() as sandbox,
        Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as vendor,
    ):
        ids = [(await vendor.post("part/create", NEW)).json["data"]["part/id"] for _ in range(2)]
    assert len(set(ids)) == 2


async def test_an_update_sets_the_fields_sent_and_no_other(vendor: Probe) -> None:
    before = await part(vendor, MCU)
    change = {"part/name": "IC-MCU-2", "part/tags": ["only"], "part/attrition": {"quantity": 1}}
    seen = await vendor.post("part/update", {"part/id": MCU, **change, "part/type": "meta", "part/created": 1})
    assert seen.json == {CATEGORY: "ok", "partsbox.status/message": "OK"}
    assert await part(vendor, MCU) == {**before, **change}
    await vendor.post("part/update", {"part/id": MCU, "part/attrition": {"percentage": 1}, "part/tags": []})
    assert (await part(vendor, MCU))["part/attrition"] == {"percentage": 1}
    assert (await part(vendor, MCU))["part/tags"] == []


async def test_a_deleted_part_is_gone_with_its_stock_and_its_links(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    await vendor.post("part/delete", {"part/id": TEN_K})
    for operation in ("part/get", "part/storage", "part/lots", "part/stock", "part/delete", "part/update"):
        assert_refused(await vendor.post(operation, {"part/id": TEN_K}), 404, "not-found")
    assert (await part(vendor, META))["part/part-ids"] == [THIN]
    assert (await part(vendor, THIN))["part/substitute-ids"] == []
    inside = (await vendor.post("storage/parts", {"storage/id": SHELF})).json["data"]
    assert TEN_K not in {row["source/part-id"] for row in inside}
    assert sandbox.state.on_hand(TEN_K, SHELF, None) == 0
    (effect,) = sandbox.journal.effects
    assert set(effect.subjects) == {f"part:{part_id}" for part_id in (TEN_K, META, THIN)}
    assert effect.details["before"][f"part:{TEN_K}"]["part/stock"][0]["stock/quantity"] == 1000


async def test_a_deleted_part_takes_its_order_lines_along(vendor: Probe) -> None:
    order = {"order/id": id_for("order", "SO-1")}
    await vendor.post("part/delete", {"part/id": id_for("part", "R-1M")})
    entries = (await vendor.post("order/get-entries", order)).json["data"]
    assert len(entries) == 3
    assert (await vendor.post("order/receive", {**order, "storage/id": SHELF})).status == 200


async def test_an_entry_of_a_deleted_part_leads_nowhere(vendor: Probe) -> None:
    await vendor.post("part/delete", {"part/id": MCU})
    entries = (await vendor.post("project/get-entries", {"project/id": id_for("project", "lamp")})).json["data"]
    assert entries[0]["entry/part-id"] == MCU


async def test_members_of_a_meta_part_are_a_set(vendor: Probe) -> None:
    for ids in ([PART, PART], [PART, TEN_K]):
        assert (await vendor.post("part/add-meta-part-ids", {"part/id": META, "part/part-ids": ids})).status == 200
    assert sorted((await part(vendor, META))["part/part-ids"]) == sorted([TEN_K, THIN, PART])
    for _ in range(2):
        change = {"part/id": META, "part/part-ids": [TEN_K, MCU]}
        assert (await vendor.post("part/remove-meta-part-ids", change)).status == 200
    assert sorted((await part(vendor, META))["part/part-ids"]) == sorted([THIN, PART])


@pytest.mark.parametrize("operation", ["part/add-meta-part-ids", "part/remove-meta-part-ids"])
async def test_only_a_meta_part_has_members(vendor: Probe, operation: str) -> None:
    seen = await vendor.post(operation, {"part/id": PART, "part/part-ids": [TEN_K]})
    assert_refused(seen, 400, "invalid")


async def test_substitutes_are_a_set_and_absent_until_first_added(vendor: Probe) -> None:
    assert "part/substitute-ids" not in await part(vendor)
    for ids in ([TEN_K, TEN_K], [TEN_K, THIN]):
        await vendor.post("part/add-substitute-ids", {"part/id": PART, "part/substitute-ids": ids})
    assert sorted((await part(vendor))["part/substitute-ids"]) == sorted([TEN_K, THIN])
    # The other way round nothing is linked.
    assert "part/substitute-ids" not in await part(vendor, TEN_K)


@pytest.mark.parametrize(
    ("lists", "status"),
    [
        ({"part/part-substitute-ids": [TEN_K]}, 200),
        ({"part/substitute-ids": [TEN_K]}, 200),
        ({"part/part-substitute-ids": [TEN_K], "part/substitute-ids": [TEN_K]}, 200),
        ({"part/part-substitute-ids": [TEN_K], "part/substitute-ids": [THIN]}, 400),
        ({"part/part-substitute-ids": [TEN_K], "part/substitute-ids": "odd"}, 400),
        ({"part/part-ids": [TEN_K]}, 400),
    ],
)
async def test_substitutes_to_remove_go_by_either_name_or_both(
    vendor: Probe, lists: dict[str, Any], status: int
) -> None:
    await vendor.post("part/add-substitute-ids", {"part/id": PART, "part/substitute-ids": [TEN_K, THIN]})
    assert (await vendor.post("part/remove-substitute-ids", {"part/id": PART, **lists})).status == status
    left = (await part(vendor))["part/substitute-ids"]
    assert left == ([THIN] if status == 200 else [TEN_K, THIN])


@pytest.mark.parametrize(
    ("ids", "status"),
    [([TEN_K, id_for("part", "nobody")], 404), ([TEN_K, "short"], 400), ([TEN_K, 7], 400), (TEN_K, 400), ([PART], 400)],
)
async def test_one_wrong_id_of_a_list_refuses_all_of_them(vendor: Probe, ids: Any, status: int) -> None:
    seen = await vendor.post("part/add-substitute-ids", {"part/id": PART, "part/substitute-ids": ids})
    assert seen.status == status
    assert "part/substitute-ids" not in await part(vendor)


async def test_custom_fields_are_set_by_key_and_the_others_stay(vendor: Probe) -> None:
    fields = [{"key": "supplier", "value": "Acme & Sons"}, {"key": "batch", "value": ""}]
    assert (await vendor.post("part/update-custom-fields", {"part/id": MCU, "custom-fields": fields})).status == 200
    assert (await part(vendor, MCU))["part/custom-fields"] == [{"key": "shelf life", "value": "24 months"}, *fields]
    for _ in range(2):
        change = {"part/id": MCU, "custom-field-key": "shelf life"}
        assert (await vendor.post("part/delete-custom-field", change)).status == 200
    assert (await part(vendor, MCU))["part/custom-fields"] == fields


async def test_deleting_a_custom_field_that_never_was_adds_nothing(vendor: Probe) -> None:
    assert (await vendor.post("part/delete-custom-field", {"part/id": PART, "custom-field-key": "k"})).status == 200
    assert "part/custom-fields" not in await part(vendor)


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("k" * 256, "v" * 1024, 200),
        ("k" * 257, "v", 400),
        ("k", "v" * 1025, 400),
        ("", "v", 400),
        (7, "v", 400),
        ("k", 7, 400),
        ("k", None, 400),
    ],
)
async def test_keys_and_values_of_custom_fields_are_limited_strings(
    vendor: Probe, key: Any, value: Any, status: int
) -> None:
    fields = [{"key": "other", "value": "1"}, {"key": key, "value": value}]
    seen = await vendor.post("part/update-custom-fields", {"part/id": PART, "custom-fields": fields})
    assert seen.status == status
    assert ("part/custom-fields" in await part(vendor)) == (status == 200)


async def test_a_key_to_delete_is_limited_too(vendor: Probe) -> None:
    seen = await vendor.post("part/delete-custom-field", {"part/id": MCU, "custom-field-key": "k" * 257})
    assert_refused(seen, 400, "invalid")


async def test_a_part_has_one_row_per_lot_and_storage(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    drawer, lots = id_for("storage", "drawer-1"), [id_for("lot", name) for name in ("L-2024-07", "L-2024-11")]
    sandbox.load.stock(MCU, drawer, 7, lot_id=lots[1])
    rows = (await vendor.post("part/lots", {"part/id": MCU})).json["data"]
    assert sorted((row["source/lot-id"], row["source/quantity"]) for row in rows) == sorted(
        [(lots[0], 40), (lots[1], 60), (lots[1], 7)]
    )
    inside = (await vendor.post("storage/lots", {"storage/id": drawer})).json["data"]
    assert inside == [row for row in rows if row["source/storage-id"] == drawer]
    assert [
        row["source/quantity"] for row in (await vendor.post("storage/parts", {"storage/id": drawer})).json["data"]
    ] == [47]


async def test_stock_without_a_lot_is_a_row_without_one(vendor: Probe) -> None:
    (row,) = (await vendor.post("part/lots", {"part/id": PART})).json["data"]
    assert (row["source/quantity"], "source/lot-id" in row) == (1000, False)
