"""The HTTP door over real connections: what it accepts, and what it refuses with which problem."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tasks.registry import parse_command
from tasks.submit import now_ms
from tests.integration.command_api_harness import (
    BIN,
    JSON,
    PART,
    PROBLEM,
    SHELF,
    STATION_TOKEN,
    TOKEN,
    Door,
    FakeLedger,
    move,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


async def test_a_command_is_accepted_and_can_be_asked_about_under_its_location(door: Door) -> None:
    status, headers, accepted = await door.post(move())
    key = parse_command("stock.move", {**move(kind=...), "source": "erp"}).key()

    assert (status, headers["Location"]) == (202, f"/v1/commands/{key}")
    assert accepted == {"key": key, "kind": "stock.move", "state": "ready", "duplicate": False}
    status, _, record = await door.get(headers["Location"])
    assert (status, record["key"], record["state"], record["attempts"]) == (200, key, "ready", 0)
    assert record["summary"] == "move 5 of part pppppppp… from aaaaaaaa… to bbbbbbbb…"


async def test_the_same_command_again_is_answered_as_a_replay(door: Door) -> None:
    _, _, first = await door.post(move())

    status, headers, second = await door.post(move())

    assert (status, headers["Idempotency-Replayed"], second["duplicate"]) == (200, "true", True)
    assert second["key"] == first["key"]


async def test_fifty_arrivals_at_once_are_one_command(door: Door, redis_client: Redis) -> None:
    answers = await asyncio.gather(*(door.post(move()) for _ in range(50)))

    statuses = sorted(status for status, _, _ in answers)
    assert statuses == [200] * 49 + [202]
    assert len({body["key"] for _, _, body in answers}) == 1
    assert await redis_client.llen("vendor.partsbox") == 1


@pytest.mark.parametrize("key", ["order-4711", '"order-4711"'])
async def test_an_idempotency_key_is_the_same_one_bare_or_quoted(door: Door, key: str) -> None:
    status, _, first = await door.post(move(), Idempotency_Key="order-4711")
    again, _, second = await door.post(move(), Idempotency_Key=key)
    other, _, problem = await door.post(move(quantity=6), Idempotency_Key=key)

    assert (status, again, other, problem["code"]) == (202, 200, 422, "key-reused")
    assert first["key"] == second["key"]


async def test_one_event_is_one_command_whatever_idempotency_key_it_comes_with(door: Door) -> None:
    """A sender that once forgets its header must not book the goods twice."""
    answers = [
        await door.post(move(), Idempotency_Key="order-4711"),
        await door.post(move()),
        await door.post(move(), Idempotency_Key="order-4712"),
    ]

    assert [status for status, _, _ in answers] == [202, 200, 200]
    assert len({body["key"] for _, _, body in answers}) == 1


async def test_an_idempotency_key_used_for_another_command_is_refused(door: Door) -> None:
    await door.post(move(), Idempotency_Key="order-4711")

    status, headers, problem = await door.post(move(quantity=6), Idempotency_Key="order-4711")

    assert (status, headers["Content-Type"], problem["code"]) == (422, PROBLEM, "key-reused")


@pytest.mark.parametrize("key", ["", '""', "two words", '"two words"', "ümlaut", "x" * 256, '"open'])
async def test_an_unusable_idempotency_key_is_refused(fake_door: Door, fake_ledger: FakeLedger, key: str) -> None:
    status, _, problem = await fake_door.post(move(), Idempotency_Key=key)

    assert (status, problem["code"], fake_ledger.submitted) == (400, "malformed", [])


async def test_the_source_is_the_tokens_client(fake_door: Door, fake_ledger: FakeLedger) -> None:
    await fake_door.post(move(), Authorization=f"Bearer {STATION_TOKEN}")
    await fake_door.post(move(source="ST-01"), Authorization=f"bearer {STATION_TOKEN}")

    assert [command.source for command in fake_ledger.submitted] == ["ST-01", "ST-01"]


async def test_another_clients_source_is_refused(fake_door: Door, fake_ledger: FakeLedger) -> None:
    status, _, problem = await fake_door.post(move(source="ST-01"))

    assert (status, problem["code"], fake_ledger.submitted) == (403, "foreign-source", [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": ...}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": "stock.teleport"}, "kind"),
        ({"kind": "order.receive_line"}, "kind"),
        ({"part_id": ...}, "part_id"),
        ({"part_id": "unknown"}, "part_id"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "5"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": 10**30}, "quantity"),
        ({"stock_timestamp": "2026-11-21T10:00:00Z"}, "stock_timestamp"),
        ({"stock_timestamp": 1_790_000_000}, "stock_timestamp"),
        ({"stock_timestamp": 4_000_000_000_000}, "stock_timestamp"),
        ({"colour": "red"}, "colour"),
        ({"source": 5}, "source"),
        ({"comments": "see [cmd:aaaaaaaaaaaaaaaaaaaa]"}, "comments"),
        ({"comments": "\ud800"}, ""),
        ({"to_storage_id": SHELF}, "to_storage_id"),
    ],
)
async def test_an_invalid_command_is_refused_with_field_and_reason(
    door: Door, changes: dict[str, Any], field: str
) -> None:
    fields = move(**changes)
    if fields.get("kind") == "order.receive_line":
        fields = {"kind": "order.receive_line", "order_id": SHELF, "stock_id": BIN, "part_id": PART}
        fields |= {"storage_id": SHELF, "quantity": 1, "stock_timestamp": now_ms()}

    status, headers, problem = await door.post(fields)

    assert (status, headers["Content-Type"], problem["code"]) == (422, PROBLEM, "invalid-command")
    assert all(set(error) == {"field", "value", "message"} for error in problem["errors"])
    assert field == "" or field in [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        "Bearer ü",
        "Bearer a b",
    ],
)
async def test_every_wrong_token_gets_the_same_answer(
    fake_door: Door, fake_ledger: FakeLedger, authorization: str
) -> None:
    status, headers, problem = await fake_door.post(move(), Authorization=authorization, X_Request_ID="r")
    shown, _, shown_problem = await fake_door.get(
        "/v1/commands/" + "a" * 20, **{"Authorization": authorization, "X-Request-ID": "r"}
    )

    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="stockrelay"')
    assert shown == 401
    assert (
        problem
        == shown_problem
        == {
            "type": "urn:stockrelay:problem:unauthorized",
            "title": "Unauthorized",
            "status": 401,
            "detail": "a valid bearer token is needed",
            "code": "unauthorized",
            "request_id": "r",
        }
    )
    assert fake_ledger.submitted == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=b", 415),
        ({"Content-Type": "application/json; charset=latin-1"}, b"{}", 415),
        ({"Content-Encoding": "gzip"}, b"{}", 415),
        ({"Content-Encoding": "br"}, b"{}", 415),
        ({}, b'{"kind": "' + b"x" * 262_144 + b'"}', 413),
        ({}, b"{", 400),
        ({}, b"", 400),
        ({}, b"[" * 100_000, 400),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_as_a_problem(
    fake_door: Door, headers: dict[str, str], body: bytes, status: int
) -> None:
    given = {name.replace("-", "_"): value for name, value in headers.items()}
    found, answered, problem = await fake_door.post(body, **given)

    assert (found, answered["Content-Type"], problem["status"]) == (status, PROBLEM, status)


async def test_a_body_of_unknown_length_is_cut_at_the_limit(fake_door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65_536

    with contextlib.suppress(aiohttp.ClientConnectionError):  # it may still be sending when the answer comes
        async with fake_door.session.post(f"{fake_door.url}/v1/commands", data=endless(), headers=JSON) as answer:
            assert answer.status == 413
            assert answer.headers["Content-Type"] == PROBLEM


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/v1/commands", 405), ("DELETE", "/healthz", 405), ("POST", "/readyz", 405)],
)
async def test_unknown_paths_and_methods_are_problems_too(fake_door: Door, method: str, path: str, status: int) -> None:
    async with fake_door.session.request(method, fake_door.url + path) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, answer.headers["Content-Type"], problem["status"]) == (status, PROBLEM, status)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("a" * 20, 404, "unknown-command"),
        ("a" * 19, 400, "malformed"),
        ("A" * 20, 400, "malformed"),
        ("%00" * 20, 400, "malformed"),
    ],
)
async def test_an_unknown_key_is_not_found_and_a_malformed_one_is_refused(
    door: Door, key: str, status: int, code: str
) -> None:
    found, headers, problem = await door.get(f"/v1/commands/{key}")

    assert (found, headers["Content-Type"], problem["code"]) == (status, PROBLEM, code)


async def test_a_clients_request_id_comes_back_and_an_unusable_one_is_replaced(fake_door: Door) -> None:
    _, given, _ = await fake_door.get("/healthz", **{"X-Request-ID": "shift-7.a"})
    _, replaced, _ = await fake_door.get("/healthz", **{"X-Request-ID": "x" * 200})
    _, refused, problem = await fake_door.get("/nowhere", **{"X-Request-ID": "shift-7.b"})

    assert given["X-Request-ID"] == "shift-7.a"
    assert len(replaced["X-Request-ID"]) == 32
    assert refused["X-Request-ID"] == problem["request_id"] == "shift-7.b"
