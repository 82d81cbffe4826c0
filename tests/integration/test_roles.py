"""Roles: each route lets in those tokens alone that have the role it states, and says what is missing."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
import pytest

from producers.tokens import Role
from producers.webhooks.app import ROUTES
from tests.integration.command_api_harness import PROBLEM, ROLE_TOKENS, Door, move

KEY: Final = "a" * 20
#: What every route asks for, so that a new one is a decision here too; None asks for no token of a client.
NEEDED: Final[dict[str, set[str] | None]] = {
    "POST /v1/commands": {"submit"},
    "GET /v1/commands": {"read", "operate"},
    "GET /v1/commands/{key}": {"read", "operate"},
    "POST /v1/commands/{key}/cancel": {"submit", "operate"},
    "POST /v1/scans": {"submit"},
    "GET /v1/stream": {"read"},
    "GET /v1/directory/ids/{id}": {"read"},
    "GET /v1/directory/parts": {"read"},
    "POST /v1/labels": {"read"},
    "GET /metrics": {"read"},
    "GET /v1/dead-letters": {"operate"},
    "GET /v1/dead-letters/stream": {"operate"},
    "GET /v1/dead-letters/redrives": {"operate"},
    "POST /v1/dead-letters/redrives": {"operate"},
    "POST /v1/dead-letters/redrives/count": {"operate"},
    "POST /v1/dead-letters/redrives/{id}/cancel": {"operate"},
    "GET /v1/dead-letters/{key}": {"operate"},
    "GET /v1/dead-letters/{key}/schema": {"operate"},
    "POST /v1/dead-letters/{key}/preview": {"operate"},
    "POST /v1/dead-letters/{key}/edit": {"operate"},
    "POST /v1/dead-letters/{key}/replay": {"operate"},
    "POST /v1/dead-letters/{key}/discard": {"operate"},
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /openapi.json": None,
    "GET /docs": None,
    "GET /docs/docs.css": None,
    "GET /docs/docs.js": None,
    "GET /station": None,
    "GET /station/worker.js": None,
    "GET /station/{version}/{name}": None,
    "GET /station/session": None,
    "POST /station/login": None,
    "POST /station/logout": None,
    "GET /dead-letters": None,
    "GET /dead-letters/{version}/{name}": None,
    "GET /dead-letters/session": None,
    "POST /dead-letters/login": None,
    "POST /dead-letters/logout": None,
}
GUARDED: Final = sorted(route for route, roles in NEEDED.items() if roles)


def _bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ROLE_TOKENS[role]}"}


async def _ask(door: Door, route: str, headers: dict[str, str]) -> tuple[int, str, dict[str, Any]]:
    """Ask a route with a body that is none; gives the problem's code too. A stream is left at once."""
    method, path = route.split(" ")
    for name in ("key", "id", "version", "name"):
        path = path.replace(f"{{{name}}}", KEY)
    async with door.session.request(method, door.url + path, headers=headers) as answer:
        document = await answer.json() if answer.content_type == PROBLEM else {}
        return answer.status, document.get("code", ""), document


def test_every_role_has_a_token_of_its_own() -> None:
    assert set(ROLE_TOKENS) == set(Role)


async def test_every_route_states_its_roles_in_the_document(door: Door) -> None:
    _, _, found = await door.get("/openapi.json", Authorization="")
    stated = {
        f"{method.upper()} {path}": {role for each in operation.get("security", ()) for role in each["bearer"]} or None
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
    }

    assert stated == NEEDED
    assert stated == {f"{method} {path}": set(each.roles) or None for method, path, _, each in door.app[ROUTES]}


@pytest.mark.parametrize("route", GUARDED)
async def test_a_route_lets_those_in_that_have_its_role_and_nobody_else(door: Door, route: str) -> None:
    needed = NEEDED[route] or set()
    for role in ROLE_TOKENS:
        status, code, problem = await _ask(door, route, _bearer(role))
        is_refused = (status, code) == (403, "role-missing")
        assert is_refused is (role not in needed), (route, role, status, code)
        assert status != 401
        if is_refused:
            assert problem["roles"] == [role]
            assert set(problem["needed"]) == needed
    assert (await _ask(door, route, {}))[:2] == (401, "unauthorized")


async def test_the_refusal_of_a_role_says_what_to_do_and_no_secret(door: Door) -> None:
    status, _, problem = await _ask(door, "GET /v1/dead-letters", _bearer("read"))

    assert status == 403
    assert "needs the role operate" in problem["detail"]
    assert "STOCKRELAY_WEBHOOKS_TOKENS" in problem["detail"]
    assert "read-only:token:read+operate" in problem["detail"]
    assert ROLE_TOKENS["read"] not in str(problem)


async def test_a_refusal_of_a_role_ends_the_connection_whose_body_was_not_read(door: Door) -> None:
    async with door.session.post(door.url + "/v1/commands", json=move(), headers=_bearer("read")) as answer:
        assert (answer.status, answer.headers["Connection"]) == (403, "close")


async def test_a_head_request_is_guarded_as_its_get(door: Door) -> None:
    async with door.session.head(door.url + "/v1/dead-letters", headers=_bearer("read")) as answer:
        assert answer.status == 403


async def test_a_command_is_taken_back_by_its_sender_or_with_the_role_operate(door: Door) -> None:
    keys = []
    for quantity in (1, 2, 3):
        status, _, accepted = await door.post(move(quantity=quantity), **_bearer("submit"))
        assert status == 202
        keys.append(accepted["key"])

    by_sender, _, _ = await door.post({}, f"/v1/commands/{keys[0]}/cancel", **_bearer("submit"))
    by_operator, _, record = await door.post({}, f"/v1/commands/{keys[1]}/cancel", **_bearer("operate"))
    by_other, _, problem = await door.post({}, f"/v1/commands/{keys[2]}/cancel")

    assert by_sender == 200
    assert (by_operator, record["state"]) == (200, "cancelled")
    assert (by_other, problem["code"]) == (403, "foreign-command")


async def test_a_session_may_do_what_its_token_may(door: Door) -> None:
    own = {"Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for page, role, expected in (
            ("station", "submit", 403),
            ("station", "read", 403),
            ("dead-letters", "submit", 403),
            ("dead-letters", "read", 403),
            ("dead-letters", "operate", 200),
        ):
            body = {"token": ROLE_TOKENS[role]}
            async with browser.post(f"{door.url}/{page}/login", json=body, headers=own) as answer:
                document = await answer.json(content_type=None)
                assert answer.status == expected, (page, role)
                assert ("Set-Cookie" in answer.headers) is (expected == 200)
                assert document.get("code", "") == ("role-missing" if expected == 403 else "")
