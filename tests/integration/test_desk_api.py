"""`/v1/dead-letters` on the real ledger: found, looked at, corrected, replayed, discarded, replayed in bulk."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import pytest
from openapi_schema_validator import OAS31Validator

from producers.webhooks import desk as desk_module
from tests.integration.desk_harness import BY, DESK, NAMES, PART, PATH, SHELF, Night, ask, decide, listed

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.integration.command_api_harness import Door

UNKNOWN: Final = "z" * 20


@pytest.fixture
def night(redis_client: Redis) -> Night:
    return Night(redis_client)


# looking


async def test_the_list_is_newest_first_with_counts_names_and_pages(door: Door, night: Night) -> None:
    await night.name_things()
    keys = [await night.rejected(quantity=number + 1) for number in range(3)]
    other = await night.rejected("catalog.upsert_part", part_id="HB-M6-20", name={"en": "Bolt"})

    _, first = await ask(door, limit=3)
    _, second = await ask(door, limit=3, after=first["after"])

    assert [each["key"] for each in first["dead_letters"] + second["dead_letters"]] == [other, *reversed(keys)]
    assert (second["after"], first["total"]) == (None, 4)
    assert {vendor: count for vendor, count in first["counts"].items() if count} == {"partsbox": 3, "partium": 1}
    assert first["names"] == {PART: NAMES[PART], SHELF: NAMES[SHELF]}


async def test_filters_are_those_of_the_desk(door: Door, night: Night) -> None:
    rejected, held, damaged = await night.rejected(), await night.held(), await night.damaged()

    _, everything = await ask(door)
    died = {each["key"]: each["died_ms"] for each in everything["dead_letters"]}
    assert await listed(door, state="rejected") == [rejected]
    assert await listed(door, state="damaged") == [damaged]
    assert await listed(door, kind="stock.remove") == [rejected]
    assert await listed(door, vendor="partium") == []
    assert await listed(door, vendor="partsbox", state="held", reason="WITHOUT A MARKER") == [held]
    assert await listed(door, text=rejected[:10]) == [rejected]
    assert rejected not in await listed(door, since_ms=died[rejected] + 1)
    assert await listed(door, until_ms=died[rejected] + 1, state="rejected") == [rejected]
    assert set(await listed(door, vendor="", state="", text="")) == {rejected, held, damaged}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "dead"}, "state"),
        ({"vendor": "nobody"}, "vendor"),
        ({"kind": "stock.burn"}, "kind"),
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"since_ms": "-1"}, "since_ms"),
        ({"until_ms": "tomorrow"}, "until_ms"),
        ({"after": "nonsense"}, "after"),
        ({"text": "x" * 201}, "text"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_filter_is_named_and_shows_nothing(
    door: Door, night: Night, query: dict[str, str], field: str
) -> None:
    await night.rejected()

    status, problem = await ask(door, **query)

    assert (status, problem["code"]) == (422, "invalid-request")
    assert [each["field"] for each in problem["errors"]] == [field]
    assert field in problem["detail"]


async def test_a_filter_that_is_given_twice_is_refused_and_not_half_obeyed(door: Door) -> None:
    async with door.session.get(f"{door.url}{PATH}?state=held&state=rejected", headers=DESK) as answer:
        assert answer.status == 422


async def test_everything_about_a_held_one_is_shown(door: Door, night: Night) -> None:
    await night.name_things()
    key = await night.held()
    behind = [await night.admit(quantity=number) for number in (7, 8)]

    status, shown = await ask(door, f"/{key}")

    assert (status, shown["state"], shown["doubted"], shown["attempts"]) == (200, "held", True, 1)
    assert shown["command"]["quantity"] == 5
    assert [entry["what"] for entry in shown["evidence"]] == ["in doubt", "held"]
    assert shown["evidence"][0]["exchange"]["status"] is None
    assert shown["evidence"][1]["after"][0]["comments"] == "booked by hand"
    (lane,) = shown["lane_heads"]
    assert (lane["length"], [each["key"] for each in lane["first"]]) == (3, [key, *behind])
    assert shown["names"] == {PART: NAMES[PART], SHELF: NAMES[SHELF]}


async def test_a_damaged_one_shows_what_is_kept_and_can_only_be_discarded(door: Door, night: Night) -> None:
    key = await night.damaged()

    _, shown = await ask(door, f"/{key}")
    bodies: dict[str, Any] = {"replay": {}, "edit": {"edits": {"a": 1}}}
    refused = [await decide(door, f"/{key}/{what}", body) for what, body in bodies.items()]
    closed, answer = await decide(door, f"/{key}/discard", {"reason": "booked by hand"})

    assert (shown["state"], shown["fields"]["attempts"], shown["attempts"]) == ("damaged", "many", None)
    assert [(status, problem["code"]) for status, problem in refused] == [(409, "damaged-record")] * 2
    assert (closed, answer) == (200, {"key": key, "state": "discarded"})


@pytest.mark.parametrize("path", ["", "/schema", "/preview", "/edit", "/replay", "/discard"])
async def test_a_key_that_nobody_has_is_said_on_every_route(door: Door, path: str) -> None:
    edits = {"edits": {"a": 1}}
    bodies: dict[str, Any] = {"/preview": edits, "/edit": edits, "/discard": {"reason": "x"}}
    for key, expected in ((UNKNOWN, (404, "unknown-command")), ("not-a-key", (400, "malformed"))):
        where = f"/{key}{path}"
        asked = ask(door, where) if path in ("", "/schema") else decide(door, where, bodies.get(path, {}))
        status, problem = await asked
        assert (status, problem["code"]) == expected


async def test_a_command_that_is_none_any_more_is_a_conflict_that_says_where_it_is(door: Door, night: Night) -> None:
    key = await night.admit()

    status, problem = await ask(door, f"/{key}")

    assert (status, problem["code"]) == (409, "conflict")
    assert "ready" in problem["detail"]


# deciding


async def test_a_replay_is_kept_under_the_name_of_the_token(door: Door, night: Night) -> None:
    key = await night.rejected()

    status, answer = await decide(door, f"/{key}/replay", {})

    assert (status, answer) == (200, {"key": key, "state": "ready"})
    assert await night.state(key) == "ready"
    record = await night.ledger().find(key)
    assert record is not None
    assert record.replayed_by == BY
    assert await listed(door) == []


async def test_a_rejected_one_goes_to_the_head_or_the_tail_of_its_lane(door: Door, night: Night) -> None:
    first, last = await night.rejected(), await night.rejected()
    running, waiting = await night.admit(), await night.admit()

    assert (await decide(door, f"/{first}/replay", {"at": "head"}))[0] == 200
    assert (await decide(door, f"/{last}/replay", {"at": "tail"}))[0] == 200

    _, lane = await night.ledger().lane(f"part:{PART}", 10)
    assert list(lane) == [running, first, waiting, last]


async def test_a_correction_is_shown_kept_and_sent_with_its_author(door: Door, night: Night) -> None:
    key = await night.rejected()
    _, before = await ask(door, f"/{key}")
    body = {"edits": {"quantity": 3, "comments": "counted"}, "revision": before["revision"]}

    _, preview = await decide(door, f"/{key}/preview", body)
    assert (await ask(door, f"/{key}"))[1]["corrected"] is None
    status, diff = await decide(door, f"/{key}/edit", body)
    _, after = await ask(door, f"/{key}")

    assert status == 200
    assert diff["changes"] == preview["changes"]
    assert {"field": "quantity", "old": 5, "new": 3} in diff["changes"]
    assert (after["corrected"]["quantity"], after["edited_by"], after["state"]) == (3, BY, "rejected")
    assert after["revision"] != before["revision"]
    assert (await decide(door, f"/{key}/replay", {"revision": after["revision"]}))[0] == 200
    record = await night.ledger().find(key)
    assert record is not None
    assert json.loads(record.command)["quantity"] == 3


async def test_a_decision_about_what_has_changed_since_is_refused_and_changes_nothing(door: Door, night: Night) -> None:
    key = await night.rejected()
    _, seen = await ask(door, f"/{key}")
    assert (await decide(door, f"/{key}/edit", {"edits": {"quantity": 3}}))[0] == 200

    decisions = {
        "replay": {"revision": seen["revision"]},
        "discard": {"reason": "old", "revision": seen["revision"]},
        "edit": {"edits": {"quantity": 4}, "revision": seen["revision"]},
        "preview": {"edits": {"quantity": 4}, "revision": seen["revision"]},
    }
    for what, body in decisions.items():
        status, problem = await decide(door, f"/{key}/{what}", body)
        assert (status, problem["code"]) == (409, "conflict"), what
        assert "changed" in problem["detail"]
    assert (await ask(door, f"/{key}"))[1]["corrected"]["quantity"] == 3


async def test_a_held_one_that_would_leave_its_lane_needs_a_place(door: Door, night: Night) -> None:
    key = await night.held()
    edits = {"part_id": "1" * 26}

    _, diff = await decide(door, f"/{key}/preview", {"edits": edits})
    refused, problem = await decide(door, f"/{key}/replay", {"edits": edits})
    status, _ = await decide(door, f"/{key}/replay", {"edits": edits, "at": "tail"})

    assert diff["leaves_its_lanes"] is True
    assert (refused, problem["code"]) == (409, "conflict")
    assert status == 200


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": "many"}, "quantity"),
        ({"colour": "red"}, "colour"),
        ({"stock_timestamp": 1_790_000_000_001}, "stock_timestamp"),
        ({"source": "other"}, "source"),
        ({"part_id": None}, "part_id"),
    ],
)
async def test_a_wrong_correction_is_named_field_by_field(
    door: Door, night: Night, edits: dict[str, Any], field: str
) -> None:
    key = await night.rejected()

    for what in ("preview", "edit", "replay"):
        status, problem = await decide(door, f"/{key}/{what}", {"edits": edits})
        assert (status, problem["code"]) == (422, "invalid-request")
        assert [each["field"] for each in problem["errors"]] == [field]
    assert await night.state(key) == "rejected"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("discard", {}, "reason"),
        ("discard", {"reason": ""}, "reason"),
        ("discard", {"reason": "  "}, "reason"),
        ("discard", {"reason": "two\nlines"}, "reason"),
        ("discard", {"reason": "x" * 121}, "reason"),
        ("discard", {"reason": 7}, "reason"),
        ("discard", {"reason": "old", "by": "somebody else"}, "by"),
        ("replay", {"at": "middle"}, "at"),
        ("replay", {"revision": 7}, "revision"),
        ("replay", {"by": "somebody else"}, "by"),
        ("replay", {"edits": {}}, "edits"),
        ("edit", {}, "edits"),
        ("preview", {"edits": [1]}, "edits"),
    ],
)
async def test_a_wrong_decision_is_named_and_nothing_is_decided(
    door: Door, night: Night, path: str, body: dict[str, Any], field: str
) -> None:
    key = await night.rejected()

    status, problem = await decide(door, f"/{key}/{path}", body)

    assert (status, problem["code"]) == (422, "invalid-request")
    assert [each["field"] for each in problem["errors"]] == [field]
    assert await listed(door) == [key]


async def test_a_discard_lets_the_lane_go_on_and_is_kept_with_its_reason(door: Door, night: Night) -> None:
    key = await night.held()
    behind = await night.admit()

    status, answer = await decide(door, f"/{key}/discard", {"reason": " booked by hand "})

    assert (status, answer["state"]) == (200, "discarded")
    assert await night.state(behind) == "ready"
    last = (await night.ledger().evidence(key))[-1]
    assert (last["what"], last["by"], last["reason"]) == ("discarded", BY, "booked by hand")


async def test_a_decision_is_logged_with_who_and_the_request(
    door: Door, night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    key = await night.rejected()
    caplog.set_level(logging.INFO, logger=desk_module.__name__)

    await door.post({"reason": "old"}, f"{PATH}/{key}/discard", X_Request_ID="r-1", **DESK)

    (record,) = [vars(each) for each in caplog.records if each.getMessage() == "desk.decided"]
    assert (record["decision"], record["key"], record["by"], record["request_id"]) == ("discard", key, BY, "r-1")


# what a correction may be


async def test_the_schema_says_what_may_be_changed(door: Door, night: Night) -> None:
    key = await night.rejected()

    _, schema = await ask(door, f"/{key}/schema")

    fixed = {name for name, own in schema["properties"].items() if own.get("readOnly")}
    assert fixed == {"stock_timestamp", "source"}
    assert schema["properties"]["quantity"]["exclusiveMinimum"] == 0


async def test_what_the_desk_answers_is_what_the_document_says(door: Door, night: Night) -> None:
    await night.name_things()
    rejected, held, damaged = await night.rejected(), await night.held(), await night.damaged()
    await night.admit()
    await night.letters.edit(rejected, "ada", {"quantity": 2})
    _, _, document = await door.get("/openapi.json", Authorization="")

    _, begun = await decide(door, "/redrives", {"filter": {"state": "held"}, "per_second": 0.01})
    answers = [
        ("GET", "", (await ask(door))[1]),
        *[("GET", "/{key}", (await ask(door, f"/{key}"))[1]) for key in (rejected, held, damaged)],
        ("POST", "/{key}/preview", (await decide(door, f"/{rejected}/preview", {"edits": {"quantity": 1}}))[1]),
        ("POST", "/redrives/count", (await decide(door, "/redrives/count", {"filter": {}}))[1]),
        ("POST", "/redrives", begun),
        ("GET", "/redrives", (await ask(door, "/redrives"))[1]),
        (
            "POST",
            "/redrives/{id}/cancel",
            (await decide(door, f"/redrives/{begun['redrives'][0]['id']}/cancel", {}))[1],
        ),
    ]

    for method, path, answer in answers:
        operation = document["paths"][PATH + path][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        faults = OAS31Validator({**schema, "components": document["components"]}).iter_errors(answer)
        assert [fault.message for fault in faults] == [], path
        known = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
        assert set(answer) <= set(known), path
