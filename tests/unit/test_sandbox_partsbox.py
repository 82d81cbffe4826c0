"""The PartsBox sandbox keeps the rules of the vendor's document (vendors.md 2.1 to 2.10)."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.partsbox import API_KEY, API_USER, Assumptions, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.checks import CURRENCIES
from tests.sandbox.partsbox.ids import is_id
from tests.sandbox.probe import Probe, Seen

CATEGORY = "partsbox.status/category"
AUTHORIZED = {"Authorization": f"APIKey {API_KEY}"}

PART = id_for("part", "R-1K")
OTHER_PART = id_for("part", "C-47U")
SHELF = id_for("storage", "shelf-1")
LINE = id_for("storage", "line-1")
ORDER = id_for("order", "SO-1")
ORDER_LINES = [id_for("line", f"SO-1/{position}") for position in (1, 2, 3, 4)]
UNKNOWN = id_for("part", "never loaded")


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, AUTHORIZED) as probe:
        yield probe


def addition(**changes: Any) -> dict[str, Any]:
    given = {"part-id": PART, "storage-id": SHELF, "quantity": 5, "comments": "five", **changes}
    return {f"stock/{name.replace('_', '-')}": value for name, value in given.items() if value is not ...}


def source(part_id: str = PART, storage_id: str = SHELF, **more: Any) -> dict[str, Any]:
    return {"source/part-id": part_id, "source/storage-id": storage_id, **more}


def movement(**changes: Any) -> dict[str, Any]:
    given = {"stock/source": source(), "stock/quantity": 4, "stock/comments": "moved", "stock/storage-id": LINE}
    return {**given, **changes}


def receipt(*lines: tuple[str, int], **changes: Any) -> dict[str, Any]:
    entries = [{"stock/id": stock_id, "stock/quantity": quantity} for stock_id, quantity in lines]
    return {"order/id": ORDER, "storage/id": LINE, "stock-entries": entries, "stock/comments": "came", **changes}


async def history(vendor: Probe, part_id: str = PART) -> list[dict[str, Any]]:
    part = (await vendor.post("part/get", {"part/id": part_id})).json["data"]
    entries: list[dict[str, Any]] = part.get("part/stock", [])
    return entries


def assert_refused(seen: Seen, status: int, category: str) -> None:
    assert (seen.status, seen.json[CATEGORY]) == (status, category)


async def test_slashes_are_escaped_and_the_status_comes_before_the_data(vendor: Probe) -> None:
    seen = await vendor.post("storage/get", {"storage/id": SHELF})
    assert seen.text.startswith(
        r'{"partsbox.status\/category":"ok","partsbox.status\/message":"OK","data":{"storage\/id":"'
    )
    assert "/" not in seen.text.replace(r"\/", "")


@pytest.mark.parametrize(
    "header",
    [None, "", API_KEY, f"Bearer {API_KEY}", f"apikey {API_KEY}", f"APIKey  {API_KEY}", "APIKey partsboxapi_wrong"],
)
async def test_only_the_exact_authorization_header_is_let_in(sandbox: PartsBoxSandbox, header: str | None) -> None:
    async with Probe.to(sandbox.url) as stranger:
        seen = await stranger.post("part/all", headers={"Authorization": header} if header is not None else {})
    assert_refused(seen, 401, "unauthorized")


async def test_a_role_that_denies_an_operation_answers_403(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.load.user("viewer", "partsboxapi_viewer", denied=("stock/add",))
    seen = await vendor.post("stock/add", addition(), headers={"Authorization": "APIKey partsboxapi_viewer"})
    assert_refused(seen, 403, "forbidden")


async def test_the_query_overrides_the_body_and_carries_strings_only(vendor: Probe) -> None:
    got = await vendor.post("part/get", {"part/id": UNKNOWN}, params={"part/id": PART})
    assert got.json["data"]["part/id"] == PART
    assert (await vendor.send("GET", "part/get", params={"part/id": PART})).json == got.json
    assert_refused(await vendor.post("stock/add", addition(), params={"stock/quantity": "5"}), 400, "invalid")


async def test_a_form_is_read_like_json(vendor: Probe) -> None:
    assert (await vendor.send("POST", "part/get", data={"part/id": PART})).json["data"]["part/name"] == "R-1K"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"stock/quantity": NaN}'])
async def test_a_body_that_is_no_json_object_is_invalid(vendor: Probe, body: str) -> None:
    seen = await vendor.send("POST", "stock/add", data=body, headers={"Content-Type": "application/json"})
    assert_refused(seen, 400, "invalid")


async def test_unknown_operations_and_methods_are_refused(vendor: Probe) -> None:
    assert_refused(await vendor.post("stock/delete"), 404, "not-found")
    assert_refused(await vendor.send("PUT", "part/all"), 405, "method-not-allowed")


async def test_readings_of_the_document_can_be_changed() -> None:
    assumptions = Assumptions(category_prefix="status/")
    assumptions.statuses["not-found"] = 422
    async with (
        PartsBoxSandbox.running(assumptions=assumptions) as sandbox,
        Probe.to(sandbox.url, AUTHORIZED) as vendor,
    ):
        assert (await vendor.post("part/all")).json[CATEGORY] == "status/ok"
        assert_refused(await vendor.post("part/get", {"part/id": UNKNOWN}), 422, "status/not-found")


def test_ids_are_two_halves_of_a_version_4_uuid() -> None:
    assert is_id(PART)
    assert PART[0] in "0123456789abcdef"
    assert PART[13] in "89ab"
    assert id_for("part", "R-1K") == PART != id_for("storage", "R-1K")


async def test_an_addition_is_kept_as_sent_and_answers_no_identity(vendor: Probe) -> None:
    seen = await vendor.post("stock/add", addition(price=0.0628, currency="cad", comments="ten [cmd:abc]"))
    assert seen.json == {CATEGORY: "ok", "partsbox.status/message": "OK"}
    entry = (await history(vendor))[-1]
    assert entry.pop("stock/timestamp") > 0
    assert entry == {
        "stock/comments": "ten [cmd:abc]",
        "stock/currency": "cad",
        "stock/price": 0.0628,
        "stock/quantity": 5,
        "stock/storage-id": SHELF,
        "stock/user": API_USER,
    }


@pytest.mark.parametrize("quantity", [0, -1, 1.5, True, "5", None, 2**63, ...])
async def test_a_quantity_is_a_positive_whole_number(sandbox: PartsBoxSandbox, vendor: Probe, quantity: Any) -> None:
    assert_refused(await vendor.post("stock/add", addition(quantity=quantity)), 400, "invalid")
    removal = {"stock/source": source(), "stock/quantity": quantity if quantity is not ... else "none"}
    assert_refused(await vendor.post("stock/remove", removal), 400, "invalid")
    assert sandbox.journal.effects == []


async def test_a_float_without_fraction_is_a_whole_number(vendor: Probe) -> None:
    assert (await vendor.post("stock/add", addition(quantity=5.0))).status == 200
    assert (await history(vendor))[-1]["stock/quantity"] == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"price": 1.0},
        {"price": "1.0", "currency": "eur"},
        {"price": -1, "currency": "eur"},
        {"price": 1, "currency": "xxx"},
        {"price": 1, "currency": "EUR"},
        {"comments": 7},
        {"part_id": ...},
        {"part_id": "short"},
        {"order_id": ORDER},
    ],
)
async def test_a_wrong_field_of_an_addition_is_invalid(vendor: Probe, changes: dict[str, Any]) -> None:
    given = {name.replace("_", "-"): value for name, value in changes.items()}
    assert_refused(await vendor.post("stock/add", addition(**given)), 400, "invalid")


def test_there_are_35_currencies() -> None:
    assert len(CURRENCIES) == 35


async def test_comments_may_be_left_out(vendor: Probe) -> None:
    assert (await vendor.post("stock/add", addition(comments=...))).status == 200
    assert "stock/comments" not in (await history(vendor))[-1]


async def test_an_addition_can_create_an_order_when_it_names_the_sku(vendor: Probe) -> None:
    order = {"order/vendor-name": "Acme", "order/po-number": "", "order/tags": ["a-b_1"]}
    assert_refused(await vendor.post("stock/add", {**addition(), "order": order}), 400, "invalid")
    assert (await vendor.post("stock/add", {**addition(vendor_sku="X1"), "order": order})).status == 200
    created = (await vendor.post("order/all")).json["data"][-1]
    assert (created["order/vendor-name"], created["order/status"]) == ("Acme", "received")
    assert created["order/po-number"]
    assert (await history(vendor))[-1]["stock/order-id"] == created["order/id"]
    odd = {**order, "order/tags": ["no blanks"]}
    assert_refused(await vendor.post("stock/add", {**addition(vendor_sku="X1"), "order": odd}), 400, "invalid")


async def test_what_is_not_there_is_not_found(vendor: Probe) -> None:
    for operation, name in (
        ("part/get", "part"),
        ("storage/get", "storage"),
        ("lot/get", "lot"),
        ("order/get", "order"),
    ):
        assert_refused(await vendor.post(operation, {f"{name}/id": UNKNOWN}), 404, "not-found")
    assert_refused(await vendor.post("stock/add", addition(**{"storage-id": UNKNOWN})), 404, "not-found")


async def test_a_removal_is_one_negative_entry(vendor: Probe) -> None:
    removal = {"stock/source": source(), "stock/quantity": 3, "stock/comments": "used"}
    assert (await vendor.post("stock/remove", removal)).status == 200
    entry = (await history(vendor))[-1]
    assert (entry["stock/quantity"], entry["stock/comments"]) == (-3, "used")
    assert (await vendor.post("part/stock", {"part/id": PART})).json["source/quantity"] == 997


@pytest.mark.parametrize("operation", ["stock/remove", "stock/move"])
async def test_more_than_is_on_hand_is_a_conflict(sandbox: PartsBoxSandbox, vendor: Probe, operation: str) -> None:
    assert_refused(await vendor.post(operation, movement(**{"stock/quantity": 1001})), 409, "conflict")
    assert sandbox.journal.effects == []
    assert (await vendor.post(operation, movement(**{"stock/quantity": 1000}))).status == 200
    assert sandbox.state.on_hand(PART, SHELF, None) == 0


async def test_a_move_is_two_linked_entries_a_millisecond_apart(vendor: Probe) -> None:
    assert (await vendor.post("stock/move", movement())).status == 200
    out, into = (await history(vendor))[-2:]
    assert into["stock/timestamp"] - out["stock/timestamp"] == 1
    assert [(e["stock/quantity"], e["stock/storage-id"]) for e in (out, into)] == [(-4, SHELF), (4, LINE)]
    assert all(e["stock/linked?"] and e["stock/comments"] == "moved" for e in (out, into))


async def test_a_move_onto_itself_is_invalid(vendor: Probe) -> None:
    assert_refused(await vendor.post("stock/move", movement(**{"stock/storage-id": SHELF})), 400, "invalid")


async def test_timestamps_ascend_while_the_clock_stands_still_or_steps_back() -> None:
    times = itertools.chain([9_000] * 20, itertools.repeat(5_000))
    async with (
        PartsBoxSandbox.running(clock_ms=lambda: next(times), write_latency_seconds=(0, 0)) as sandbox,
        Probe.to(sandbox.url, AUTHORIZED) as vendor,
    ):
        sandbox.load.part("R-1K")
        sandbox.load.storage("shelf-1")
        for _ in range(12):
            await vendor.post("stock/add", addition())
        stamps = [entry.timestamp_ms for entry in sandbox.state.history[PART]]
    assert stamps == list(range(stamps[0], stamps[0] + 12))
    assert stamps[0] == 9_000


@pytest.mark.parametrize(("storage", "status"), [("full-box", 409), ("bin", 409), ("bag", 200)])
async def test_the_settings_of_a_storage_hold_for_additions_moves_and_receipts(
    vendor: Probe, storage: str, status: int
) -> None:
    target = id_for("storage", storage)
    moved = await vendor.post("stock/move", movement(**{"stock/storage-id": target}))
    added = await vendor.post("stock/add", addition(**{"storage-id": target}))
    received = await vendor.post("order/receive", receipt((ORDER_LINES[0], 1), **{"storage/id": target}))
    # The bag takes its first part, then no other.
    assert [moved.status, added.status, received.status] == [status, status, 409]


async def test_a_storage_for_existing_parts_takes_more_of_what_is_there(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    target = id_for("storage", "bin")
    sandbox.load.stock(PART, target, 1)
    assert (await vendor.post("stock/add", addition(**{"storage-id": target}))).status == 200


async def test_an_update_sets_what_it_names_of_the_entry_with_that_timestamp(vendor: Probe) -> None:
    await vendor.post("stock/add", addition(price=1, currency="eur"))
    identity = {"stock/part-id": PART, "stock/timestamp": (await history(vendor))[-1]["stock/timestamp"]}
    assert (await vendor.post("stock/update", {**identity, "stock/quantity": 7})).status == 200
    entry = (await history(vendor))[-1]
    assert (entry["stock/quantity"], entry["stock/comments"], entry["stock/price"]) == (7, "five", 1)
    assert_refused(await vendor.post("stock/update", {**identity, "stock/timestamp": 1}), 404, "not-found")
    assert_refused(await vendor.post("stock/update", {**identity, "stock/timestamp": "1"}), 400, "invalid")
    assert_refused(await vendor.post("stock/update", {**identity, "stock/quantity": -7}), 400, "invalid")


async def test_an_update_never_leaves_less_than_nothing(vendor: Probe) -> None:
    await vendor.post("stock/move", movement())
    into = (await history(vendor))[-1]["stock/timestamp"]
    await vendor.post("stock/remove", {"stock/source": source(storage_id=LINE), "stock/quantity": 4})
    change = {"stock/part-id": PART, "stock/timestamp": into, "stock/quantity": 3}
    assert_refused(await vendor.post("stock/update", change), 409, "conflict")


async def test_sources_sum_what_is_on_hand_without_order_lines(vendor: Probe) -> None:
    part_id = id_for("part", "R-1M")
    await vendor.post("stock/add", addition(**{"part-id": part_id}))
    await vendor.post("stock/add", addition(**{"part-id": part_id}))
    assert len(await history(vendor, part_id)) == 5  # three orders have a line of it
    (row,) = (await vendor.post("part/storage", {"part/id": part_id})).json["data"]
    assert (row["source/storage-id"], row["source/quantity"]) == (SHELF, 10)
    assert row["source/first-timestamp"] < row["source/last-timestamp"]
    rows = (await vendor.post("storage/parts", {"storage/id": SHELF})).json["data"]
    assert row in rows
    total = (await vendor.post("part/stock", {"part/id": part_id, "storage/id": LINE})).json
    assert total["source/quantity"] == total["data"]["source/quantity"] == 0


async def test_stock_with_a_status_is_not_on_hand(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.load.stock(PART, SHELF, 50, status="rejected")
    assert (await vendor.post("part/stock", {"part/id": PART})).json["source/quantity"] == 1000
    assert_refused(await vendor.post("stock/move", movement(**{"stock/quantity": 1001})), 409, "conflict")


async def test_a_partial_receipt_shrinks_the_line_and_the_last_one_removes_it(vendor: Probe) -> None:
    line = ORDER_LINES[2]
    assert (await vendor.post("order/receive", receipt((line, 30)))).status == 200
    entries = (await vendor.post("order/get-entries", {"order/id": ORDER})).json["data"]
    rest = next(entry for entry in entries if entry.get("stock/id") == line)
    assert (rest["stock/quantity"], rest["stock/status"]) == (70, "ordered")
    booked = entries[-1]
    assert booked.pop("stock/timestamp") > rest["stock/timestamp"]
    assert booked == {
        "stock/part-id": OTHER_PART,
        "stock/comments": "came",
        "stock/order-id": ORDER,
        "stock/quantity": 30,
        "stock/storage-id": LINE,
        "stock/user": API_USER,
        "stock/vendor-sku": "SKU-C-47U",
    }
    assert_refused(await vendor.post("order/receive", receipt((line, 71))), 409, "conflict")
    assert (await vendor.post("order/receive", receipt((line, 70)))).status == 200
    assert_refused(await vendor.post("order/receive", receipt((line, 1))), 404, "not-found")


async def test_an_order_is_received_when_its_last_line_is(vendor: Probe) -> None:
    await vendor.post("order/receive", receipt((ORDER_LINES[0], 100)))
    assert (await vendor.post("order/get", {"order/id": ORDER})).json["data"]["order/status"] == "ordered"
    assert (await vendor.post("order/receive", {"order/id": ORDER, "storage/id": LINE})).status == 200
    assert (await vendor.post("order/get", {"order/id": ORDER})).json["data"]["order/status"] == "received"
    assert_refused(await vendor.post("order/receive", receipt((ORDER_LINES[0], 1))), 409, "conflict")


async def test_an_order_that_was_not_sent_is_not_received(vendor: Probe) -> None:
    opened = id_for("order", "SO-3")
    assert_refused(await vendor.post("order/receive", receipt(**{"order/id": opened})), 409, "conflict")


async def test_a_receipt_of_several_lines_is_all_or_nothing(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    seen = await vendor.post("order/receive", receipt((ORDER_LINES[0], 1), (ORDER_LINES[1], 101)))
    assert_refused(seen, 409, "conflict")
    assert sandbox.journal.effects == []


async def test_lot_control_asks_for_lots_and_makes_one_per_addition(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    assert_refused(await vendor.post("stock/add", {**addition(), "lot": {}}), 400, "invalid")
    sandbox.load.load({"lot_control": True})
    await vendor.post("stock/add", {**addition(), "lot": {"lot/name": "L1"}})
    lot = (await vendor.post("lot/all")).json["data"][-1]
    assert (lot["lot/name"], lot["lot/part-id"]) == ("L1", PART)
    assert (await history(vendor))[-1]["stock/lot-id"] == lot["lot/id"]
    assert_refused(await vendor.post("stock/move", movement()), 400, "invalid")
    address = source(**{"source/lot-id": lot["lot/id"]})
    split = await vendor.post("stock/move", movement(**{"stock/source": address, "split-lot?": True}))
    child = split.json["lot/id"]
    assert split.json["data"] == {"lot/id": child}
    assert (await vendor.post("lot/get", {"lot/id": child})).json["data"]["lot/previous-id"] == lot["lot/id"]


async def test_settings_of_a_storage_are_absent_until_set(vendor: Probe) -> None:
    plain = (await vendor.post("storage/get", {"storage/id": SHELF})).json["data"]
    assert plain == {"storage/id": SHELF, "storage/name": "shelf-1"}
    assert {"storage/full?": True} in [
        {"storage/full?": storage.get("storage/full?")} for storage in (await vendor.post("storage/all")).json["data"]
    ]
