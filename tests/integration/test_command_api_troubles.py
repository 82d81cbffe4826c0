"""The HTTP door when the ledger fails, hangs or is weak: what it answers, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError

from producers.webhooks import submissions as submissions_module
from producers.webhooks.health import DURABLE_SECONDS, Readiness
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.integration.command_api_harness import (
    PROBLEM,
    TOKEN,
    Door,
    FakeLedger,
    move,
    serving,
)

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

    from tests.conftest import MakeValkey


async def test_a_damaged_record_is_no_unexplained_error(door: Door, redis_client: Redis) -> None:
    _, _, accepted = await door.post(move())
    await redis_client.hset(f"sr:{{partsbox}}:cmd:{accepted['key']}", "state", "verifying")

    status, headers, problem = await door.get(f"/v1/commands/{accepted['key']}")

    assert (status, headers["Content-Type"], problem["code"]) == (500, PROBLEM, "damaged-record")


async def test_an_error_of_ours_tells_nothing_of_the_inside(
    fake_door: Door, fake_ledger: FakeLedger, caplog: pytest.LogCaptureFixture
) -> None:
    fake_ledger.error = RuntimeError("the inside")

    status, headers, problem = await fake_door.post(move())

    assert (status, headers["Content-Type"], problem["code"]) == (500, PROBLEM, "internal-error")
    assert "inside" not in json.dumps(problem)
    assert "the inside" in caplog.text


async def test_a_ledger_that_is_away_is_said_at_once_with_when_to_come_back(
    fake_door: Door, fake_ledger: FakeLedger
) -> None:
    fake_ledger.error = RedisConnectionError("refused")

    status, headers, problem = await fake_door.post(move())
    shown, _, _ = await fake_door.get("/v1/commands/" + "a" * 20)

    assert (status, headers["Retry-After"], problem["code"], shown) == (503, "5", "unavailable", 503)


async def test_who_came_back_when_it_was_asked_to_met_the_end_of_an_idle_connection(
    fake_door: Door, fake_ledger: FakeLedger
) -> None:
    fake_ledger.error = RedisConnectionError("refused")

    status, headers, _ = await fake_door.post(move())

    assert (status, headers["Connection"]) == (503, "close")


async def test_a_ledger_that_hangs_is_not_waited_for(
    fake_door: Door, fake_ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions_module, "LEDGER_SECONDS", 0.05)
    fake_ledger.gate = asyncio.Event()

    status, headers, _ = await fake_door.post(move())

    assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_frozen_redis_is_answered_with_503_and_the_repetition_counts_once(
    make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions_module, "LEDGER_SECONDS", 0.5)
    server = make_valkey()
    redis = open_redis(server.url)
    async with serving(Submitter(redis)) as door:
        server.stop_signal()
        frozen, _, _ = await door.post(move())
        server.cont()
        back, _, _ = await door.post(move())
        again, _, _ = await door.post(move())
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


async def test_a_redis_that_becomes_weak_gets_no_command_and_one_that_is_allowed_to_be_does(
    make_valkey: MakeValkey,
) -> None:
    redis = open_redis(make_valkey().url)
    now = [0.0]
    strict, lenient = Readiness(redis, clock=lambda: now[0]), Readiness(redis, allow_weak=True)
    async with serving(Submitter(redis), strict) as door, serving(Submitter(redis), lenient) as other:
        durable, _, _ = await door.post(move())
        await redis.config_set("appendonly", "no")
        now[0] += DURABLE_SECONDS
        weak, headers, problem = await door.post(move(quantity=6))
        known = await redis.dbsize()
        shown, _, _ = await door.get("/v1/commands/" + "a" * 20)
        allowed, _, _ = await other.post(move(quantity=6))
    await redis.aclose()

    assert (durable, weak, shown, allowed) == (202, 503, 404, 202)
    assert (headers["Content-Type"], headers["Retry-After"], problem["code"]) == (PROBLEM, "5", "not-durable")
    assert "appendonly is 'no', needs 'yes'" in problem["detail"]
    assert known > 0


async def test_the_look_at_durability_is_shared_by_those_who_ask_together(redis_client: Redis) -> None:
    now = [0.0]
    readiness = Readiness(redis_client, clock=lambda: now[0])
    await redis_client.config_resetstat()

    for _ in range(2):
        await asyncio.gather(*(readiness.require_durable() for _ in range(20)))

    once = (await redis_client.info("commandstats"))["cmdstat_config|get"]["calls"]
    now[0] += DURABLE_SECONDS
    await readiness.require_durable()
    assert (await redis_client.info("commandstats"))["cmdstat_config|get"]["calls"] == 2 * once


async def test_a_full_redis_was_said_not_to_answer_and_was_ready(make_valkey: MakeValkey) -> None:
    redis = open_redis(make_valkey().url)
    async with serving(Submitter(redis), Readiness(redis)) as door:
        await redis.config_set("maxmemory", 1)
        unready, _, report = await door.get("/readyz")
        refused, _, problem = await door.post(move())
        stored = await redis.dbsize()
        await redis.config_set("maxmemory", 0)
        ready, _, _ = await door.get("/readyz")
        again, _, _ = await door.post(move())
    await redis.aclose()

    assert (unready, refused, ready, again) == (503, 503, 200, 202)
    assert report["checks"]["redis"] == {"ok": False, "reason": "is full (maxmemory) and refuses writes"}
    assert problem["code"] == "unavailable"
    assert problem["detail"].startswith("Redis is full")
    assert stored == 0


async def test_a_replica_that_refuses_writes_is_not_ready(make_valkey: MakeValkey) -> None:
    main, redis = make_valkey(), open_redis(make_valkey().url)
    await redis.replicaof("127.0.0.1", main.port)
    async with serving(Submitter(redis), Readiness(redis)) as door:
        status, _, report = await door.get("/readyz")
    await redis.aclose()

    assert status == 503
    assert "refuses writes" in report["checks"]["redis"]["reason"]


async def test_the_value_of_an_unknown_field_was_repeated_to_whoever_asked(fake_door: Door) -> None:
    status, _, problem = await fake_door.post(move(token="invented-secret-0001"))

    assert status == 422
    assert problem["errors"] == [{"field": "token", "value": "not shown", "message": "Extra inputs are not permitted"}]


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


async def test_no_token_reaches_the_log(
    fake_door: Door, fake_ledger: FakeLedger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await fake_door.post(move())
    await fake_door.post(move(), Authorization="Bearer wrong-invented-token")
    fake_ledger.error = RuntimeError("boom")
    await fake_door.post(move())

    records = " ".join(str(vars(record)) for record in caplog.records)
    assert "command.accepted" in records
    assert TOKEN not in records
    assert "wrong-invented-token" not in records
