"""The Partium sandbox keeps the rules of the hierarchy: parents first, children last, no circles."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.partium import API_KEY, PartiumSandbox
from tests.sandbox.probe import Probe

ASSEMBLIES = "1/catalog/assemblies"


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartiumSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"Bearer {API_KEY}"}) as probe:
        yield probe


def assembly(ass_id: str, parent_id: str, **changes: Any) -> dict[str, Any]:
    return {"ass_id": ass_id, "parent_id": parent_id, "name": {"en": ass_id}, **changes}


async def upsert(vendor: Probe, *items: Any) -> Any:
    return (await vendor.post(ASSEMBLIES, list(items))).json


async def delete(vendor: Probe, *ass_ids: str) -> Any:
    return (await vendor.send("DELETE", ASSEMBLIES, json=list(ass_ids))).json


async def listed(vendor: Probe, parent_ids: list[str] | None) -> list[str]:
    query = {} if parent_ids is None else {"query": {"parent_ids": parent_ids}}
    page = (await vendor.post(f"{ASSEMBLIES}/list", {**query, "paging": {"limit": 100}})).json
    return [one["ass_id"] for one in page["result"]]


async def test_a_tree_is_created_in_one_call_when_parents_come_first(vendor: Probe) -> None:
    tree = (assembly("drill", ""), assembly("drill-head", "drill"), assembly("drill-chuck", "drill-head"))
    assert await upsert(vendor, *tree) == {
        "created": ["drill", "drill-head", "drill-chuck"],
        "updated": [],
        "errors": {},
    }
    got = await vendor.post(f"{ASSEMBLIES}/select", {"ass_ids": ["drill-chuck", "drill"]})
    assert got.json == [tree[2], tree[0]]


async def test_a_child_before_its_parent_is_an_error_and_the_parent_is_not(vendor: Probe) -> None:
    answer = await upsert(vendor, assembly("drill-head", "drill"), assembly("drill", ""))
    assert (answer["created"], list(answer["errors"])) == (["drill"], ["drill-head"])
    assert (await upsert(vendor, assembly("drill-head", "drill")))["created"] == ["drill-head"]


async def test_what_hangs_on_a_refused_parent_is_refused_too(vendor: Probe) -> None:
    wrong = assembly("drill", "", name={"xx": "drill"})
    answer = await upsert(vendor, wrong, assembly("drill-head", "drill"), assembly("lathe", ""))
    assert (answer["created"], sorted(answer["errors"])) == (["lathe"], ["drill", "drill-head"])


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (assembly("press", "press"), "its own parent"),
        (assembly("press", "press-motor"), "sub-assembly of press"),
        (assembly("press", "press-drive"), "sub-assembly of press"),
        (assembly("press", "nowhere"), "does not exist"),
        (assembly("drill", "drill"), "its own parent"),
        ({**assembly("drill", ""), "parent_id": None}, "string"),
        ({"ass_id": "drill", "name": {"en": "drill"}}, "parent_id is required"),
        ({"ass_id": "drill", "parent_id": ""}, "name is required"),
        (assembly("drill", "", weight=3), "unknown field weight"),
    ],
)
async def test_a_wrong_assembly_is_among_the_errors(
    sandbox: PartiumSandbox, vendor: Probe, item: dict[str, Any], what: str
) -> None:
    answer = await upsert(vendor, item)
    assert (answer["created"], answer["updated"]) == ([], [])
    assert what in answer["errors"][item["ass_id"]]
    assert sandbox.journal.effects == []


async def test_an_assembly_moves_with_everything_below_it(vendor: Probe) -> None:
    assert (await upsert(vendor, {"ass_id": "press-drive", "parent_id": "saw"}))["updated"] == ["press-drive"]
    assert await listed(vendor, ["saw"]) == ["press-drive", "saw-table"]
    assert await listed(vendor, ["press-drive"]) == ["press-motor", "press-belt"]
    assert (await upsert(vendor, {"ass_id": "press", "parent_id": "press-motor"}))["updated"] == ["press"]
    got = await vendor.post(f"{ASSEMBLIES}/select", {"ass_ids": ["press-drive"], "projection": ["name"]})
    assert got.json == [{"ass_id": "press-drive", "name": {"en": "Drive", "de": "Antrieb", "fr": "Entraînement"}}]


async def test_a_list_shows_roots_children_or_all(vendor: Probe) -> None:
    assert await listed(vendor, [""]) == ["press", "saw"]
    assert await listed(vendor, ["", "press"]) == ["press", "press-drive", "press-frame", "saw"]
    assert await listed(vendor, ["nowhere"]) == await listed(vendor, []) == []
    assert len(await listed(vendor, None)) == 7


async def test_pages_of_a_filtered_list_hold_only_what_fits(vendor: Probe) -> None:
    query = {"query": {"parent_ids": ["", "saw"]}, "projection": ["parent_id"]}
    first = (await vendor.post(f"{ASSEMBLIES}/list", {**query, "paging": {"limit": 2}})).json
    paging = {"limit": 2, "last_object_id": first["last_object_id"]}
    second = (await vendor.post(f"{ASSEMBLIES}/list", {**query, "paging": paging})).json
    assert [first["more_data"], second["more_data"]] == [True, False]
    assert first["result"] + second["result"] == [
        {"ass_id": "press", "parent_id": ""},
        {"ass_id": "saw", "parent_id": ""},
        {"ass_id": "saw-table", "parent_id": "saw"},
    ]


@pytest.mark.parametrize("query", [{"parent_ids": "saw"}, {"parent_ids": [1]}, {"parents": []}, []])
async def test_a_query_of_a_wrong_form_is_refused(vendor: Probe, query: Any) -> None:
    seen = await vendor.post(f"{ASSEMBLIES}/list", {"query": query, "paging": {"limit": 1}})
    assert seen.status == 422


async def test_children_go_before_their_parents_within_one_list_too(sandbox: PartiumSandbox, vendor: Probe) -> None:
    sandbox.load.unassign("P-3001", "saw")
    answer = await delete(vendor, "saw", "saw-table")
    assert (answer["deleted"], list(answer["errors"])) == (["saw-table"], ["saw"])
    assert "saw-table" in answer["errors"]["saw"]
    assert await upsert(vendor, assembly("saw-table", "saw")) == {"created": ["saw-table"], "updated": [], "errors": {}}
    assert await delete(vendor, "saw-table", "saw") == {"deleted": ["saw-table", "saw"], "errors": {}}


async def test_an_assembly_with_parts_stays_until_they_are_gone(sandbox: PartiumSandbox, vendor: Probe) -> None:
    answer = await delete(vendor, "press-motor")
    assert "P-2005" in answer["errors"]["press-motor"]
    sandbox.load.unassign("P-2005", "press-motor")
    assert (await delete(vendor, "press-motor"))["deleted"] == ["press-motor"]
    assert await delete(vendor, "press-motor") == {
        "deleted": [],
        "errors": {"press-motor": "press-motor does not exist"},
    }
