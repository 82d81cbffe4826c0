"""The Partium sandbox keeps the rules of the vendor's documents for parts and for requests (vendors.md 3.1 to 3.8)."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.partium import API_KEY, Assumptions, PartiumSandbox
from tests.sandbox.probe import Probe, Seen

AUTHORIZED = {"Authorization": f"Bearer {API_KEY}"}
PARTS = "1/catalog/parts"
WEIGHT = {"attribute_id": "weight", "values": [{"organization": "", "value": {"en": "9 g", "de": "9 g"}}]}
NUT = {"part_id": "P-9001", "name": {"en": "Nut", "de": "Mutter"}, "attributes": [WEIGHT]}


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartiumSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, AUTHORIZED) as probe:
        yield probe


async def upsert(vendor: Probe, *items: Any) -> Any:
    seen = await vendor.post(PARTS, list(items))
    assert seen.status == 200
    return seen.json


async def delete(vendor: Probe, *part_ids: str) -> Any:
    seen = await vendor.send("DELETE", PARTS, json=list(part_ids))
    assert seen.status == 200
    return seen.json


async def select(vendor: Probe, *part_ids: str, **options: Any) -> Any:
    return (await vendor.post(f"{PARTS}/select", {"part_ids": list(part_ids), **options})).json


def valued(attribute_id: str, text: str, organization: str = "", language: str = "en") -> dict[str, Any]:
    values = [{"organization": organization, "value": {language: text}}]
    return {"attribute_id": attribute_id, "values": values}


def assert_refused(seen: Seen, status: int, problem: str, sandbox: PartiumSandbox) -> None:
    assert (seen.status, list(seen.json)) == (status, ["detail"])
    assert (sandbox.journal.requests[-1].outcome, sandbox.journal.effects) == (problem, [])


async def test_a_new_part_is_created_and_then_updated(vendor: Probe) -> None:
    assert await upsert(vendor, NUT) == {"created": ["P-9001"], "updated": [], "errors": {}}
    assert await upsert(vendor, NUT) == {"created": [], "updated": ["P-9001"], "errors": {}}
    assert await select(vendor, "P-9001") == [NUT]


async def test_an_update_replaces_the_fields_it_carries_and_keeps_the_others(vendor: Probe) -> None:
    await upsert(vendor, NUT)
    await upsert(vendor, {"part_id": "P-9001", "name": {"fr": "Écrou"}})
    assert await select(vendor, "P-9001") == [{**NUT, "name": {"fr": "Écrou"}}]
    await upsert(vendor, {"part_id": "P-9001", "attributes": []})
    assert await select(vendor, "P-9001") == [{**NUT, "name": {"fr": "Écrou"}, "attributes": []}]


async def test_two_items_with_one_id_are_done_one_after_the_other(sandbox: PartiumSandbox, vendor: Probe) -> None:
    answer = await upsert(vendor, NUT, {"part_id": "P-9001", "name": {"en": "Nut M3"}})
    assert answer == {"created": ["P-9001"], "updated": ["P-9001"], "errors": {}}
    assert [effect.details["done"] for effect in sandbox.journal.effects_on("P-9001")] == ["created", "updated"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": {}}, "name"),
        ({"name": "Nut"}, "name"),
        ({"name": {"en": " "}}, "name"),
        ({"name": {"en": 3}}, "name"),
        ({"name": {"it": "Dado"}}, "language it"),
        ({"colour": "red"}, "unknown field colour"),
        ({"attributes": {}}, "array"),
        ({"attributes": [valued("length", "9 mm")]}, "attribute length does not exist"),
        ({"attributes": [WEIGHT, WEIGHT]}, "given twice"),
        ({"attributes": [valued("weight", "9 g", language="deu")]}, "language deu"),
        ({"attributes": [valued("weight", "")]}, "no text"),
        ({"attributes": [valued("voltage", "9 V", "org-west")]}, "organization org-west"),
        ({"attributes": [valued("weight", "9 g", "org-north")]}, "single organizations"),
        ({"attributes": [valued("color", "green")]}, "color cannot be"),
        ({"attributes": [valued("color", "rot")]}, "color cannot be"),
        ({"attributes": [{"attribute_id": "weight"}]}, "values"),
        ({"attributes": [{"attribute_id": "weight", "values": {}}]}, "array"),
        ({"attributes": [{"attribute_id": "weight", "values": [{"organizations": "", "value": {"en": "9"}}]}]}, "have"),
        ({"attributes": [{"attribute_id": "weight", "values": WEIGHT["values"] * 2}]}, "two values"),  # type: ignore[operator]
        ({"attributes": ["weight"]}, "attribute_id"),
        ({"attributes": [{**WEIGHT, "unit": "g"}]}, "must have"),
    ],
)
async def test_a_wrong_item_is_among_the_errors_of_a_200_and_the_others_are_stored(
    vendor: Probe, change: dict[str, Any], what: str
) -> None:
    answer = await upsert(vendor, {**NUT, **change}, {"part_id": "P-9002", "name": {"en": "Washer"}})
    assert (answer["created"], answer["updated"], list(answer["errors"])) == (["P-9002"], [], ["P-9001"])
    assert what in answer["errors"]["P-9001"]
    assert [part["part_id"] for part in await select(vendor, "P-9001", "P-9002")] == ["P-9002"]


@pytest.mark.parametrize(
    "attribute",
    [
        valued("color", "rot", language="de"),
        valued("voltage", "9 V", "org-south"),
        {"attribute_id": "color", "values": [{"organization": "", "value": {"en": "red", "de": "rot"}}]},
        {"attribute_id": "weight", "values": []},
    ],
)
async def test_attributes_of_the_ontology_are_stored_as_sent(vendor: Probe, attribute: dict[str, Any]) -> None:
    assert (await upsert(vendor, {**NUT, "attributes": [attribute]}))["errors"] == {}
    assert (await select(vendor, "P-9001"))[0]["attributes"] == [attribute]


async def test_a_new_part_needs_a_name(vendor: Probe) -> None:
    assert (await upsert(vendor, {"part_id": "P-9001"}))["errors"] == {"P-9001": "name is required"}


async def test_a_deleted_part_is_gone_and_a_second_delete_says_so_or_nothing(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    assert await delete(vendor, "P-1001") == {"deleted": ["P-1001"], "errors": {}}
    assert await select(vendor, "P-1001") == []
    assert await delete(vendor, "P-1001") == {"deleted": [], "errors": {"P-1001": "P-1001 does not exist"}}
    sandbox.assumptions.missing_ids_are_errors = False
    assert await delete(vendor, "P-1001") == {"deleted": [], "errors": {}}


async def test_a_part_goes_only_when_no_assembly_and_no_image_refers_to_it(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    answer = await delete(vendor, "P-3001", "P-1002", "P-4001")
    assert answer["deleted"] == ["P-1002"]
    assert "press-belt, saw" in answer["errors"]["P-3001"]
    assert "images" in answer["errors"]["P-4001"]
    for ass_id in ("press-belt", "saw"):
        sandbox.load.unassign("P-3001", ass_id)
    del sandbox.state.images["I-1"]
    assert (await delete(vendor, "P-3001", "P-4001"))["deleted"] == ["P-3001", "P-4001"]


async def test_select_answers_a_bare_array_of_what_exists_each_once(vendor: Probe) -> None:
    got = await select(vendor, "P-3002", "nothing", "P-1001", "P-3002", projection=["name"])
    assert [part["part_id"] for part in got] == ["P-3002", "P-1001"]
    assert [sorted(part) for part in got] == [["name", "part_id"]] * 2
    assert await select(vendor, "P-1001", projection=[]) == [{"part_id": "P-1001"}]


async def test_pages_follow_one_another_and_show_every_part_once(vendor: Probe) -> None:
    found, paging, pages = [], {"limit": 6}, 0
    while True:
        page = (await vendor.post(f"{PARTS}/list", {"paging": paging, "projection": ["name"]})).json
        assert sorted(page) == ["last_object_id", "more_data", "result"]
        found += [part["part_id"] for part in page["result"]]
        pages += 1
        if not page["more_data"]:
            break
        paging = {"limit": 6, "last_object_id": page["last_object_id"]}
    assert (pages, len(found), len(set(found))) == (4, 20, 20)
    assert all(sorted(part) == ["name", "part_id"] for part in page["result"])


async def test_a_full_last_page_says_that_there_is_no_more(vendor: Probe) -> None:
    page = (await vendor.post(f"{PARTS}/list", {"paging": {"limit": 20}})).json
    assert (len(page["result"]), page["more_data"]) == (20, False)
    paging = {"limit": 5, "last_object_id": page["last_object_id"]}
    rest = (await vendor.post(f"{PARTS}/list", {"paging": paging})).json
    assert (rest["result"], rest["more_data"]) == ([], False)


async def test_paging_goes_on_behind_a_part_that_was_deleted_and_shows_new_ones_last(vendor: Probe) -> None:
    first = (await vendor.post(f"{PARTS}/list", {"paging": {"limit": 2}})).json
    await delete(vendor, "P-1002")
    await upsert(vendor, NUT)
    paging = {"limit": 100, "last_object_id": first["last_object_id"]}
    rest = [part["part_id"] for part in (await vendor.post(f"{PARTS}/list", {"paging": paging})).json["result"]]
    assert (rest[0], rest[-1], len(rest)) == ("P-1003", "P-9001", 19)


async def test_a_page_is_never_larger_than_the_vendor_likes(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.assumptions.largest_page = 3
    page = (await vendor.post(f"{PARTS}/list", {"paging": {"limit": 100}})).json
    assert (len(page["result"]), page["more_data"]) == (3, True)


@pytest.mark.parametrize(
    "header", [None, "", API_KEY, f"bearer {API_KEY}", f"APIKey {API_KEY}", f"Bearer  {API_KEY}", "Bearer wrong"]
)
async def test_only_the_exact_authorization_header_is_let_in(sandbox: PartiumSandbox, header: str | None) -> None:
    async with Probe.to(sandbox.url) as stranger:
        seen = await stranger.post(PARTS, [NUT], headers={"Authorization": header} if header is not None else {})
    assert_refused(seen, 401, "unauthorized", sandbox)
    assert seen.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_that_may_not_write_is_answered_403(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.load.user("viewer", "sandbox-partium-key-0001", denied=("parts/upsert",))
    seen = await vendor.post(PARTS, [NUT], headers={"Authorization": "Bearer sandbox-partium-key-0001"})
    assert_refused(seen, 403, "forbidden", sandbox)


async def test_unknown_paths_and_methods_are_refused(sandbox: PartiumSandbox, vendor: Probe) -> None:
    assert_refused(await vendor.post("1/catalog/images", []), 404, "not-found", sandbox)
    assert_refused(await vendor.send("PUT", PARTS, json=[NUT]), 405, "method-not-allowed", sandbox)
    assert sandbox.journal.requests[-1].operation == "PUT /1/catalog/parts"


async def chunks() -> AsyncIterator[bytes]:
    yield json.dumps(["P-1001"]).encode()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_request_without_content_length_is_refused(sandbox: PartiumSandbox, vendor: Probe, method: str) -> None:
    seen = await vendor.send(method, PARTS, data=chunks(), headers={"Content-Type": "application/json"})
    assert_refused(seen, 411, "length-required", sandbox)


async def test_a_body_above_the_limit_is_refused_and_one_at_the_limit_is_not(
    sandbox: PartiumSandbox, vendor: Probe
) -> None:
    body = json.dumps([NUT]).encode()
    headers = {"Content-Type": "application/json"}
    sandbox.assumptions.largest_body_bytes = len(body) - 1
    assert_refused(await vendor.send("POST", PARTS, data=body, headers=headers), 413, "too-large", sandbox)
    sandbox.assumptions.largest_body_bytes = len(body)
    assert (await vendor.send("POST", PARTS, data=body, headers=headers)).status == 200


async def test_five_megabytes_are_taken(vendor: Probe) -> None:
    items = [{"part_id": f"X-{number}", "name": {"en": "x" * 10_000}} for number in range(500)]
    # aiohttp warns of a large body that is no stream
    body = io.BytesIO(json.dumps(items).encode())
    seen = await vendor.send("POST", PARTS, data=body, headers={"Content-Type": "application/json"})
    assert len(seen.json["created"]) == 500


async def test_too_many_items_are_refused_where_the_vendor_counts_them(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.assumptions.most_items = 2
    assert_refused(await vendor.send("DELETE", PARTS, json=["a", "b", "c"]), 413, "too-large", sandbox)
    assert (await vendor.send("DELETE", PARTS, json=["a", "b"])).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused(sandbox: PartiumSandbox, vendor: Probe, content_type: str) -> None:
    seen = await vendor.send("POST", PARTS, data=json.dumps([NUT]), headers={"Content-Type": content_type})
    assert_refused(seen, 415, "unsupported", sandbox)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PARTS, "{"),
        (PARTS, ""),
        (PARTS, '[{"part_id": "P", "name": {"en": NaN}}]'),
        (PARTS, r'[{"part_id": "\ud800", "name": {"en": "x"}}]'),
        (PARTS, '{"part_id": "P"}'),
        (PARTS, '["P"]'),
        (PARTS, '[{"name": {"en": "x"}}]'),
        (PARTS, '[{"part_id": ""}]'),
        (PARTS, '[{"part_id": 7}]'),
        (f"{PARTS}/select", '["P"]'),
        (f"{PARTS}/select", "{}"),
        (f"{PARTS}/select", '{"part_ids": "P"}'),
        (f"{PARTS}/select", '{"part_ids": [], "ids": []}'),
        (f"{PARTS}/select", '{"part_ids": [], "projection": ["part_id"]}'),
        (f"{PARTS}/select", '{"part_ids": [], "projection": "name"}'),
        (f"{PARTS}/list", "[]"),
        (f"{PARTS}/list", "{}"),
        (f"{PARTS}/list", '{"paging": {}}'),
        (f"{PARTS}/list", '{"paging": {"limit": 0}}'),
        (f"{PARTS}/list", '{"paging": {"limit": true}}'),
        (f"{PARTS}/list", '{"paging": {"limit": "5"}}'),
        (f"{PARTS}/list", '{"paging": {"limit": 5, "offset": 5}}'),
        (f"{PARTS}/list", '{"paging": {"limit": 5, "last_object_id": null}}'),
        (f"{PARTS}/list", '{"paging": {"limit": 5, "last_object_id": "P-1001"}}'),
        (f"{PARTS}/list", '{"paging": {"limit": 5}, "query": {"parent_ids": []}}'),
    ],
)
async def test_a_body_of_a_wrong_form_is_refused_as_a_whole(
    sandbox: PartiumSandbox, vendor: Probe, path: str, body: str
) -> None:
    seen = await vendor.send("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert_refused(seen, 422, "invalid", sandbox)


@pytest.mark.parametrize("paging", [{"limit": 0}, {"limit": 1, "last_object_id": 7}])
async def test_a_body_of_a_wrong_form_meets_no_fault(
    sandbox: PartiumSandbox, vendor: Probe, paging: dict[str, Any]
) -> None:
    fault = sandbox.faults.add("hang")
    assert (await vendor.post(f"{PARTS}/list", {"paging": paging})).status == 422
    query = {"query": {"parent_ids": 7}, "paging": {"limit": 1}}
    assert (await vendor.post("1/catalog/assemblies/list", query)).status == 422
    assert fault.fired == 0


async def test_an_array_that_is_no_list_of_ids_cannot_be_deleted(sandbox: PartiumSandbox, vendor: Probe) -> None:
    for body in ([{"part_id": "P-1001"}], [7], [""], "P-1001"):
        assert_refused(await vendor.send("DELETE", PARTS, json=body), 422, "invalid", sandbox)


async def test_an_empty_array_does_nothing(sandbox: PartiumSandbox, vendor: Probe) -> None:
    assert await upsert(vendor) == {"created": [], "updated": [], "errors": {}}
    assert await delete(vendor) == {"deleted": [], "errors": {}}
    assert sandbox.journal.effects == []


@pytest.mark.parametrize(
    ("shape", "value"),
    [("text", "name is required"), ("list", ["name is required"]), ("object", {"message": "name is required"})],
)
async def test_errors_can_have_other_shapes(shape: str, value: Any) -> None:
    async with (
        PartiumSandbox.running(assumptions=Assumptions(error_shape=shape)) as sandbox,
        Probe.to(sandbox.url, AUTHORIZED) as vendor,
    ):
        assert (await upsert(vendor, {"part_id": "P-1"}))["errors"] == {"P-1": value}


async def test_fields_nobody_announced_can_appear_everywhere(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.assumptions.unannounced_fields = True
    assert "revision" in await upsert(vendor, NUT)
    assert "revision" in (await select(vendor, "P-1001"))[0]
    page = (await vendor.post(f"{PARTS}/list", {"paging": {"limit": 1}})).json
    assert ("revision" in page, "revision" in page["result"][0]) == (True, True)
    sandbox.assumptions.unannounced_fields = False
    assert "revision" not in (await select(vendor, "P-9001"))[0]


async def test_unknown_fields_can_be_ignored(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.assumptions.unknown_fields_are_errors = False
    assert (await upsert(vendor, {**NUT, "colour": "red"}))["created"] == ["P-9001"]


async def test_limits_are_enforced_with_429_and_retry_after_when_told(sandbox: PartiumSandbox, vendor: Probe) -> None:
    async with Probe.to(sandbox.root_url + "/_sandbox") as control:
        await control.post("settings", {"concurrency": 1, "enforce": True})
    sandbox.faults.add("gate", "parts/upsert")
    first = asyncio.create_task(vendor.post(PARTS, [NUT]))
    await sandbox.gates["gate"].until_arrived()
    seen = await vendor.send("DELETE", PARTS, json=["P-1001"])
    sandbox.gates["gate"].open()
    assert (seen.status, seen.headers["Retry-After"], list(seen.json)) == (429, "1", ["detail"])
    assert ((await first).status, sandbox.journal.requests[1].outcome) == (200, "rate-limited")
    assert len(sandbox.journal.effects) == 1
