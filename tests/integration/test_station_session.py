"""The browser's session: what it is good for, what ends it, and that no other site's page can use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from producers.webhooks import sessions
from tests.integration.command_api_harness import PROBLEM, STATION_TOKEN, TOKEN, TOKENS, move

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.command_api_harness import Door, FakeLedger

STATION = ("ST-01", STATION_TOKEN.encode())
OWN = {"Sec-Fetch-Site": "same-origin"}
ELSEWHERE = ["relay.example", "relay.example:8443", "10.0.0.7", "[2001:db8::1]:8080", "localhost.example"]


async def _ask(door: Door, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, Any]]:
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    method = "GET" if body is None else "POST"
    data = None if body is None else json.dumps(body)
    async with door.session.request(method, door.url + path, data=data, headers=given) as answer:
        return answer.status, answer.headers, await answer.json(content_type=None)


def _cookie(session: str | None = None) -> dict[str, str]:
    return {"Cookie": f"{sessions.STATION.cookie}={session or sessions.STATION.issue(*STATION)}"}


async def test_a_token_gets_a_session_that_no_script_and_no_other_site_gets(fake_door: Door) -> None:
    status, headers, answer = await _ask(fake_door, "/station/login", {"token": STATION_TOKEN}, **OWN)

    cookie = headers["Set-Cookie"]
    assert (status, answer) == (200, {"client": "ST-01"})
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # 127.0.0.1, where a browser may speak plain HTTP
    assert STATION_TOKEN not in cookie
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_beyond_this_machine_a_session_goes_over_https_only(fake_door: Door, host: str) -> None:
    _, headers, _ = await _ask(fake_door, "/station/login", {"token": STATION_TOKEN}, Host=host, **OWN)

    assert "Secure" in headers["Set-Cookie"]


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
async def test_on_this_machine_a_session_needs_no_https(fake_door: Door, host: str) -> None:
    _, headers, _ = await _ask(fake_door, "/station/login", {"token": STATION_TOKEN}, Host=host, **OWN)

    assert "Secure" not in headers["Set-Cookie"]


@pytest.mark.parametrize("body", [{"token": "invented-token-of-nobody"}, {"token": "é" * 20}])
async def test_a_wrong_token_gets_none(fake_door: Door, body: dict[str, str]) -> None:
    status, headers, problem = await _ask(fake_door, "/station/login", body, **OWN)

    assert (status, problem["code"]) == (401, "unauthorized")
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": 7}, {"token": "x" * 513}, {"token": TOKEN, "more": 1}])
async def test_a_login_without_one_token_is_named_and_not_shown(fake_door: Door, body: dict[str, Any]) -> None:
    status, headers, problem = await _ask(fake_door, "/station/login", body, **OWN)

    assert (status, headers["Content-Type"]) == (422, PROBLEM)
    assert {error["value"] for error in problem["errors"]} == {"not shown"}


async def test_a_session_asks_as_its_client(fake_door: Door, fake_ledger: FakeLedger) -> None:
    status, _, answer = await _ask(fake_door, "/v1/commands", move(), **_cookie(), **OWN)
    foreign, _, problem = await _ask(fake_door, "/v1/commands", move(source="erp"), **_cookie(), **OWN)

    assert (status, answer["state"]) == (202, "ready")
    assert [command.source for command in fake_ledger.submitted] == ["ST-01"]
    assert (foreign, problem["code"]) == (403, "foreign-source")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/commands", "/v1/scans", "/v1/labels", "/station/logout", "/station/login"])
async def test_a_session_does_not_count_for_what_another_sites_page_sends(
    fake_door: Door, path: str, headers: dict[str, str]
) -> None:
    given = {name: text.replace("{own}", fake_door.url) for name, text in headers.items()}
    status, answered, problem = await _ask(fake_door, path, {"token": STATION_TOKEN}, **_cookie(), **given)

    assert (status, problem["code"]) == (403, "foreign-page")
    assert "Set-Cookie" not in answered


async def test_a_session_does_not_count_for_what_another_page_reads(fake_door: Door) -> None:
    status, _, problem = await _ask(
        fake_door, "/v1/commands/" + "a" * 20, **_cookie(), **{"Sec-Fetch-Site": "cross-site"}
    )

    assert (status, problem["code"]) == (403, "foreign-page")


async def test_a_browser_without_fetch_metadata_says_by_its_origin_that_the_page_is_ours(fake_door: Door) -> None:
    status, *_ = await _ask(fake_door, "/v1/commands", move(), **_cookie(), Origin=fake_door.url)

    assert status == 202


@pytest.mark.parametrize("origin", ["http://[", "http://\u2100", "null", "http://127.0.0.1:x"])
async def test_an_origin_that_is_no_address_is_foreign(fake_door: Door, origin: str) -> None:
    status, _, problem = await _ask(fake_door, "/station/login", {"token": STATION_TOKEN}, Origin=origin)

    assert (status, problem["code"]) == (403, "foreign-page")


async def test_a_host_that_is_no_address_is_not_this_machine(fake_door: Door) -> None:
    status, headers, _ = await _ask(fake_door, "/station/login", {"token": STATION_TOKEN}, Host="[", **OWN)

    assert status == 200
    assert "Secure" in headers["Set-Cookie"]


async def test_a_session_of_bytes_that_are_no_text_is_none() -> None:
    assert sessions.STATION.find("\udcff:99999999999:aa", TOKENS) is None


async def test_a_bearer_token_is_asked_for_no_origin(fake_door: Door) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://app.example", **_cookie("x")}
    status, *_ = await _ask(fake_door, "/v1/commands", move(), **headers)

    assert status == 202


def _another_last(text: str) -> str:
    return f"{text[:-1]}{'0' if text[-1] != '0' else '1'}"


#: What is wrong with it -> the session, made of the three parts of a good one. Named, since a session holds the time.
_CHANGED: Final[dict[str, Callable[[str, str, str], str]]] = {
    "nothing": lambda _client, _end, _signature: "",
    "client alone": lambda client, _end, _signature: client,
    "another client": lambda _client, end, signature: f"erp:{end}:{signature}",
    "a later end": lambda client, end, signature: f"{client}:{int(end) + 1}:{signature}",
    "another signature": lambda client, end, signature: f"{client}:{end}:{_another_last(signature)}",
    "no signature": lambda client, end, _signature: f"{client}:{end}:",
    "a huge end": lambda client, _end, signature: f"{client}:{'9' * 400}:{signature}",
    "an end below zero": lambda client, _end, signature: f"{client}:-1:{signature}",
    "an unknown client": lambda _client, end, signature: f"nobody:{end}:{signature}",
    "a replaced token": lambda client, _end, _signature: sessions.STATION.issue(client, b"a token that was replaced"),
    "ended": lambda *_parts: sessions.STATION.issue(*STATION, now=-sessions.STATION.seconds),
}


@pytest.mark.parametrize("wrong", _CHANGED)
async def test_a_changed_ended_or_revoked_session_is_none(fake_door: Door, wrong: str) -> None:
    session = _CHANGED[wrong](*sessions.STATION.issue(*STATION).split(":"))
    status, _, problem = await _ask(fake_door, "/v1/commands", move(), **_cookie(session or "x"), **OWN)
    _, headers, who = await _ask(fake_door, "/station/session", **_cookie(session or "x"), **OWN)

    assert (status, problem["code"]) == (401, "unauthorized")
    assert who == {"client": None}
    assert "Max-Age=0" in headers["Set-Cookie"]


async def test_opening_the_page_renews_a_good_session_and_logging_out_ends_it(fake_door: Door) -> None:
    old = sessions.STATION.issue(*STATION, now=1_790_000_000)
    _, headers, who = await _ask(fake_door, "/station/session", **_cookie(), **OWN)
    _, left, nobody = await _ask(fake_door, "/station/logout", {}, **_cookie(), **OWN)
    _, none, stranger = await _ask(fake_door, "/station/session", **OWN)

    assert who == {"client": "ST-01"}
    assert headers["Set-Cookie"].partition(":")[2] > old.partition(":")[2]
    assert (nobody, stranger) == ({"client": None}, {"client": None})
    assert "Max-Age=0" in left["Set-Cookie"]
    assert "Set-Cookie" not in none


async def test_the_pages_files_allow_nothing_foreign_and_keep_their_version(fake_door: Door) -> None:
    async with fake_door.session.get(fake_door.url + "/station") as answer:
        page, headers = await answer.text(), answer.headers
    script = page.partition('src="')[2].partition('"')[0]
    async with fake_door.session.get(fake_door.url + script) as answer:
        file_headers = answer.headers
    async with fake_door.session.get(fake_door.url + "/station/worker.js") as answer:
        worker, worker_headers = await answer.text(), answer.headers
    missing = [await _ask(fake_door, path) for path in (script.replace("main", "x"), f"/station/{'0' * 16}/main.js")]

    for each in (headers, file_headers, worker_headers):
        policy = each["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert each["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == worker_headers["Cache-Control"] == "no-cache"
    assert "immutable" in file_headers["Cache-Control"]
    assert worker_headers["Service-Worker-Allowed"] == "/station"
    assert script.split("/")[2] in worker
    assert '"main.js"' in worker
    assert "{version}" not in page + worker
    assert "://" not in page
    for inline in ("onclick=", "onload=", "style=", "<style", "<script>"):
        assert inline not in page
    assert [status for status, *_ in missing] == [404, 404]
