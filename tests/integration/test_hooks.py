"""Webhooks over HTTP into a real ledger: kept once, answered as documented, held when no rule can take them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from producers.webhooks.cloudevents import BATCH, STRUCTURED
from tests.integration.hooks_harness import BEARER, CONFIG, PART, SHELF, TOKEN, picked, serving_hooks
from tests.unit.webhook_senders import OTHER, github

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import SharedValkey
    from tests.integration.hooks_harness import HookDoor


@pytest.fixture
async def hooks(tmp_path: Path, valkey: SharedValkey) -> AsyncIterator[HookDoor]:
    async with serving_hooks(tmp_path, valkey.url) as served:
        yield served


def cloudevent(id_: str = "e-1", **data: Any) -> dict[str, Any]:
    given = {"kind": "picked", "part": PART, "quantity": 1, **data}
    return {"specversion": "1.0", "id": id_, "source": "/rack", "type": "picked", "data": given}


async def test_a_signed_webhook_is_a_command_in_the_ledger(hooks: HookDoor) -> None:
    status, _, answer = await hooks.repo(picked(3))

    (command,) = answer["commands"]
    assert (status, command["kind"], command["state"]) == (202, "stock.remove", "ready")
    accepted = await hooks.accepted()
    assert list(accepted) == [command["key"]]
    stored = accepted[command["key"]]
    assert (stored["part_id"], stored["storage_id"], stored["quantity"]) == (PART, SHELF, 3)
    status, record = await hooks.command(command["key"])
    assert (status, record["state"]) == (200, "ready")


async def test_the_same_delivery_again_is_the_same_command_and_answered_200(hooks: HookDoor) -> None:
    _, _, first = await hooks.repo(picked())

    status, headers, again = await hooks.repo(picked())

    assert (status, headers["Idempotency-Replayed"]) == (200, "true")
    assert again["commands"][0]["key"] == first["commands"][0]["key"]
    assert again["commands"][0]["duplicate"] is True
    assert len(await hooks.accepted()) == 1


async def test_two_deliveries_with_the_same_body_are_two_commands(hooks: HookDoor) -> None:
    for id_ in ("g-1", "g-2"):
        assert (await hooks.repo(picked(), id_))[0] == 202

    assert len(await hooks.accepted()) == 2


async def test_a_delivery_that_says_something_else_the_second_time_is_held_and_not_booked(hooks: HookDoor) -> None:
    await hooks.repo(picked(1))

    status, _, answer = await hooks.repo(picked(2))

    assert (status, answer["commands"], len(answer["held"])) == (202, [], 1)
    assert len(await hooks.accepted()) == 1
    (held,) = await hooks.held.all()
    assert "the key is used for a different command" in held.reason


async def test_what_no_rule_is_for_is_ignored_and_answered_202(hooks: HookDoor) -> None:
    ping = b'{"kind":"ping","zen":"Keep it logically awesome."}'

    status, _, answer = await hooks.repo(ping)

    assert (status, answer) == (202, {"commands": [], "ignored": 1})
    assert await hooks.held.all() == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "the body is not JSON"),
        (b'{"kind":"picked","kind":"ping"}', "a name occurs twice"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 2000, "nests deeper"),
        (picked("3"), 'quantity: Input should be a valid integer (got "3") from event.quantity'),
        (picked(0), "greater than 0"),
        (picked(part="unknown"), "part_id: String should match pattern"),
        (b'{"kind":"picked"}', "part_id: Field required"),
    ],
)
async def test_a_genuine_delivery_that_cannot_become_commands_is_held_and_not_refused(
    hooks: HookDoor, caplog: pytest.LogCaptureFixture, body: bytes, reason: str
) -> None:
    status, _, answer = await hooks.repo(body)
    again, headers, second = await hooks.repo(body)

    assert (status, answer["commands"]) == (202, [])
    assert (again, headers["Idempotency-Replayed"], second["held"]) == (200, "true", answer["held"])
    (held,) = await hooks.held.all()
    assert reason in held.reason
    assert (held.id, held.body, held.source) == (answer["held"][0], body, "repo")
    assert "x-hub-signature-256" not in held.headers
    assert any(record.getMessage() == "hook.held" for record in caplog.records)


async def test_a_delivery_without_an_id_is_held(hooks: HookDoor) -> None:
    headers = github(picked())
    del headers["X-GitHub-Delivery"]

    status, _, answer = await hooks.request("/v1/hooks/repo", picked(), headers)

    assert (status, len(answer["held"])) == (202, 1)


async def test_a_source_has_its_own_limit_for_a_body_and_nobody_learns_it_without_the_proof(hooks: HookDoor) -> None:
    long = picked(note="x" * 5000)

    proved, _, problem = await hooks.repo(long)
    unproved, _, _ = await hooks.request("/v1/hooks/repo", long, github(long, secret=OTHER))

    assert (proved, problem["code"]) == (413, "request-entity-too-large")
    assert unproved == 401
    huge = b"x" * (257 * 1024)
    assert (await hooks.request("/v1/hooks/repo", huge, github(huge)))[0] == 413
    assert (await hooks.request("/v1/hooks/nobody", huge, github(huge)))[0] == 413


async def test_a_compressed_body_is_refused_before_it_is_read(hooks: HookDoor) -> None:
    status, headers, problem = await hooks.repo(picked(), **{"Content-Encoding": "gzip"})

    assert (status, problem["code"]) == (415, "unsupported-media-type")
    assert headers["Connection"] == "close"


async def test_cloudevents_come_one_by_one_in_a_batch_and_binary(hooks: HookDoor) -> None:
    authorization = {"Authorization": f"Bearer {BEARER}"}
    events = [cloudevent("e-1"), cloudevent("e-2", kind="other"), cloudevent("e-3", quantity="x"), cloudevent("e-4")]
    binary = {"ce-specversion": "1.0", "ce-id": "e-4", "ce-source": "/rack", "ce-type": "picked"}

    for path in ("/v1/hooks/rack", "/v1/events"):
        status, _, answer = await hooks.request(
            path, json.dumps(events).encode(), {**authorization, "Content-Type": BATCH}
        )
        assert (len(answer["commands"]), len(answer["held"]), answer["ignored"]) == (2, 1, 1)
        assert status == 202
    for headers, body in (
        ({"Content-Type": STRUCTURED}, json.dumps(cloudevent("e-1")).encode()),
        ({"Content-Type": "application/json", **binary}, json.dumps(cloudevent()["data"]).encode()),
    ):
        status, _, _ = await hooks.request("/v1/events", body, {**authorization, **headers})
        assert status == 200

    assert len(await hooks.accepted()) == 2


async def test_events_without_a_source_in_the_path_need_the_token_of_one(hooks: HookDoor) -> None:
    body = json.dumps(cloudevent()).encode()
    for token in (TOKEN, "", "x", BEARER + "x"):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": STRUCTURED}
        assert (await hooks.request("/v1/events", body, headers))[0] == 401

    assert await hooks.accepted() == {}


async def test_a_sender_of_cloudevents_asks_whether_it_is_welcome(hooks: HookDoor) -> None:
    async def ask(source: str, origin: str) -> tuple[int, str | None]:
        headers = {"WebHook-Request-Origin": origin}
        status, given, _ = await hooks.request(f"/v1/hooks/{source}", None, headers, "OPTIONS")
        return status, given.get("WebHook-Allowed-Origin")

    assert await ask("rack", "eventemitter.example") == (204, "eventemitter.example")
    assert await ask("rack", "other.example") == (204, None)
    assert await ask("repo", "eventemitter.example") == (204, None)
    assert await ask("nobody", "eventemitter.example") == (204, None)


async def test_a_hundred_copies_at_once_are_one_command_with_one_moment(hooks: HookDoor) -> None:
    body = picked()

    answers = await asyncio.gather(*[hooks.shop(body) for _ in range(100)])

    assert sorted(status for status, _, _ in answers) == [200] * 99 + [202]
    assert len({answer["commands"][0]["key"] for _, _, answer in answers}) == 1
    assert len(await hooks.accepted()) == 1


async def test_each_source_and_client_has_its_own_rate(tmp_path: Path, valkey: SharedValkey) -> None:
    async with serving_hooks(tmp_path, valkey.url, requests_per_minute=2) as hooks:
        found = [await hooks.repo(picked(), str(number)) for number in range(3)]
        other, _, _ = await hooks.shop(picked())
        unproved = [(await hooks.request("/v1/hooks/shop", b"{}", {"webhook-id": "x"}))[0] for _ in range(5)]

    assert [status for status, _, _ in found] == [202, 202, 429]
    assert [headers["RateLimit-Policy"] for _, headers, _ in found] == ['"default";q=2;w=60'] * 3
    assert found[0][1]["RateLimit"] == '"default";r=1;t=30'
    assert 1 <= int(found[2][1]["Retry-After"]) <= 30
    # what is not proved costs the source nothing
    assert (other, unproved) == (202, [401] * 5)


@pytest.mark.parametrize("origin", ["https://app.example", "https://evil.example", None])
async def test_browsers_may_ask_from_configured_origins_only(
    tmp_path: Path, valkey: SharedValkey, origin: str | None
) -> None:
    allowed = origin == "https://app.example"
    given = {"Origin": origin} if origin else {}
    async with serving_hooks(tmp_path, valkey.url, origins=("https://app.example",)) as hooks:
        preflight, headers, _ = await hooks.request(
            "/v1/commands", None, {**given, "Access-Control-Request-Method": "POST"}, "OPTIONS"
        )
        _, plain, _ = await hooks.request("/healthz", None, given, "GET")
        _, refused, _ = await hooks.request("/v1/commands", b"{}", given)

    assert (preflight == 204) is allowed
    for answer in (headers, plain, refused):
        assert answer.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert "Access-Control-Allow-Credentials" not in answer
        assert "Origin" in answer["Vary"]


async def test_without_configured_origins_there_is_no_cors_at_all(hooks: HookDoor) -> None:
    _, headers, _ = await hooks.request("/healthz", None, {"Origin": "https://app.example"}, "GET")

    assert not [name for name in headers if name.startswith("Access-Control")]


async def test_sources_are_read_again_while_the_server_runs(tmp_path: Path, valkey: SharedValkey) -> None:
    from producers.webhooks.hooks import open_hooks  # noqa: PLC0415  the only test that needs it
    from tests.integration.hooks_harness import ENVIRON  # noqa: PLC0415

    path = tmp_path / "stockrelay.toml"
    path.write_text(CONFIG)
    hooks = open_hooks(path, ENVIRON)
    body = picked()
    assert hooks.verify("repo", {}, body, 0.0)[0] is None

    hooks.replace(open_hooks(path, {**ENVIRON, "HOOK_SECRET": OTHER}))

    signed = {name.lower(): (value,) for name, value in github(body, secret=OTHER).items()}
    assert hooks.verify("repo", signed, body, 0.0)[0] is not None
