"""The desk's session: good for the desk alone and for a shift, and its page lets nothing foreign in."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from producers.webhooks import sessions
from tests.integration.command_api_harness import OPERATOR_TOKEN, move

if TYPE_CHECKING:
    from tests.integration.command_api_harness import Door

#: May do everything, so that only the session decides.
WHO: Final = ("desk", OPERATOR_TOKEN.encode())
OWN: Final = {"Sec-Fetch-Site": "same-origin"}
#: Routes by the sessions that count there.
DESK_ROUTES: Final = ["GET /v1/dead-letters", "GET /v1/dead-letters/redrives", "POST /v1/dead-letters/redrives/count"]
STATION_ROUTES: Final = ["POST /v1/commands", "POST /v1/scans", "GET /metrics", "GET /v1/directory/parts?code=x"]
BOTH: Final = ["GET /v1/commands?keys=" + "a" * 20]


def _cookie(*pages: sessions.Sessions, ago_seconds: float = 0) -> dict[str, str]:
    now = time.time() - ago_seconds
    return {"Cookie": "; ".join(f"{page.cookie}={page.issue(*WHO, now=now)}" for page in pages)}


async def _ask(door: Door, route: str, headers: dict[str, str], body: Any = None) -> tuple[int, str]:
    method, path = route.split(" ")
    given = {"Content-Type": "application/json", **OWN, **headers}
    data = None if method == "GET" else json.dumps({"filter": {}} if body is None else body)
    async with door.session.request(method, door.url + path, data=data, headers=given) as answer:
        text = await answer.text()
        return answer.status, json.loads(text).get("code", "") if "json" in answer.content_type else ""


@pytest.mark.parametrize(
    ("page", "open_to", "closed_to"),
    [
        (sessions.DESK, DESK_ROUTES + BOTH, STATION_ROUTES),
        (sessions.STATION, STATION_ROUTES + BOTH, DESK_ROUTES),
    ],
    ids=["desk", "station"],
)
async def test_a_session_counts_for_its_own_page_alone(
    door: Door, page: sessions.Sessions, open_to: list[str], closed_to: list[str]
) -> None:
    for route in open_to:
        assert (await _ask(door, route, _cookie(page)))[0] not in (401, 403), route
    for route in closed_to:
        assert await _ask(door, route, _cookie(page)) == (401, "unauthorized"), route


async def test_a_session_of_one_page_under_the_name_of_the_other_is_none(door: Door) -> None:
    disguised = {"Cookie": f"{sessions.DESK.cookie}={sessions.STATION.issue(*WHO)}"}

    assert await _ask(door, DESK_ROUTES[0], disguised) == (401, "unauthorized")


async def test_with_both_sessions_a_command_is_the_stations(door: Door) -> None:
    status, _ = await _ask(door, "POST /v1/commands", _cookie(sessions.DESK, sessions.STATION), move(source="desk"))

    assert status == 202


async def test_an_ended_station_session_does_not_hide_a_good_one_of_the_desk(door: Door) -> None:
    headers = {"Cookie": f"{sessions.STATION.cookie}=ended:1:x; {_cookie(sessions.DESK)['Cookie']}"}

    assert (await _ask(door, BOTH[0], headers))[0] == 200


@pytest.mark.parametrize(("hours", "status"), [(11.9, 200), (12.1, 401)], ids=["in the shift", "after it"])
async def test_the_desks_session_lasts_a_shift(door: Door, hours: float, status: int) -> None:
    assert (await _ask(door, DESK_ROUTES[0], _cookie(sessions.DESK, ago_seconds=hours * 3600)))[0] == status


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_no_other_sites_page_can_decide_with_it(door: Door, site: str) -> None:
    for route in [*DESK_ROUTES, f"POST /v1/dead-letters/{'a' * 20}/replay", "POST /dead-letters/login"]:
        found = await _ask(door, route, {**_cookie(sessions.DESK), "Sec-Fetch-Site": site})
        assert found == (403, "foreign-page"), route


async def test_what_the_desk_tells_is_kept_by_no_cache(door: Door) -> None:
    for route in DESK_ROUTES[:2]:
        _, path = route.split(" ")
        async with door.session.get(door.url + path, headers={**OWN, **_cookie(sessions.DESK)}) as answer:
            assert answer.headers["Cache-Control"] == "no-store"


async def test_the_pages_files_allow_nothing_foreign_and_keep_their_version(fake_door: Door) -> None:
    async with fake_door.session.get(fake_door.url + "/dead-letters") as answer:
        page, headers = await answer.text(), answer.headers
    script = page.partition('src="')[2].partition('"')[0]
    async with fake_door.session.get(fake_door.url + script) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        for each in (headers, answer.headers):
            policy = each["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert each["X-Content-Type-Options"] == "nosniff"
    for path in (
        script.replace("main", "x"),
        script.replace("main.js", "desk.html"),
        f"/dead-letters/{'0' * 16}/main.js",
    ):
        async with fake_door.session.get(fake_door.url + path) as answer:
            assert answer.status == 404
    assert "{version}" not in page
    assert "://" not in page
    for inline in ("onclick=", "onload=", "style=", "<style", "<script>"):
        assert inline not in page
