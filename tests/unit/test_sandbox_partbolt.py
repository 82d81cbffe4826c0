"""The PartBolt sandbox keeps the rules of the vendor's document (vendors.md 5.1 to 5.6), and its switches work."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.partbolt import TOKEN, Assumptions, LimitRules, PartBoltSandbox, id_for
from tests.sandbox.partbolt.assumptions import CODES
from tests.sandbox.partbolt.fixtures import WAREHOUSE
from tests.sandbox.partbolt.ids import CODE
from tests.sandbox.probe import Probe, Seen

AUTHORIZED = {"Authentication": f"PartBoltAPI {TOKEN}"}
PART = id_for("part", "R-1K")
LOT = id_for("lot", "R-1K/2")
BENCH = id_for("location", "Bench")
ENDPOINTS = {"parts/get": PART, "lots/get": LOT, "locations/get": BENCH}


@pytest.fixture
async def sandbox() -> AsyncIterator[PartBoltSandbox]:
    async with PartBoltSandbox.running(seed_fixture="warehouse", seed=1, read_latency_seconds=(0, 0)) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartBoltSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, AUTHORIZED) as probe:
        yield probe


async def get(vendor: Probe, code: str | None = PART, path: str = "parts/get", **options: Any) -> Seen:
    return await vendor.send("GET", path, params={} if code is None else {"id": code}, **options)


def assert_error(seen: Seen, code: str, hint: str | None = None) -> None:
    status, message = CODES[code]
    error = {"code": code, "message": message} | ({"hint": hint} if hint else {})
    assert (seen.status, seen.json) == (status, {"status": "error", "error": error})
    assert seen.headers["Content-Type"].startswith("application/json")


def test_the_codes_have_the_statuses_of_the_document() -> None:
    assert {code: status for code, (status, _) in CODES.items()} == {
        "forbidden": 403,
        "internal_server_error": 500,
        "invalid_params": 400,
        "missing_params": 400,
        "not_found": 404,
        "over_quota": 402,
        "token_invalid": 401,
    }


async def test_a_part_comes_with_its_lots_and_where_they_lie(vendor: Probe) -> None:
    seen = await get(vendor)
    assert (seen.status, seen.json["status"]) == (200, "ok")
    assert seen.json["data"] == {
        "id": PART,
        "name": "R-1K",
        "archived": False,
        "description": "Store room part R-1K",
        "manufacturer": "Example Components",
        "mpn": "EX-R-1K-0603",
        "category": {"name": "Resistors", "path": ["Components", "Resistors"]},
        "tags": ["smd"],
        "lots": [
            {
                "id": id_for("lot", "R-1K/1"),
                "quantity": 800,
                "location": {"id": id_for("location", "Shelf 1"), "name": "Shelf 1"},
            },
            {"id": LOT, "quantity": 35, "location": {"id": BENCH, "name": "Bench"}},
        ],
        "totalQuantity": 835,
    }


async def test_a_part_can_be_archived_and_without_lots(vendor: Probe) -> None:
    data = (await get(vendor, id_for("part", "LABEL-OLD"))).json["data"]
    assert (data["archived"], data["mpn"], data["lots"], data["totalQuantity"]) == (True, None, [], 0)


async def test_every_part_of_the_fixture_has_a_code_of_ten_letters_and_digits(vendor: Probe) -> None:
    codes = [id_for("part", part["name"]) for part in WAREHOUSE["parts"]]
    assert len(set(codes)) == 10
    assert all(CODE.fullmatch(code) for code in codes)
    assert {(await get(vendor, code)).status for code in codes} == {200}


async def test_a_lot_names_its_part_and_its_location(vendor: Probe) -> None:
    assert (await get(vendor, LOT, "lots/get")).json["data"] == {
        "id": LOT,
        "part": {"id": PART, "name": "R-1K"},
        "location": {"id": BENCH, "name": "Bench"},
        "quantity": 35,
    }


async def test_a_location_lists_its_lots(vendor: Probe) -> None:
    assert (await get(vendor, BENCH, "locations/get")).json["data"] == {
        "id": BENCH,
        "name": "Bench",
        "parent": id_for("location", "Shelf 2"),
        "lots": [
            {"id": LOT, "quantity": 35},
            {"id": id_for("lot", "IC-TIMER/1"), "quantity": 25},
            {"id": id_for("lot", "WIRE-BLÅ/1"), "quantity": 0},
        ],
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"PartBoltAPI {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authentication": ""},
        {"Authentication": TOKEN},
        {"Authentication": f"Bearer {TOKEN}"},
        {"Authentication": f"partboltapi {TOKEN}"},
        {"Authentication": f"PartBoltAPI  {TOKEN}"},
        {"Authentication": "PartBoltAPI partbolt_token_sample"},
    ],
)
async def test_only_the_exact_authentication_header_is_let_in(
    sandbox: PartBoltSandbox, headers: dict[str, str]
) -> None:
    async with Probe.to(sandbox.url, headers) as stranger:
        assert_error(await get(stranger), "token_invalid")


async def test_a_missing_token_can_have_another_code(sandbox: PartBoltSandbox) -> None:
    sandbox.assumptions.missing_token_code = "forbidden"
    async with Probe.to(sandbox.url) as stranger:
        assert_error(await get(stranger), "forbidden")
        assert_error(await get(stranger, headers={"Authentication": "PartBoltAPI wrong"}), "token_invalid")


@pytest.mark.parametrize(("path", "scope"), [(path, f"{path.partition('/')[0]}:read") for path in ENDPOINTS])
async def test_a_token_opens_what_its_scopes_name(
    sandbox: PartBoltSandbox, vendor: Probe, path: str, scope: str
) -> None:
    sandbox.load.token("narrow", (scope,))
    headers = {"Authentication": "PartBoltAPI narrow"}
    seen = {other: await get(vendor, code, other, headers=headers) for other, code in ENDPOINTS.items()}

    assert seen.pop(path).status == 200
    for answer in seen.values():
        assert_error(answer, "forbidden")


async def test_a_token_without_scopes_opens_nothing(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    sandbox.load.token("none", ())
    assert_error(await get(vendor, headers={"Authentication": "PartBoltAPI none"}), "forbidden")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_id_is_needed(vendor: Probe, path: str) -> None:
    assert_error(await get(vendor, None, path), "missing_params", "The following parameter was missing: id")


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("code", ["", "1", "ABCDEFGHI", "ABCDEFGHIJK", "abcdefghij", "ABCDE-GHIJ"])
async def test_an_id_has_the_form_of_an_item_code(vendor: Probe, path: str, code: str) -> None:
    assert_error(await get(vendor, code, path), "invalid_params", "The following parameter was invalid: id")


async def test_an_id_given_twice_is_invalid(vendor: Probe) -> None:
    seen = await vendor.send("GET", f"parts/get?id={PART}&id={PART}")
    assert_error(seen, "invalid_params", "The following parameter was invalid: id")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_id_that_is_not_there_is_not_found(vendor: Probe, path: str) -> None:
    assert_error(await get(vendor, id_for("part", "never loaded"), path), "not_found")


async def test_codes_of_one_table_are_not_found_in_another(vendor: Probe) -> None:
    assert_error(await get(vendor, LOT), "not_found")


@pytest.mark.parametrize("path", ["parts/all", "parts", "parts/get/more"])
async def test_an_unknown_path_is_not_found(vendor: Probe, path: str) -> None:
    assert_error(await get(vendor, path=path), "not_found")


async def test_another_method_is_refused_with_a_code_that_can_change(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    assert_error(await vendor.send("POST", "parts/get", params={"id": PART}), "invalid_params")
    sandbox.assumptions.wrong_method_code = "not_found"
    assert_error(await vendor.send("POST", "parts/get", params={"id": PART}), "not_found")


async def test_a_quota_can_be_used_up_and_raised(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    sandbox.assumptions.quota_requests = 2
    statuses = [(await get(vendor, code)).status for code in (PART, None, PART)]
    assert statuses == [200, 400, 402]
    assert_error(await get(vendor), "over_quota")
    sandbox.assumptions.quota_requests = None
    assert (await get(vendor)).status == 200


async def test_a_stranger_uses_no_quota(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    sandbox.assumptions.quota_requests = 1
    assert_error(await get(vendor, headers={"Authentication": "PartBoltAPI wrong"}), "token_invalid")
    assert (await get(vendor)).status == 200


@pytest.mark.parametrize("name", ["missing_token_code", "wrong_method_code"])
def test_a_code_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is one of"):
        setattr(Assumptions(), name, "no_such_code")


@pytest.mark.parametrize(("code", "status"), [(code, status) for code, (status, _) in CODES.items() if status != 400])
async def test_a_made_up_error_has_the_words_of_the_document(
    sandbox: PartBoltSandbox, vendor: Probe, code: str, status: int
) -> None:
    sandbox.faults.add("status", "parts/get", status=status)
    assert_error(await get(vendor), code)


async def test_a_made_up_error_without_words_has_the_envelope_too(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    sandbox.faults.add("status", status=503)
    seen = await get(vendor)
    assert (seen.status, seen.json["error"]["code"]) == (503, "internal_server_error")


async def test_an_enforced_limit_answers_429_in_the_envelope() -> None:
    rules = LimitRules(rate_per_second=0.001, burst=1, enforce=True)
    async with (
        PartBoltSandbox.running(seed_fixture="warehouse", limit_rules=rules) as sandbox,
        Probe.to(sandbox.url, AUTHORIZED) as vendor,
    ):
        seen = [await get(vendor) for _ in range(2)]
    assert [answer.status for answer in seen] == [200, 429]
    assert seen[1].json == {"status": "error", "error": {"code": "rate_limited", "message": "Too many requests"}}
    assert int(seen[1].headers["Retry-After"]) > 0
    assert [violation.rule for violation in sandbox.limits.violations] == ["rate"]


@pytest.mark.parametrize("kind", ["accept_then_drop", "drop_before"])
async def test_an_answer_can_be_lost(sandbox: PartBoltSandbox, vendor: Probe, kind: str) -> None:
    # aiohttp sends a GET again by itself (vendors.md G8), so one lost answer would not be seen here
    fault = sandbox.faults.add(kind, match=PART, count=2)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await get(vendor)
    assert fault.fired == 2
    assert (await get(vendor)).status == 200


async def test_who_follows_a_redirect_is_in_the_journal(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    sandbox.faults.add("redirect", "parts/get")
    seen = await get(vendor)
    assert seen.status == 302
    async with aiohttp.request("GET", sandbox.root_url + seen.headers["Location"]) as target:
        assert await target.json() == {"status": "ok", "data": {}}
    assert len(sandbox.journal.requests_of("redirect-target")) == 1


async def test_the_journal_holds_reads_alone(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    await get(vendor)
    await get(vendor, None)
    books = [(r.operation, r.subjects, r.outcome, r.status) for r in sandbox.journal.requests]
    assert books == [("parts/get", [f"parts:{PART}"], "ok", 200), ("parts/get", [], "missing_params", 400)]
    with pytest.raises(ValueError, match="cannot hit"):
        sandbox.faults.add("duplicate_commit", "parts/get")


async def test_the_control_api_loads_parts_and_shows_no_token(sandbox: PartBoltSandbox, vendor: Probe) -> None:
    fixture = {"parts": [{"name": "NEW"}], "tokens": [{"token": "loaded", "scopes": ["parts:read"]}]}
    async with Probe.to(f"{sandbox.root_url}/_sandbox") as control:
        ids = (await control.post("fixture", fixture)).json
        lots = [{"name": "L", "part": part, "location": "?", "quantity": 1} for part in ("R-1K", "?")]
        lost = [(await control.post("fixture", {"lots": [lot]})).status for lot in lots]
        state = await control.send("GET", "state")
        written = await control.post("write", {"operation": "parts/get", "params": {}})

    assert ids["parts"] == [id_for("part", "NEW")]
    seen = await get(vendor, ids["parts"][0], headers={"Authentication": "PartBoltAPI loaded"})
    assert seen.json["data"]["name"] == "NEW"
    assert (lost, written.status) == ([400, 400], 409)
    assert [len(state.json[table]) for table in ("parts", "lots", "locations")] == [11, 10, 3]
    assert "loaded" not in state.text
    assert TOKEN not in state.text


async def test_the_process_serves_and_leaves_cleanly_on_sigterm(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    options = ("--seed-fixture", "warehouse", "--rate", "2/s", "--burst", "5", "--concurrency", "2")
    command = (sys.executable, "-m", "tests.sandbox.partbolt", "--ready-file", str(ready_file), *options)
    running = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    try:
        async with asyncio.timeout(30):
            while not ready_file.exists():
                assert running.returncode is None
                await asyncio.sleep(0.02)
        async with Probe.to(json.loads(ready_file.read_text(encoding="utf-8"))["url"], AUTHORIZED) as vendor:
            assert (await get(vendor)).status == 200
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 20) == 0
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
