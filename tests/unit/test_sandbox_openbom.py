"""The OpenBOM sandbox keeps the rules of the vendor's document (vendors.md 4.1 to 4.4)."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.openbom import APP_KEY, EMAIL, PASSWORD, Assumptions, OpenBomSandbox, id_for
from tests.sandbox.openbom.fixtures import STOCK
from tests.sandbox.openbom.operations import OPERATIONS
from tests.sandbox.probe import Probe, Seen

KEYED = {"X-OpenBOM-AppKey": APP_KEY}
CREDENTIALS = {"username": EMAIL, "password": PASSWORD}
OTHER_KEY, OTHER_EMAIL = "otherappkey0000", "other.person@example.com"
CATALOG = id_for("catalog", "Stock items")
BOM = id_for("bom", "Controller board")
ORDER_BOM = id_for("bom", "Order 1 Controller board")
TABLE = id_for("propertytable", "Stock properties")
UNKNOWN = id_for("catalog", "never loaded")
WRITE = f"catalog/{CATALOG}/propertyvalue"
SOMETHING_WENT_WRONG = "Something went wrong. Please try again later."
NO_TOKEN = "Missing or invalid access token."

#: one request for every operation but login
CALLS = [
    ("GET", "boms"),
    ("GET", "orderboms"),
    ("GET", "catalogs"),
    ("GET", "propertytables"),
    ("GET", f"bom/{BOM}"),
    ("GET", f"catalog/{CATALOG}"),
    ("GET", f"propertytable/{TABLE}"),
    ("POST", f"bom/{BOM}/propertyvalue"),
    ("POST", f"catalog/{CATALOG}/propertyvalue"),
]


@pytest.fixture
async def sandbox() -> AsyncIterator[OpenBomSandbox]:
    async with OpenBomSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def stranger(sandbox: OpenBomSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url) as probe:
        yield probe


@pytest.fixture
async def vendor(sandbox: OpenBomSandbox, stranger: Probe) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, await authorized(stranger)) as probe:
        yield probe


async def authorized(stranger: Probe) -> dict[str, str]:
    """Log in and give the headers for everything else."""
    seen = await stranger.post("login", CREDENTIALS, headers=KEYED)
    return {**KEYED, "X-OpenBOM-AccessToken": seen.json["access_token"]}


def cell(**changes: Any) -> dict[str, Any]:
    given = {"partNumberPropertyName": "Part Number", "partNumber": "C-100N", "propertyName": "Quantity On Hand"}
    return {name: value for name, value in {**given, "propertyValue": "14", **changes}.items() if value is not ...}


def assert_error(seen: Seen, status: int, text: str) -> None:
    assert (seen.status, seen.json) == (status, {"error": text})


def test_every_operation_has_a_call_here() -> None:
    assert len(CALLS) + 1 == len(OPERATIONS) == 10


async def test_a_login_gives_a_token_for_a_day(sandbox: OpenBomSandbox, stranger: Probe) -> None:
    seen = await stranger.post("login", CREDENTIALS, headers=KEYED)

    assert seen.status == 200
    assert sorted(seen.json) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert (seen.json["token_type"], seen.json["expires_in"]) == ("Bearer", 86400)
    assert seen.json["access_token"] != seen.json["refresh_token"]
    assert sandbox.accounts.logins == 1


@pytest.mark.parametrize("missing", ["username", "password"])
@pytest.mark.parametrize("value", [None, 5, ...])
async def test_a_login_needs_both_parameters(
    sandbox: OpenBomSandbox, stranger: Probe, missing: str, value: Any
) -> None:
    body = {name: text for name, text in {**CREDENTIALS, missing: value}.items() if text is not ...}
    seen = await stranger.post("login", body, headers=KEYED)

    assert_error(seen, 400, f'Parameter ["{missing}"] not found.')
    assert sandbox.accounts.logins == 0


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"username": OTHER_EMAIL}, {"username": "nobody"}])
async def test_a_login_that_fails_names_the_user(
    sandbox: OpenBomSandbox, stranger: Probe, changes: dict[str, str]
) -> None:
    sandbox.load.account(OTHER_KEY, OTHER_EMAIL, PASSWORD)
    body = {**CREDENTIALS, **changes}
    seen = await stranger.post("login", body, headers=KEYED)

    assert_error(seen, 401, f"Unable to authenticate user[{body['username']}]")
    assert sandbox.accounts.logins == 0


@pytest.mark.parametrize(("method", "path"), [("POST", "login"), *CALLS])
@pytest.mark.parametrize(("headers", "echoed"), [({}, "null"), ({"X-OpenBOM-AppKey": "wrong"}, "wrong")])
async def test_an_unknown_app_key_is_refused_and_named(
    stranger: Probe, method: str, path: str, headers: dict[str, str], echoed: str
) -> None:
    seen = await stranger.send(method, path, headers=headers)
    assert_error(seen, 403, f"Missing or invalid developer application key[{echoed}]")


async def test_a_revoked_app_key_is_refused_and_named(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.accounts.revoke_app_key(APP_KEY)
    assert_error(await vendor.send("GET", "boms"), 403, f"Missing or invalid developer application key[{APP_KEY}]")


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_everything_but_login_needs_a_token(stranger: Probe, method: str, path: str) -> None:
    assert_error(await stranger.send(method, path, headers=KEYED), 401, NO_TOKEN)
    invented = {**KEYED, "X-OpenBOM-AccessToken": "invented"}
    assert_error(await stranger.send(method, path, headers=invented), 401, NO_TOKEN)


async def test_a_refresh_token_is_no_access_token(stranger: Probe) -> None:
    login = await stranger.post("login", CREDENTIALS, headers=KEYED)
    headers = {**KEYED, "X-OpenBOM-AccessToken": login.json["refresh_token"]}
    assert_error(await stranger.send("GET", "boms", headers=headers), 401, NO_TOKEN)


async def test_a_token_is_good_for_its_own_app_key_alone(
    sandbox: OpenBomSandbox, stranger: Probe, vendor: Probe
) -> None:
    sandbox.load.account(OTHER_KEY, OTHER_EMAIL, PASSWORD)
    assert (await vendor.send("GET", "boms")).status == 200

    headers = {**await authorized(stranger), "X-OpenBOM-AppKey": OTHER_KEY}
    assert_error(await stranger.send("GET", "boms", headers=headers), 401, NO_TOKEN)


async def test_a_token_ends_when_its_life_is_over(sandbox: OpenBomSandbox, stranger: Probe) -> None:
    sandbox.assumptions.token_life_seconds = 60
    login = await stranger.post("login", CREDENTIALS, headers=KEYED)
    headers = {**KEYED, "X-OpenBOM-AccessToken": login.json["access_token"]}
    statuses = []
    for offset_ms in (0, 59_000, 61_000):
        sandbox.clock.offset_ms = offset_ms
        statuses.append((await stranger.send("GET", "boms", headers=headers)).status)

    assert (login.json["expires_in"], statuses) == (60, [200, 200, 401])
    assert sandbox.accounts.live_tokens() == 0


async def test_all_tokens_can_be_ended_at_once(sandbox: OpenBomSandbox, stranger: Probe, vendor: Probe) -> None:
    await authorized(stranger)
    assert sandbox.accounts.expire_tokens() == 2
    assert_error(await vendor.send("GET", "boms"), 401, NO_TOKEN)
    assert (await stranger.send("GET", "boms", headers=await authorized(stranger))).status == 200
    assert sandbox.accounts.logins == 3


@pytest.mark.parametrize(("ends_older", "status"), [(False, 200), (True, 401)])
async def test_a_new_login_can_end_older_tokens(
    sandbox: OpenBomSandbox, stranger: Probe, vendor: Probe, *, ends_older: bool, status: int
) -> None:
    sandbox.assumptions.new_login_ends_older_tokens = ends_older
    newer = await authorized(stranger)

    assert (await vendor.send("GET", "boms")).status == status
    assert (await stranger.send("GET", "boms", headers=newer)).status == 200


async def test_a_new_login_ends_no_tokens_of_other_users(sandbox: OpenBomSandbox, stranger: Probe) -> None:
    sandbox.assumptions.new_login_ends_older_tokens = True
    older = await authorized(stranger)
    sandbox.load.account(OTHER_KEY, OTHER_EMAIL, PASSWORD)
    other = {"username": OTHER_EMAIL, "password": PASSWORD}
    await stranger.post("login", other, headers={"X-OpenBOM-AppKey": OTHER_KEY})

    assert (await stranger.send("GET", "boms", headers=older)).status == 200


async def test_boms_are_listed_without_orders(vendor: Probe) -> None:
    items = (await vendor.send("GET", "boms")).json

    assert [(item["name"], item["released"]) for item in items] == [("Controller board", False), ("Sensor board", True)]
    assert items[0] == {
        "nodeId": 7001,
        "bomId": BOM,
        "id": BOM,
        "name": "Controller board",
        "nameuri": None,
        "user": EMAIL,
        "status": "active",
        "permissionString": "w",
        "permission": 7,
        "modifiedBy": EMAIL,
        "modified": items[0]["modified"],
        "bomPartNumber": "Controller board",
        "productionBatch": False,
        "released": False,
    }


async def test_order_boms_have_no_part_number(vendor: Probe) -> None:
    (item,) = (await vendor.send("GET", "orderboms")).json
    assert (item["bomId"], item["productionBatch"]) == (ORDER_BOM, True)
    assert "bomPartNumber" not in item


async def test_catalogs_are_listed(vendor: Probe) -> None:
    items = (await vendor.send("GET", "catalogs")).json
    assert [item["name"] for item in items] == ["Stock items", "Tools"]
    assert items[0] == {
        "nodeId": 7004,
        "itemsId": CATALOG,
        "id": CATALOG,
        "name": "Stock items",
        "user": EMAIL,
        "status": "active",
        "permissionString": "w",
        "permission": 7,
        "modifiedBy": EMAIL,
        "modified": items[0]["modified"],
    }


async def test_property_tables_are_listed_and_shown(vendor: Probe) -> None:
    tables = (await vendor.send("GET", "propertytables")).json
    assert tables[0] == {
        "_id": TABLE,
        "id": TABLE,
        "uri": "urn:openbom:name:store.room%40example.com:stock%20properties",
        "name": "Stock properties",
        "createdBy": EMAIL,
        "updatedBy": None,
        "created": tables[0]["created"],
        "updated": tables[0]["created"],
        "private": False,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", tables[0]["created"])

    items = (await vendor.send("GET", f"propertytable/{TABLE}")).json
    assert [(i["name"], i["datatype"]) for i in items] == [
        ("Quantity On Hand", "N"), ("Reorder Level", "N"), ("Bin", "T")
    ]  # fmt: skip
    assert {item["privateTableId"] for item in items} == {TABLE}


async def test_a_catalog_holds_every_stock_item(vendor: Probe) -> None:
    document = (await vendor.send("GET", f"catalog/{CATALOG}")).json
    key, quantity = (document["columns"].index(name) for name in ("Part Number", "Quantity On Hand"))
    assert {row[key]: row[quantity] for row in document["cells"]} == {pn: str(count) for pn, count in STOCK.items()}


async def test_a_part_number_can_be_on_two_rows_of_a_bom(vendor: Probe) -> None:
    document = (await vendor.send("GET", f"bom/{id_for('bom', 'Sensor board')}")).json
    key = document["columns"].index("Part Number")
    assert [row[key] for row in document["cells"]] == ["R-10K", "C-1U", "R-10K", "LED-RED"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"bom/{CATALOG}"), ("GET", f"catalog/{BOM}"), ("GET", f"propertytable/{UNKNOWN}"),
     ("POST", f"bom/{UNKNOWN}/propertyvalue"), ("POST", f"catalog/{BOM}/propertyvalue")],
)  # fmt: skip
async def test_what_is_not_listed_with_a_method_is_answered_with_500(vendor: Probe, method: str, path: str) -> None:
    assert_error(await vendor.send(method, path, json=cell()), 500, SOMETHING_WENT_WRONG)


async def test_unknown_paths_and_methods_are_refused(vendor: Probe) -> None:
    assert_error(await vendor.send("GET", "renew"), 404, "Resource not found")
    assert_error(await vendor.send("GET", f"bom/{BOM}/parts"), 404, "Resource not found")
    assert_error(await vendor.send("POST", "boms"), 405, "Method not allowed")
    assert_error(await vendor.send("GET", WRITE), 405, "Method not allowed")


@pytest.mark.parametrize(
    ("path", "document_id", "kind", "property_name", "before"),
    [(f"bom/{BOM}", BOM, "bom", "Quantity", "6"), (f"catalog/{CATALOG}", CATALOG, "catalog", "Reorder Level", 100)],
)
async def test_a_write_sets_one_cell_and_is_in_the_journal(
    sandbox: OpenBomSandbox, vendor: Probe, path: str, document_id: str, kind: str, property_name: str, before: Any
) -> None:
    others = [*sandbox.vendor.documents[document_id].described()["rows"]]
    seen = await vendor.post(f"{path}/propertyvalue", cell(propertyName=property_name))

    assert (seen.status, seen.json) == (200, {"message": "property value updated."})
    (effect,) = sandbox.journal.own_effects()
    assert effect.subjects == (f"{kind}:{document_id}:C-100N",)
    assert (effect.property_name, effect.before, effect.after) == (property_name, before, "14")
    assert (effect.operation, effect.user) == (f"{kind}/propertyvalue", EMAIL)
    changed = [{**row, property_name: "14"} if row["Part Number"] == "C-100N" else row for row in others]
    assert sandbox.vendor.documents[document_id].described()["rows"] == changed


async def test_a_write_is_an_absolute_set(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    for _ in range(2):
        await vendor.post(WRITE, cell())
    assert [(e.before, e.after) for e in sandbox.journal.effects] == [("500", "14"), ("14", "14")]
    assert sandbox.vendor.documents[CATALOG].values("C-100N", "Quantity On Hand") == ["14"]


async def test_a_write_shows_in_the_listing(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    before = sandbox.vendor.documents[CATALOG].modified_ms
    sandbox.clock.offset_ms = 3_600_000
    await vendor.post(WRITE, cell())
    after, untouched = (await vendor.send("GET", "catalogs")).json
    assert after["modified"] - before >= 3_600_000 > untouched["modified"] - before


async def test_a_catalog_can_have_another_key_and_cells_that_were_never_set(
    sandbox: OpenBomSandbox, vendor: Probe
) -> None:
    tools = id_for("catalog", "Tools")
    body = cell(partNumberPropertyName="Item Number", partNumber="T-SCOPE", propertyValue="1")
    seen = await vendor.post(f"catalog/{tools}/propertyvalue", body)

    assert seen.status == 200
    assert [(e.before, e.after) for e in sandbox.journal.effects_on(f"catalog:{tools}:T-SCOPE")] == [(None, "1")]


async def test_order_boms_are_written_like_boms(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    body = cell(partNumber="C-47U", propertyName="Received", propertyValue="40")
    assert (await vendor.post(f"bom/{ORDER_BOM}/propertyvalue", body)).status == 200
    assert sandbox.vendor.documents[ORDER_BOM].values("C-47U", "Received") == ["40"]


async def test_of_two_rows_with_one_part_number_the_first_changes(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    board = id_for("bom", "Sensor board")
    await vendor.post(f"bom/{board}/propertyvalue", cell(partNumber="R-10K", propertyName="Quantity"))
    assert sandbox.vendor.documents[board].values("R-10K", "Quantity") == ["14", "5"]


@pytest.mark.parametrize("name", ["partNumberPropertyName", "partNumber", "propertyName", "propertyValue"])
@pytest.mark.parametrize("value", [..., None, 14, True])
async def test_a_write_needs_four_texts(sandbox: OpenBomSandbox, vendor: Probe, name: str, value: Any) -> None:
    assert_error(await vendor.post(WRITE, cell(**{name: value})), 400, f'Parameter ["{name}"] not found.')
    assert sandbox.journal.effects == []


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"'])
async def test_a_body_that_is_no_json_object_has_no_parameters(vendor: Probe, body: str) -> None:
    seen = await vendor.send("POST", WRITE, data=body)
    assert_error(seen, 400, 'Parameter ["partNumberPropertyName"] not found.')


UNKNOWN_CELLS = [
    ("unknown-row", {"partNumber": "NOBODY"}),
    ("unknown-row", {"partNumber": "c-100n"}),
    ("unknown-property", {"propertyName": "quantity on hand"}),
    ("unknown-property", {"partNumberPropertyName": "Item Number"}),
]


@pytest.mark.parametrize(("problem", "changes"), UNKNOWN_CELLS)
@pytest.mark.parametrize("status", [500, 400, 404])
async def test_an_unknown_row_or_property_is_answered_with_500_or_as_switched(
    sandbox: OpenBomSandbox, vendor: Probe, problem: str, changes: dict[str, str], status: int
) -> None:
    sandbox.assumptions.statuses[problem] = status
    seen = await vendor.post(WRITE, cell(**changes))

    assert seen.status == status
    assert (seen.json["error"] == SOMETHING_WENT_WRONG) == (status == 500)
    assert sandbox.journal.effects == []


async def test_unknown_rows_are_answered_with_500_unless_switched() -> None:
    assert [Assumptions().status_of(problem) for problem, _ in UNKNOWN_CELLS] == [500] * 4
