"""Every switch of the OpenBOM sandbox does what it says (vendors.md 4.5 to 4.7), seen by a plain client."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.sandbox.openbom import (
    APP_KEY,
    EMAIL,
    PASSWORD,
    Assumptions,
    LimitRules,
    OpenBomSandbox,
    column_id,
    id_for,
)
from tests.sandbox.probe import Probe, Seen

KEYED = {"X-OpenBOM-AppKey": APP_KEY}
CATALOG = id_for("catalog", "Stock items")
BOARD = id_for("bom", "Sensor board")
WRITE = f"catalog/{CATALOG}/propertyvalue"
BODY = {
    "partNumberPropertyName": "Part Number",
    "partNumber": "C-100N",
    "propertyName": "Quantity On Hand",
    "propertyValue": "14",
}
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@pytest.fixture
async def sandbox() -> AsyncIterator[OpenBomSandbox]:
    async with OpenBomSandbox.running(
        seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0), write_latency_seconds=(0, 0)
    ) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: OpenBomSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, await authorized(sandbox.url)) as probe:
        yield probe


async def authorized(url: str) -> dict[str, str]:
    async with Probe.to(url, KEYED) as stranger:
        seen = await stranger.post("login", {"username": EMAIL, "password": PASSWORD})
    return {**KEYED, "X-OpenBOM-AccessToken": seen.json["access_token"]}


def on_hand(sandbox: OpenBomSandbox) -> list[Any]:
    return sandbox.vendor.documents[CATALOG].values("C-100N", "Quantity On Hand")


async def test_a_document_can_have_columns_and_cells(vendor: Probe) -> None:
    document = (await vendor.send("GET", f"bom/{BOARD}")).json
    assert {name: document[name] for name in ("id", "name", "type", "partNumber", "createdBy", "modifiedBy")} == {
        "id": BOARD,
        "name": "Sensor board",
        "type": "bom",
        "partNumber": "Sensor board",
        "createdBy": EMAIL,
        "modifiedBy": EMAIL,
    }
    assert document["columns"] == ["Level", "Part Number", "Description", "Quantity", "Total Quantity"]
    assert document["cells"][:2] == [["1", "R-10K", None, "2", 2], ["2", "C-1U", None, "3", 3]]


async def test_a_document_can_have_data_by_row_and_column_id(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.assumptions.document_shape = "data"
    document = (await vendor.send("GET", f"bom/{BOARD}")).json

    rows = document.pop("data")
    assert document == {
        "_id": BOARD,
        "id": BOARD,
        "sourceId": "openbom",
        "name": "Sensor board",
        "nameuri": "urn:openbom:name:store.room%40example.com:sensor%20board",
        "status": "A",
        "copyId": None,
    }
    assert next(iter(rows.values())) == {
        column_id("Level"): "1",
        column_id("Part Number"): "R-10K",
        column_id("Quantity"): "2",
        column_id("Total Quantity"): 2,
    }
    assert len(rows) == 4
    assert {(row[0], len(row)) for row in rows} == {("r", 12)}
    assert {(column[0], len(column)) for row in rows.values() for column in row} == {("c", 12)}


@pytest.mark.parametrize("form", ["list", "map"])
async def test_data_can_come_with_definitions_of_its_columns(sandbox: OpenBomSandbox, vendor: Probe, form: str) -> None:
    sandbox.assumptions.document_shape, sandbox.assumptions.column_definitions = "data", form
    columns = (await vendor.send("GET", f"bom/{BOARD}")).json["columns"]

    defined = columns if form == "list" else list(columns.values())
    quantity = {"id": column_id("Quantity"), "name": "Quantity", "datatype": "N"}
    assert (len(defined), defined[3]) == (5, quantity)
    assert defined[1]["datatype"] == "T"
    if form == "map":
        assert columns[column_id("Quantity")] == quantity


@pytest.mark.parametrize("shape", ["cells", "data"])
async def test_both_shapes_show_what_was_written(sandbox: OpenBomSandbox, vendor: Probe, shape: str) -> None:
    sandbox.assumptions.document_shape = shape
    await vendor.post(WRITE, {**BODY, "propertyValue": "4711"})
    seen = await vendor.send("GET", f"catalog/{CATALOG}")
    assert seen.text.count('"4711"') == 1


@pytest.mark.parametrize(
    ("given", "shown"), [("25", 25), ("2.50", 2.5), ("-3.0", -3), ("", ""), ("1e3", "1e3"), ("12 pcs", "12 pcs")]
)
async def test_numbers_can_come_back_canonical(sandbox: OpenBomSandbox, vendor: Probe, given: str, shown: Any) -> None:
    await vendor.post(WRITE, {**BODY, "propertyValue": given})
    await vendor.post(WRITE, {**BODY, "propertyName": "Bin", "propertyValue": "007"})
    for canonical, expected in ((False, given), (True, shown)):
        sandbox.assumptions.canonical_numbers = canonical
        document = (await vendor.send("GET", f"catalog/{CATALOG}")).json
        row = next(row for row in document["cells"] if row[0] == "C-100N")
        assert json.dumps(row[3]) == json.dumps(expected)
        assert row[document["columns"].index("Bin")] == "007"


async def test_errors_can_be_objects(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.assumptions.errors_as_objects = True
    seen = await vendor.send("GET", "bom/nobody")
    assert seen.json == {"error": {"message": "Something went wrong. Please try again later."}}


@pytest.mark.parametrize("fault", [False, True])
async def test_every_error_can_name_app_key_and_user(sandbox: OpenBomSandbox, vendor: Probe, *, fault: bool) -> None:
    sandbox.assumptions.errors_echo_credentials = True
    if fault:
        sandbox.faults.add("status", "boms", status=503)
    error = (await vendor.send("GET", "boms" if fault else "bom/nobody")).json["error"]
    assert error.endswith(f" app_key[{APP_KEY}] user[{EMAIL}]")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "Missing or invalid access token."),
        (403, f"Missing or invalid developer application key[{APP_KEY}]"),
        (500, "Something went wrong. Please try again later."),
        (503, "Fault with status 503"),
    ],
)
async def test_a_made_up_error_has_the_words_of_the_document(
    sandbox: OpenBomSandbox, vendor: Probe, status: int, text: str
) -> None:
    sandbox.faults.add("status", "boms", status=status)
    seen = await vendor.send("GET", "boms")
    assert (seen.status, seen.json) == (status, {"error": text})


async def test_http_can_be_sent_to_https(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.assumptions.redirect_http = True
    redirected = [await vendor.post(WRITE, BODY), await vendor.send("GET", "boms?page=2"), await vendor.post("login")]

    https = sandbox.root_url.replace("http:", "https:")
    assert [(seen.status, seen.headers["Location"]) for seen in redirected] == [
        (301, f"{https}/{WRITE}"),
        (301, f"{https}/boms?page=2"),
        (301, f"{https}/login"),
    ]
    assert sandbox.journal.effects == []
    assert (await vendor.post(WRITE, BODY, headers={"X-Forwarded-Proto": "https"})).status == 200


async def crowd(sandbox: OpenBomSandbox, vendor: Probe, count: int) -> list[asyncio.Task[Seen]]:
    """Let this many requests stand at a gate, and the next ones pass it."""
    sandbox.faults.add("gate", "boms", count=count)
    tasks = [asyncio.create_task(vendor.send("GET", "boms")) for _ in range(count)]
    await sandbox.gates["gate"].until_arrived(count)
    return tasks


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("path", ["boms", "login"])
async def test_the_sixth_request_at_a_time_is_refused_and_noted(
    sandbox: OpenBomSandbox, vendor: Probe, status: int, path: str
) -> None:
    sandbox.assumptions.statuses["too-many-requests"] = status
    five = await crowd(sandbox, vendor, 5)
    seen = await vendor.send("POST" if path == "login" else "GET", path)
    sandbox.gates["gate"].open()

    assert (seen.status, seen.json) == (status, {"error": "Too many concurrent requests"})
    assert {task.status for task in await asyncio.gather(*five)} == {200}
    (violation,) = sandbox.limits.violations
    assert (violation.rule, violation.request_seq, violation.measured) == ("vendor-concurrency", 7, 6)
    assert (await vendor.send("GET", "boms")).status == 200


async def test_a_login_counts_as_one_of_the_five(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("gate", "login")
    login = asyncio.create_task(authorized(sandbox.url))
    await sandbox.gates["gate"].until_arrived()
    four = await crowd(sandbox, vendor, 4)

    assert (await vendor.send("GET", "boms")).status == 429
    sandbox.gates["gate"].open()
    await asyncio.gather(login, *four)
    assert sandbox.limits.max_in_flight == 6


async def test_the_number_of_requests_at_a_time_can_change(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.assumptions.max_concurrent_requests = 1
    (first,) = await crowd(sandbox, vendor, 1)
    assert (await vendor.send("GET", "boms")).status == 429
    sandbox.gates["gate"].open()
    assert (await first).status == 200


@pytest.mark.parametrize("enforce", [False, True])
async def test_the_stricter_limit_of_the_client_is_noted_or_enforced(*, enforce: bool) -> None:
    rules = LimitRules(concurrency=4, enforce=enforce)
    async with (
        OpenBomSandbox.running(seed_fixture="warehouse", limit_rules=rules) as sandbox,
        Probe.to(sandbox.url, await authorized(sandbox.url)) as vendor,
    ):
        four = await crowd(sandbox, vendor, 4)
        fifth = await vendor.send("GET", "catalogs")
        sandbox.gates["gate"].open()
        await asyncio.gather(*four)

    assert fifth.status == (429 if enforce else 200)
    assert [(v.rule, v.measured) for v in sandbox.limits.violations] == [("concurrency", 5)]


async def test_a_queued_write_waits_for_the_call(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("queued", count=None)
    seen = await vendor.post(WRITE, BODY)
    await vendor.post(WRITE, {**BODY, "propertyValue": "15"})

    assert (seen.status, seen.json) == (202, {"message": "request accepted."})
    assert [request.outcome for request in sandbox.journal.requests[1:]] == ["queued", "queued"]
    assert (sandbox.journal.effects, on_hand(sandbox)) == ([], ["500"])
    assert sandbox.queued.commit_all() == 2
    assert [(e.request_seq, e.before, e.after) for e in sandbox.journal.own_effects()] == [
        (2, "500", "14"),
        (3, "14", "15"),
    ]
    assert (sandbox.queued.commit_all(), on_hand(sandbox)) == (0, ["15"])


async def test_a_queued_write_can_be_committed_after_a_delay(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("queued", until="delay", delay_seconds=0)
    assert (await vendor.post(WRITE, BODY)).status == 202
    await sandbox.journal.until_effects(1)
    assert (on_hand(sandbox), sandbox.queued.commit_all()) == (["14"], 0)


async def test_a_queued_write_is_committed_once_when_called_before_its_delay_is_over(
    sandbox: OpenBomSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("queued", until="delay", delay_seconds=0.05)
    await vendor.post(WRITE, BODY)
    assert sandbox.queued.commit_all() == 1
    sandbox.faults.add("queued", until="delay", delay_seconds=0.1)
    await vendor.post(WRITE, BODY)
    await sandbox.journal.until_effects(2)
    assert [effect.request_seq for effect in sandbox.journal.effects] == [2, 3]


async def test_a_queued_write_to_an_unknown_row_is_dropped(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("queued")
    assert (await vendor.post(WRITE, {**BODY, "partNumber": "NOBODY"})).status == 202
    assert (sandbox.queued.commit_all(), sandbox.journal.effects) == (1, [])
    assert sandbox.journal.requests[-1].faults == ["queued", "the queued write was dropped"]


@pytest.mark.parametrize(("place", "left"), [("before_commit", "14"), ("after_commit", "999")])
async def test_a_second_writer_sets_another_value(
    sandbox: OpenBomSandbox, vendor: Probe, place: str, left: str
) -> None:
    sandbox.faults.add("second_writer", place=place)
    assert (await vendor.post(WRITE, BODY)).status == 200
    assert sorted((e.after, e.foreign, e.user) for e in sandbox.journal.effects) == [
        ("14", False, EMAIL),
        ("999", True, "colleague"),
    ]
    assert on_hand(sandbox) == [left]


async def test_a_duplicate_commit_is_in_the_journal_twice(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("duplicate_commit")
    await vendor.post(WRITE, BODY)
    assert [(e.request_seq, e.before) for e in sandbox.journal.own_effects()] == [(2, "500"), (2, "14")]


@pytest.mark.parametrize(("kind", "effects"), [("accept_then_drop", 1), ("drop_before", 0)])
async def test_an_answer_can_be_lost_with_or_without_the_commit(
    sandbox: OpenBomSandbox, vendor: Probe, kind: str, effects: int
) -> None:
    sandbox.faults.add(kind, "catalog/propertyvalue", match="C-100N")
    with pytest.raises(CUT):
        await vendor.post(WRITE, BODY)
    await sandbox.until_quiet()
    assert len(sandbox.journal.effects) == effects


async def test_the_answer_to_a_login_can_be_lost(sandbox: OpenBomSandbox) -> None:
    sandbox.faults.add("accept_then_drop", "login")
    with pytest.raises(CUT):
        await authorized(sandbox.url)
    await authorized(sandbox.url)
    assert sandbox.accounts.logins == 2


async def test_writes_of_one_row_that_overlap_are_counted(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("gate", count=2)
    bodies = [BODY, {**BODY, "propertyName": "Bin"}, {**BODY, "partNumber": "R-1K"}]
    held = [asyncio.create_task(vendor.post(WRITE, body)) for body in bodies]
    await sandbox.gates["gate"].until_arrived(2)
    sandbox.gates["gate"].open()
    await asyncio.gather(*held)
    assert sandbox.limits.max_writes_in_flight_per_subject == 2


@pytest.mark.parametrize(("name", "value"), [("document_shape", "cell"), ("column_definitions", "")])
def test_a_reading_that_does_not_exist_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="is one of"):
        setattr(Assumptions(), name, value)
