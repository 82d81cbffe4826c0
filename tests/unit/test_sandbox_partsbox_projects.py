"""Projects, their entries and builds in the PartsBox sandbox behave as its document says."""

from typing import Any

import pytest

from tests.sandbox.partsbox import PartsBoxSandbox, id_for
from tests.sandbox.partsbox.ids import is_id
from tests.sandbox.probe import Probe
from tests.unit.partsbox_answers import CATEGORY, assert_refused

PART, MCU = id_for("part", "R-1K"), id_for("part", "IC-MCU")
LAMP, CLOCK = id_for("project", "lamp"), id_for("project", "clock")
FIRST, SECOND, THIRD = (id_for("entry", f"lamp/{position}") for position in (1, 2, 3))
BUILD = id_for("build", "lamp/1")
NOBODY = id_for("part", "never loaded")
FULL = {
    "entry/part-id": PART,
    "entry/quantity": 2,
    "entry/name": "divider",
    "entry/comments": "both [cmd:k1]",
    "entry/designators": ["R7", "R8"],
    "entry/order": 3,
    "entry/cad-footprint": "0603",
}


async def project(vendor: Probe, project_id: str = LAMP) -> dict[str, Any]:
    found: dict[str, Any] = (await vendor.post("project/get", {"project/id": project_id})).json["data"]
    return found


async def entries(vendor: Probe, project_id: str = LAMP, **build: str) -> list[dict[str, Any]]:
    named = {f"{name}/id": value for name, value in build.items()}
    found: list[dict[str, Any]] = (await vendor.post("project/get-entries", {"project/id": project_id, **named})).json[
        "data"
    ]
    return found


async def test_a_new_project_answers_its_id_beside_the_data_and_inside(vendor: Probe) -> None:
    fields = {"project/name": "radio", "project/description": "FM", "project/notes": "for [cmd:k1]"}
    seen = await vendor.post("project/create", {**fields, "project/tags": ["no-such-field"]})
    project_id = seen.json["project/id"]
    assert is_id(project_id)
    assert seen.json["data"] == {"project/id": project_id}
    created = await project(vendor, project_id)
    assert created.pop("project/created") > 0
    assert created == {"project/id": project_id, **fields}
    assert await entries(vendor, project_id) == []
    assert project_id in {one["project/id"] for one in (await vendor.post("project/all")).json["data"]}


async def test_names_of_projects_need_not_be_unique(vendor: Probe) -> None:
    seen = await vendor.post("project/create", {"project/name": "lamp"})
    assert (seen.status, seen.json["project/id"] != LAMP) == (200, True)


async def test_a_new_project_can_come_with_entries(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    given = [FULL, {"entry/name": "case", "entry/quantity": 0}]
    project_id = (await vendor.post("project/create", {"project/name": "radio", "entries": given})).json["project/id"]
    stored = await entries(vendor, project_id)
    ids = [entry.pop("entry/id") for entry in stored]
    assert stored == given
    (effect,) = sandbox.journal.effects
    assert set(effect.subjects) == {f"project:{project_id}", *(f"entry:{entry_id}" for entry_id in ids)}


async def test_a_wrong_entry_makes_no_project(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    known = len(sandbox.state.projects)
    given = [FULL, {**FULL, "entry/part-id": NOBODY}]
    assert_refused(await vendor.post("project/create", {"project/name": "radio", "entries": given}), 404, "not-found")
    assert len(sandbox.state.projects) == known


@pytest.mark.parametrize("name", [..., "", "  ", 7])
async def test_a_project_needs_a_name(vendor: Probe, name: Any) -> None:
    given = {} if name is ... else {"project/name": name}
    assert_refused(await vendor.post("project/create", given), 400, "invalid")


async def test_a_project_has_the_fields_sent_set_and_no_other(vendor: Probe) -> None:
    before = await project(vendor)
    change = {"project/name": "lamp 2", "project/notes": "dimmed"}
    seen = await vendor.post("project/update", {"project/id": LAMP, **change, "project/tags": ["no such field"]})
    assert seen.json == {CATEGORY: "ok", "partsbox.status/message": "OK"}
    assert await project(vendor) == {**before, **change}
    assert_refused(await vendor.post("project/update", {"project/id": LAMP, "project/name": ""}), 400, "invalid")
    assert_refused(await vendor.post("project/update", {"project/id": LAMP, "project/notes": 1}), 400, "invalid")


async def test_a_deleted_project_is_gone_but_its_builds_are_not(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    assert (await vendor.post("project/delete", {"project/id": LAMP})).status == 200
    for operation in ("project/get", "project/get-entries", "project/get-builds", "project/delete"):
        assert_refused(await vendor.post(operation, {"project/id": LAMP}), 404, "not-found")
    assert (await vendor.post("build/get", {"build/id": BUILD})).status == 200
    assert [one["project/name"] for one in (await vendor.post("project/all")).json["data"]] == ["clock"]
    assert set(sandbox.state.project_entries) == {CLOCK}
    (effect,) = sandbox.journal.effects
    assert set(effect.subjects) == {f"project:{LAMP}", *(f"entry:{entry}" for entry in (FIRST, SECOND, THIRD))}


async def test_an_archived_project_is_still_there_until_it_is_restored(vendor: Probe) -> None:
    await vendor.post("project/restore", {"project/id": LAMP})
    assert "project/archived?" not in await project(vendor)
    for operation, archived in (("project/archive", True), ("project/restore", False)):
        for _ in range(2):
            assert (await vendor.post(operation, {"project/id": LAMP})).status == 200
        assert (await project(vendor))["project/archived?"] is archived
        assert len((await vendor.post("project/all")).json["data"]) == 2


async def test_entries_are_appended_in_order_each_time_they_are_sent(vendor: Probe) -> None:
    seen = await vendor.post("project/add-entries", {"project/id": LAMP, "entries": [FULL]})
    assert seen.json == {CATEGORY: "ok", "partsbox.status/message": "OK"}
    await vendor.post("project/add-entries", {"project/id": LAMP, "entries": [FULL]})
    stored = await entries(vendor)
    ids = [entry.pop("entry/id") for entry in stored]
    assert ids[:3] == [FIRST, SECOND, THIRD]
    assert len(set(ids)) == 5
    assert all(is_id(entry_id) for entry_id in ids)
    assert stored[3:] == [FULL, FULL]


async def test_designators_are_a_set(vendor: Probe) -> None:
    odd = {**FULL, "entry/designators": ["R9", "R2", "R9"]}
    await vendor.post("project/add-entries", {"project/id": CLOCK, "entries": [odd]})
    assert (await entries(vendor, CLOCK))[-1]["entry/designators"] == ["R2", "R9"]


WRONG_ENTRIES: list[tuple[dict[str, Any], int]] = [
    ({"entry/part-id": NOBODY}, 404),
    ({"entry/part-id": "short"}, 400),
    ({"entry/part-id": None}, 400),
    ({"entry/quantity": "2"}, 400),
    ({"entry/quantity": 1.5}, 400),
    ({"entry/quantity": -1}, 400),
    ({"entry/quantity": True}, 400),
    ({"entry/designators": "R1"}, 400),
    ({"entry/designators": [1]}, 400),
    ({"entry/order": "1"}, 400),
    ({"entry/comments": 1}, 400),
    ({"entry/name": None}, 400),
]


@pytest.mark.parametrize(("wrong", "status"), WRONG_ENTRIES)
async def test_one_wrong_entry_refuses_all_of_them(
    sandbox: PartsBoxSandbox, vendor: Probe, wrong: dict[str, Any], status: int
) -> None:
    before = await entries(vendor)
    added = await vendor.post("project/add-entries", {"project/id": LAMP, "entries": [FULL, {**FULL, **wrong}]})
    changes = [{"entry/id": FIRST, "entry/quantity": 9}, {"entry/id": SECOND, **wrong}]
    updated = await vendor.post("project/update-entries", {"project/id": LAMP, "entries": changes})
    assert (added.status, updated.status) == (status, status)
    assert (await entries(vendor), sandbox.journal.effects) == (before, [])


@pytest.mark.parametrize("missing", [("entry/quantity",), ("entry/part-id", "entry/name")])
async def test_a_new_entry_needs_a_quantity_and_something_to_be(vendor: Probe, missing: tuple[str, ...]) -> None:
    given = {name: value for name, value in FULL.items() if name not in missing}
    assert_refused(await vendor.post("project/add-entries", {"project/id": LAMP, "entries": [given]}), 400, "invalid")


async def test_entries_are_changed_by_id_and_keep_what_was_not_sent(vendor: Probe) -> None:
    before = await entries(vendor)
    changes = [{"entry/id": THIRD, "entry/quantity": 4}, {"entry/id": SECOND, "entry/designators": ["R9"]}]
    assert (await vendor.post("project/update-entries", {"project/id": LAMP, "entries": changes})).status == 200
    assert await entries(vendor) == [
        before[0],
        {**before[1], "entry/designators": ["R9"]},
        {**before[2], "entry/quantity": 4},
    ]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ([{"entry/id": FIRST, "entry/quantity": 9}, {"entry/id": NOBODY}], 404),
        ([{"entry/id": FIRST, "entry/quantity": 9}, {"entry/id": id_for("entry", "clock/1")}], 404),
        ([{"entry/id": FIRST, "entry/quantity": 9}, {"entry/id": FIRST}], 400),
        ([{"entry/quantity": 9}], 400),
        ({"entry/id": FIRST, "entry/quantity": 9}, 400),
    ],
)
async def test_an_entry_that_is_not_the_projects_refuses_all_changes(vendor: Probe, changes: Any, status: int) -> None:
    before = await entries(vendor)
    assert (await vendor.post("project/update-entries", {"project/id": LAMP, "entries": changes})).status == status
    assert await entries(vendor) == before


async def test_entries_are_deleted_by_id_all_or_none(vendor: Probe) -> None:
    for wrong in (NOBODY, id_for("entry", "clock/1")):
        seen = await vendor.post("project/delete-entries", {"project/id": LAMP, "ids": [FIRST, wrong]})
        assert_refused(seen, 404, "not-found")
    assert (
        await vendor.post("project/delete-entries", {"project/id": LAMP, "ids": [THIRD, FIRST, THIRD]})
    ).status == 200
    assert [entry["entry/id"] for entry in await entries(vendor)] == [SECOND]
    assert_refused(await vendor.post("project/delete-entries", {"project/id": LAMP, "ids": [FIRST]}), 404, "not-found")


async def test_a_build_keeps_the_entries_it_was_made_with(vendor: Probe) -> None:
    built = await entries(vendor, build=BUILD)
    assert built == await entries(vendor)
    changes = [{"entry/id": SECOND, "entry/quantity": 99}]
    await vendor.post("project/update-entries", {"project/id": LAMP, "entries": changes})
    await vendor.post("project/delete-entries", {"project/id": LAMP, "ids": [FIRST]})
    assert await entries(vendor, build=BUILD) == built
    assert (await entries(vendor))[0]["entry/quantity"] == 99


async def test_a_build_of_another_project_is_not_found(vendor: Probe) -> None:
    for project_id, build_id in ((CLOCK, BUILD), (LAMP, NOBODY)):
        seen = await vendor.post("project/get-entries", {"project/id": project_id, "build/id": build_id})
        assert_refused(seen, 404, "not-found")


async def test_builds_are_listed_with_their_project_and_without_their_entries(vendor: Probe) -> None:
    build = (await vendor.post("build/get", {"build/id": BUILD})).json["data"]
    assert build.pop("build/timestamp") > 0
    assert build == {
        "build/id": BUILD,
        "build/project-id": LAMP,
        "build/quantity": 5,
        "build/comments": "first series",
        "build/user": "owner",
    }
    (listed,) = (await vendor.post("project/get-builds", {"project/id": LAMP})).json["data"]
    assert listed["build/id"] == BUILD
    assert (await vendor.post("project/get-builds", {"project/id": CLOCK})).json["data"] == []


async def test_only_the_comments_of_a_build_are_updated(vendor: Probe) -> None:
    before = (await vendor.post("build/get", {"build/id": BUILD})).json["data"]
    change = {"build/id": BUILD, "build/comments": "tested [cmd:k1]", "build/quantity": 6}
    assert (await vendor.post("build/update", change)).status == 200
    after = (await vendor.post("build/get", {"build/id": BUILD})).json["data"]
    assert after == {**before, "build/comments": "tested [cmd:k1]"}
    assert (await vendor.post("build/update", {"build/id": BUILD, "build/comments": ""})).status == 200
    assert_refused(await vendor.post("build/update", {"build/id": BUILD}), 400, "invalid")
