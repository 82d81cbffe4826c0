"""The HTTP door over real connections: with the real ledger for what it accepts, with a fake for what may fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from producers.webhooks import app as app_module
from producers.webhooks import body as body_module
from producers.webhooks import connection as connection_module
from producers.webhooks.app import create_app
from producers.webhooks.auth import Clients
from producers.webhooks.connection import connection_factory
from producers.webhooks.health import Readiness
from tasks.records import State
from tasks.redis_client import open_redis
from tasks.registry import parse_command
from tasks.submit import Accepted, Submitter, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.conftest import MakeValkey

TOKEN = "invented-token-of-erp"
STATION_TOKEN = "invented-token-of-st01"
SHELF, BIN, PART = ("a" * 26, "b" * 26, "p" * 26)
PROBLEM = "application/problem+json"
JSON = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def _move(**changes: Any) -> dict[str, Any]:
    fields = {
        "kind": "stock.move",
        "part_id": PART,
        "from_storage_id": SHELF,
        "to_storage_id": BIN,
        "quantity": 5,
        "stock_timestamp": 1_790_000_000_000,
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


@dataclass
class FakeLedger:
    """Accepts everything, or fails or waits as told."""

    error: Exception | None = None
    gate: asyncio.Event | None = None
    submitted: list[Command] = field(default_factory=list)

    async def submit(self, command: Command, **_: str | None) -> Accepted:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.submitted.append(command)
        return Accepted(command.key(), command.kind, State.READY, duplicate=False)

    async def find(self, _: str) -> CommandRecord | None:
        if self.error is not None:
            raise self.error
        return None


class AlwaysReady:
    async def check(self) -> dict[str, Any]:
        return {"status": "ready"}


@dataclass
class Door:
    """A served application."""

    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, body: Any, **headers: str) -> tuple[int, Any, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.session.post(f"{self.url}/v1/commands", data=data, headers=given) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def get(self, path: str, **headers: str) -> tuple[int, Any, dict[str, Any]]:
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        async with self.session.get(f"{self.url}{path}", headers=given) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def raw(self, request: bytes, seconds: float = 10.0) -> bytes:
        """Send bytes as they are and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(ledger: Any, readiness: Any = None, *, max_connections: int = 100) -> AsyncIterator[Door]:
    clients = Clients((("erp", SecretStr(TOKEN)), ("ST-01", SecretStr(STATION_TOKEN))))
    runner = web.AppRunner(create_app(clients, ledger, readiness or AlwaysReady()), shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    connect = connection_factory(runner.server, max_connections=max_connections)
    listener = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Door(listener.sockets[0].getsockname()[1], session)
    finally:
        listener.close()
        await runner.cleanup()


@pytest.fixture
async def door(redis_client: Redis) -> AsyncIterator[Door]:
    """The door to the real ledger."""
    async with serving(Submitter(redis_client), Readiness(redis_client)) as served:
        yield served


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
async def fake_door(ledger: FakeLedger) -> AsyncIterator[Door]:
    async with serving(ledger) as served:
        yield served


async def test_a_command_is_accepted_and_can_be_asked_about_under_its_location(door: Door) -> None:
    status, headers, accepted = await door.post(_move())
    key = parse_command("stock.move", {**_move(kind=...), "source": "erp"}).key()

    assert (status, headers["Location"]) == (202, f"/v1/commands/{key}")
    assert accepted == {"key": key, "kind": "stock.move", "state": "ready", "duplicate": False}
    status, _, record = await door.get(headers["Location"])
    assert (status, record["key"], record["state"], record["attempts"]) == (200, key, "ready", 0)
    assert record["summary"] == "move 5 of part pppppppp… from aaaaaaaa… to bbbbbbbb…"


async def test_the_same_command_again_is_answered_as_a_replay(door: Door) -> None:
    _, _, first = await door.post(_move())

    status, headers, second = await door.post(_move())

    assert (status, headers["Idempotency-Replayed"], second["duplicate"]) == (200, "true", True)
    assert second["key"] == first["key"]


async def test_fifty_arrivals_at_once_are_one_command(door: Door, redis_client: Redis) -> None:
    answers = await asyncio.gather(*(door.post(_move()) for _ in range(50)))

    statuses = sorted(status for status, _, _ in answers)
    assert statuses == [200] * 49 + [202]
    assert len({body["key"] for _, _, body in answers}) == 1
    assert await redis_client.llen("vendor.partsbox") == 1


@pytest.mark.parametrize("key", ["order-4711", '"order-4711"'])
async def test_an_idempotency_key_stands_for_the_identity_bare_or_quoted(door: Door, key: str) -> None:
    status, _, first = await door.post(_move(), Idempotency_Key="order-4711")
    again, _, second = await door.post(_move(), Idempotency_Key=key)
    other, _, third = await door.post(_move(), Idempotency_Key="order-4712")

    assert (status, again, other) == (202, 200, 202)
    assert first["key"] == second["key"] != third["key"]


async def test_an_idempotency_key_used_for_another_command_is_refused(door: Door) -> None:
    await door.post(_move(), Idempotency_Key="order-4711")

    status, headers, problem = await door.post(_move(quantity=6), Idempotency_Key="order-4711")

    assert (status, headers["Content-Type"], problem["code"]) == (422, PROBLEM, "key-reused")


@pytest.mark.parametrize("key", ["", '""', "two words", '"two words"', "ümlaut", "x" * 256, '"open'])
async def test_an_unusable_idempotency_key_is_refused(fake_door: Door, ledger: FakeLedger, key: str) -> None:
    status, _, problem = await fake_door.post(_move(), Idempotency_Key=key)

    assert (status, problem["code"], ledger.submitted) == (400, "malformed", [])


async def test_the_source_is_the_tokens_client(fake_door: Door, ledger: FakeLedger) -> None:
    await fake_door.post(_move(), Authorization=f"Bearer {STATION_TOKEN}")
    await fake_door.post(_move(source="ST-01"), Authorization=f"bearer {STATION_TOKEN}")

    assert [command.source for command in ledger.submitted] == ["ST-01", "ST-01"]


async def test_another_clients_source_is_refused(fake_door: Door, ledger: FakeLedger) -> None:
    status, _, problem = await fake_door.post(_move(source="ST-01"))

    assert (status, problem["code"], ledger.submitted) == (403, "foreign-source", [])


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
    fields = _move(**changes)
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
async def test_every_wrong_token_gets_the_same_answer(fake_door: Door, ledger: FakeLedger, authorization: str) -> None:
    status, headers, problem = await fake_door.post(_move(), Authorization=authorization, X_Request_ID="r")
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
    assert ledger.submitted == []


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
    [("GET", "/nowhere", 404), ("GET", "/v1/commands", 405), ("DELETE", "/healthz", 405), ("POST", "/readyz", 405)],
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


async def test_an_error_of_ours_tells_nothing_of_the_inside(
    fake_door: Door, ledger: FakeLedger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.error = RuntimeError("the inside")

    status, headers, problem = await fake_door.post(_move())

    assert (status, headers["Content-Type"], problem["code"]) == (500, PROBLEM, "internal-error")
    assert "inside" not in json.dumps(problem)
    assert "the inside" in caplog.text


async def test_a_ledger_that_is_away_is_said_at_once_with_when_to_come_back(
    fake_door: Door, ledger: FakeLedger
) -> None:
    ledger.error = RedisConnectionError("refused")

    status, headers, problem = await fake_door.post(_move())
    shown, _, _ = await fake_door.get("/v1/commands/" + "a" * 20)

    assert (status, headers["Retry-After"], problem["code"], shown) == (503, "5", "unavailable", 503)


async def test_a_ledger_that_hangs_is_not_waited_for(
    fake_door: Door, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "LEDGER_SECONDS", 0.05)
    ledger.gate = asyncio.Event()

    status, headers, _ = await fake_door.post(_move())

    assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_frozen_redis_is_answered_with_503_and_the_repetition_counts_once(
    make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "LEDGER_SECONDS", 0.5)
    server = make_valkey()
    redis = open_redis(server.url)
    async with serving(Submitter(redis)) as door:
        server.stop_signal()
        frozen, _, _ = await door.post(_move())
        server.cont()
        back, _, _ = await door.post(_move())
        again, _, _ = await door.post(_move())
        assert (frozen, again) == (503, 200)
        assert back in (200, 202)  # the frozen server may have taken the first one when it came back
        assert await redis.llen("vendor.partsbox") == 1
    await redis.aclose()


async def test_readiness_is_a_durable_redis_and_health_needs_none(door: Door) -> None:
    ready, _, report = await door.get("/readyz")
    alive, _, _ = await door.get("/healthz")

    assert (ready, alive) == (200, 200)
    assert report == {"status": "ready", "checks": {"redis": {"ok": True}, "durable": {"ok": True}}}


async def test_a_weak_redis_is_not_ready_unless_it_is_allowed(make_valkey: MakeValkey) -> None:
    redis = open_redis(make_valkey({"appendfsync": "everysec"}).url)
    async with serving(Submitter(redis), Readiness(redis)) as strict:
        refused, headers, problem = await strict.get("/readyz")
    async with serving(Submitter(redis), Readiness(redis, allow_weak=True)) as lenient:
        allowed, _, report = await lenient.get("/readyz")
    await redis.aclose()

    assert (refused, headers["Content-Type"], problem["code"]) == (503, PROBLEM, "not-ready")
    assert "appendfsync" in problem["checks"]["durable"]["reason"]
    assert (allowed, report["status"]) == (200, "ready")
    assert "may be lost" in report["warning"]


async def test_a_redis_that_hides_its_settings_is_weak(make_valkey: MakeValkey) -> None:
    redis = open_redis(make_valkey().url)
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=["-config"])
    async with serving(Submitter(redis), Readiness(redis)) as door:
        status, _, problem = await door.get("/readyz")
    await redis.aclose()

    assert status == 503
    assert "cannot be read" in problem["checks"]["durable"]["reason"]


async def test_a_dead_redis_is_not_ready_and_the_process_is_healthy(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    redis = open_redis(server.url)
    async with serving(Submitter(redis), Readiness(redis)) as door:
        ready, _, problem = await door.get("/readyz")
        alive, _, _ = await door.get("/healthz")
    await redis.aclose()

    assert (ready, alive) == (503, 200)
    assert problem["checks"]["redis"]["ok"] is False


HEAD = (
    b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
)


@pytest.mark.parametrize("request_", [b"", b"P", HEAD, HEAD + b"X-Slow: "])
async def test_a_request_head_that_never_ends_is_closed(
    ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.2)
    async with serving(ledger) as door:
        assert await door.raw(request_) == b""


async def test_a_request_head_that_drips_is_closed_too(ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.3)
    async with serving(ledger) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(HEAD + b"X-Slow: ")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.05)
        assert reader.at_eof()
        writer.close()


@pytest.mark.parametrize("part", [b"Content-Length: 100\r\n\r\n", b'Content-Length: 100\r\n\r\n{"kind"'])
async def test_a_body_that_never_ends_is_answered_and_closed(
    ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connection_module, "LINGER_SECONDS", 0.1)
    async with serving(ledger) as door:
        answer = await door.raw(HEAD + part)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


async def test_two_hundred_slow_connections_do_not_hold_a_good_one_up(
    ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 5.0)
    async with serving(ledger, max_connections=300) as door:
        slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(200)]
        for _, writer in slow:
            writer.write(HEAD)

        status, _, _ = await door.post(_move())

        assert status == 202
        for _, writer in slow:
            writer.close()


async def test_connections_beyond_the_cap_are_closed_and_place_becomes_free_again(ledger: FakeLedger) -> None:
    async with serving(ledger, max_connections=2) as door:
        first = await asyncio.open_connection("127.0.0.1", door.port)
        second = await asyncio.open_connection("127.0.0.1", door.port)
        for reader, writer in (first, second):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        assert await door.raw(b"") == b""
        first[1].close()
        async with asyncio.timeout(10):
            await _until_served(door)
        second[1].close()


async def _until_served(door: Door) -> None:
    answer = b""
    while b"alive" not in answer:
        with contextlib.suppress(ConnectionError):
            answer = await door.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"NOT HTTP AT ALL\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot-a-size\r\n",
        HEAD + b"Expect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_what_is_not_http_is_a_problem_without_a_traceback_in_the_log(
    fake_door: Door, ledger: FakeLedger, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    answer = await fake_door.raw(request_)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert PROBLEM.encode() in head
    assert json.loads(body)["status"] in (400, 417)
    assert "Traceback" not in caplog.text
    assert ledger.submitted == []


async def test_a_client_that_breaks_off_leaves_no_trace_of_an_error(
    fake_door: Door, ledger: FakeLedger, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", fake_door.port)
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"kind"')
    await writer.drain()
    writer.transport.abort()

    assert (await fake_door.post(_move()))[0] == 202
    assert "Traceback" not in caplog.text
    assert len(ledger.submitted) == 1


async def test_no_token_reaches_the_log(fake_door: Door, ledger: FakeLedger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await fake_door.post(_move())
    await fake_door.post(_move(), Authorization="Bearer wrong-invented-token")
    ledger.error = RuntimeError("boom")
    await fake_door.post(_move())

    records = " ".join(str(vars(record)) for record in caplog.records)
    assert "command.accepted" in records
    assert TOKEN not in records
    assert "wrong-invented-token" not in records
