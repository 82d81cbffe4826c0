"""The dead-letter desk over HTTP: many replayed at once, what is heard, and what is said while Redis is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.dead_letters import DeadLetters
from tasks.ledger import Ledger
from tests.integration.command_api_harness import PROBLEM, ROLE_TOKENS, Door
from tests.integration.desk_harness import BY, DESK, PATH, Night, ask, decide, listed
from tests.integration.stream_harness import streaming

if TYPE_CHECKING:
    from redis.asyncio import Redis

UNKNOWN: Final = "z" * 20


@pytest.fixture
def night(redis_client: Redis) -> Night:
    return Night(redis_client)


# many at once


async def test_a_bulk_replay_is_counted_begun_listed_and_cancelled(door: Door, night: Night) -> None:
    for number in range(3):
        await night.rejected(quantity=number + 1)
    await night.held(part_id="1" * 26)
    await night.damaged()
    wanted = {"filter": {"vendor": "partsbox"}}

    _, counted = await decide(door, "/redrives/count", wanted)
    status, begun = await decide(door, "/redrives", {**wanted, "per_second": 0.5})
    (redrive,) = begun["redrives"]
    _, shown = await ask(door, "/redrives")
    _, cancelled = await decide(door, f"/redrives/{redrive['id']}/cancel", {})

    assert counted == {
        "total": 4,
        "damaged": 1,
        "vendors": {"partsbox": 4},
        "states": {"rejected": 3, "held": 1},
        "effects": {"relative": 4},
    }
    assert status == 200
    assert (redrive["total"], redrive["by"], redrive["per_second"], redrive["state"]) == (4, BY, 0.5, "running")
    assert redrive["filter"] == wanted["filter"]
    assert [each["id"] for each in shown["redrives"]] == [redrive["id"]]
    assert (cancelled["state"], cancelled["cancelled_by"], cancelled["left"]) == ("cancelled", BY, 0)
    assert len(await listed(door)) == 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"per_second": 1}, "filter"),
        ({"filter": {}}, "per_second"),
        ({"filter": {}, "per_second": 0}, "per_second"),
        ({"filter": {}, "per_second": -1}, "per_second"),
        ({"filter": {}, "per_second": 101}, "per_second"),
        ({"filter": {}, "per_second": "1"}, "per_second"),
        ({"filter": {}, "per_second": True}, "per_second"),
        ({"filter": {"vendro": "partsbox"}, "per_second": 1}, "filter.vendro"),
        ({"filter": {"state": "alive"}, "per_second": 1}, "filter.state"),
    ],
)
async def test_a_wrong_bulk_replay_is_named_and_none_begins(
    door: Door, night: Night, body: dict[str, Any], field: str
) -> None:
    await night.rejected()

    status, problem = await decide(door, "/redrives", body)

    assert (status, problem["code"]) == (422, "invalid-request")
    assert [each["field"] for each in problem["errors"]] == [field]
    assert (await ask(door, "/redrives"))[1]["redrives"] == []


async def test_a_bulk_replay_that_nobody_has_is_said(door: Door) -> None:
    status, problem = await decide(door, "/redrives/5f0c2a9d41b7/cancel", {})

    assert (status, problem["code"]) == (404, "unknown-redrive")


# hearing, and what is away


async def test_the_desk_hears_what_dies_and_what_goes_on_of_all_clients(door: Door, night: Night) -> None:
    async with streaming(door, token=ROLE_TOKENS["operate"], path=f"{PATH}/stream") as reader:
        key = await night.rejected()
        died = await reader.event()
        while died.data["state"] != "rejected":
            died = await reader.event()
        await decide(door, f"/{key}/replay", {})
        went_on = await reader.event()

    assert (died.data["key"], died.data["client"]) == (key, "station-1")
    assert (went_on.data["key"], went_on.data["state"]) == (key, "ready")


async def test_the_desk_says_that_the_ledger_is_away_and_promises_nothing(
    door: Door, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await night.rejected()

    async def away(*_: Any, **__: Any) -> Any:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(Ledger, "replay", away)
    status, problem = await decide(door, f"/{key}/replay", {})

    assert (status, problem["code"]) == (503, "unavailable")
    assert "look" in problem["detail"]


async def test_a_ledger_that_hangs_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(DeadLetters, "find", hang)
    monkeypatch.setattr("producers.webhooks.desk_requests.LEDGER_SECONDS", 0.05)

    assert (await ask(door))[0] == 503


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_FIELDS: Final = st.sampled_from(["edits", "revision", "reason", "at", "filter", "per_second", "by"])


@pytest.mark.parametrize(
    "path", ["/{key}/preview", "/{key}/edit", "/{key}/replay", "/{key}/discard", "/redrives", "/redrives/count"]
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(_FIELDS, _JSON, max_size=4) | _JSON)
async def test_no_body_is_an_error_of_ours(door: Door, path: str, body: Any) -> None:
    where = path.replace("{key}", UNKNOWN)
    async with door.session.post(door.url + PATH + where, json=body, headers=DESK) as answer:
        document = await answer.json(content_type=None)

    assert answer.status < 500, document
    assert (answer.headers["Content-Type"] == PROBLEM) is (answer.status >= 400)
