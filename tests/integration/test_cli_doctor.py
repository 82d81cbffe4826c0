"""`stockrelay doctor`: Redis, processes, settings and places, each put wrong for real, and a person told what to do."""

from __future__ import annotations

import asyncio
import json
import os
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from tasks.presence import KEY, Process, present
from tasks.redis_client import open_redis
from tests.integration.cli_harness import VENDOR, command, operator
from tests.integration.doctor_harness import doctor, examined, only, severities
from tests.process import free_port
from tests.security.redis_users import GuardedValkey
from workers.cli.doctor import Installation
from workers.cli.doctor.findings import Severity, examine, good
from workers.limiter import Limiter
from workers.limits import LimitPolicy, Rate
from workers.newer import WAITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.conftest import MakeValkey, SharedValkey
    from workers.cli.doctor.findings import Finding

RELEASE = version("stockrelay")


# Redis


async def test_a_sound_installation_has_nothing_wrong(valkey: SharedValkey, redis_client: Redis) -> None:
    async with present(redis_client, "worker", ("partsbox",)):
        await seen(redis_client, 1)
        told = await examined(valkey.url)

    assert {one for findings in told.values() for one, _ in findings} <= {"ok"}
    assert {"redis", "durability", "memory", "clock here", "rights of a worker", "processes", "releases"} <= set(told)
    assert only(told, "releases") == ("ok", f"all are {RELEASE}")


async def seen(redis: Redis, count: int) -> None:
    async with asyncio.timeout(60):
        while await redis.zcard(KEY) < count:  # noqa: ASYNC110  Redis has no event for it
            await asyncio.sleep(0.01)


async def test_a_server_that_loses_commands_is_wrong_unless_that_is_allowed(make_valkey: MakeValkey) -> None:
    server = make_valkey({"appendfsync": "everysec"})

    told = await examined(server.url, code=1)
    allowed = await examined(server.url, STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS="1")

    weak = "accepted commands can be lost: appendfsync is 'everysec', needs 'always'"
    assert only(told, "durability") == ("wrong", weak)
    assert only(allowed, "durability") == ("warning", weak)
    assert severities(allowed, "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS") == ["warning"]


async def test_replicas_that_may_lack_what_was_acknowledged_are_told(make_valkey: MakeValkey) -> None:
    primary = make_valkey({"repl-diskless-sync-delay": "0"})
    make_valkey({"replicaof": f"127.0.0.1 {primary.port}"})
    client = open_redis(primary.url)
    try:
        await until_one_follows(client)
        lagging = await examined(primary.url)
        await client.config_set("min-replicas-to-write", 1)
        waited_for = await examined(primary.url)
    finally:
        await client.aclose()

    found = "1 of them, and whichever takes over may lack what was acknowledged"
    assert only(lagging, "replicas") == ("warning", found)
    assert only(waited_for, "replicas") == ("ok", "what is acknowledged is on 1 of them as well")


async def until_one_follows(redis: Redis) -> None:
    async with asyncio.timeout(60):
        while not (await redis.info("replication"))["connected_slaves"]:  # noqa: ASYNC110  Redis has no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("megabytes", "severity"), [(30, "ok"), (80, "warning"), (97, "wrong")])
async def test_room_is_told_before_it_is_gone(make_valkey: MakeValkey, megabytes: int, severity: str) -> None:
    server = make_valkey({"maxmemory": "100mb"})
    operating = open_redis(server.url)
    size = megabytes * 2**20 - int((await operating.info("memory"))["used_memory"])
    await operating.setrange("sr:filling", size - 1, "x")
    await operating.aclose()

    told = await examined(server.url, code=1 if severity == "wrong" else 0)

    assert only(told, "memory")[0] == severity


async def test_a_server_that_is_away_ends_no_other_check(tmp_path: Path) -> None:
    told = await examined(f"redis://127.0.0.1:{free_port()}/0", code=1, STOCKRELAY_PARTSBOX_SETTLE_SECONDS="0")

    assert only(told, "redis") == ("wrong", "cannot be reached (ConnectionError)")
    assert severities(told, "STOCKRELAY_PARTSBOX_SETTLE_SECONDS") == ["wrong"]
    assert "durability" not in told


async def test_a_server_that_does_not_answer_is_not_waited_for(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.stop_signal()
    findings = await Installation({"REDIS_URL": server.url}, seconds=1.0).examined()
    server.cont()

    assert findings[0].severity is Severity.UNCHECKED
    assert findings[0].found == "no answer within 1 s"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.2.6\r\n", "version 6"),
        (b"-ERR unknown command 'HELLO'\r\n", "does not know HELLO: older than version 6, or no Redis"),
    ],
)
async def test_a_server_that_is_too_old_is_wrong(answer: bytes, found: str) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            for words in piece.split(b"*")[1:]:
                writer.write(answer if b"HELLO" in words else b"+PONG\r\n")
        writer.close()

    async with await asyncio.start_server(old, "127.0.0.1", 0) as server:
        told = await examined(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", code=1)

    assert only(told, "redis") == ("wrong", found)


async def test_an_address_that_is_none_is_told_without_its_password(tmp_path: Path) -> None:
    shown = await doctor("redis://user:canary-of-redis#x@host/0", code=1)

    assert "REDIS_URL: not an address" in shown
    assert "canary" not in shown


async def test_each_login_is_tried_as_its_program(tmp_path_factory: pytest.TempPathFactory) -> None:
    with GuardedValkey(tmp_path_factory.mktemp("guarded") / "valkey") as server:
        for role in ("worker", "producer", "operator"):
            told = await examined(server.url_of(role), "--role", role)
            assert severities(told, f"rights of a {role}") == ["ok"], role
            assert only(told, "memory")[0] == "could not be checked"
        as_reader = await examined(server.url_of("reader"), code=1)
        as_operator = await examined(server.url_of("operator"), code=1)
        stranger = server.url_of("worker").replace("invented", "canary")
        shown = await doctor(stranger, code=1)

    assert only(as_reader, "rights of a worker")[0] == "wrong"
    severity, found = only(as_operator, "rights of a worker")
    assert (severity, "HDEL unacked" in found, "HDEL sr:{partsbox}:cmd" in found) == ("wrong", True, False)
    assert "refuses this login" in shown
    assert "canary" not in shown


# clocks, processes and what waits


@pytest.mark.parametrize(("seconds", "severity"), [(0, "ok"), (-30, "warning"), (3600, "wrong")])
async def test_a_wrong_clock_here_is_told(valkey: SharedValkey, seconds: int, severity: str) -> None:
    ahead = Installation({"REDIS_URL": valkey.url}, clock_ms=lambda: time.time_ns() // 10**6 + seconds * 1000)

    (found,) = about("clock here", await ahead.examined())

    assert found.severity.value == severity


def about(what: str, findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.about == what]


async def test_processes_tell_their_release_and_their_clock(valkey: SharedValkey, redis_client: Redis) -> None:
    seconds, _ = await redis_client.time()
    rows = {
        row("worker", 1, release="0.0.9", ahead_seconds=45): seconds,
        row("webhooks", 2, release=RELEASE, ahead_seconds=0, later="a field of a newer release"): seconds,
        row("files", 3, release=RELEASE): seconds - 30,
    }
    await redis_client.zadd(KEY, {text: second * 1000 for text, second in rows.items()})

    told = await examined(valkey.url)

    assert only(told, "processes") == ("ok", "2 there: webhooks, worker")
    assert only(told, "releases") == ("warning", f"0.0.9, {RELEASE} run; this is {RELEASE}")
    assert only(told, "clock of worker host-1/1") == ("warning", "45.0 s ahead of the Redis server's")
    assert only(told, "files host-1/3")[0] == "warning"


def row(role: str, pid: int, **more: Any) -> str:
    fields = {"role": role, "serves": [], "host": "host-1", "pid": pid, "release": RELEASE, "started_ms": 1}
    return json.dumps({**fields, **more})


async def test_a_process_that_runs_tells_how_far_its_clock_is_ahead(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.presence.now_ms", lambda: time.time_ns() // 10**6 + 90_000)

    async with present(redis_client, "worker"), asyncio.timeout(60):
        while True:
            (text,) = await redis_client.zrange(KEY, 0, -1) or ["{}"]
            if json.loads(str(text)).get("ahead_seconds") is not None:
                break
            await asyncio.sleep(0.01)

    assert Process.from_json(str(text)).ahead_seconds == 90
    assert await redis_client.zcard(KEY) == 0


async def test_work_that_nobody_does_is_wrong_and_what_waits_for_a_newer_release_is_told(
    valkey: SharedValkey, redis_client: Redis
) -> None:
    person = operator(valkey.url, redis_client)
    key = await person.claimed(command(1))
    await person.ledger.delay(key, "host-1:77:0", 3600, spent=False, reason=f"{WAITS}: kind stock.scrap is unknown")

    told = await examined(valkey.url, code=1)
    await redis_client.zadd(KEY, {row("worker", 1, serves=[VENDOR]): time.time() * 1000})
    served = await examined(valkey.url)

    assert ("wrong", "commands wait, and no worker serves it") in told[VENDOR]
    assert served[VENDOR] == [("warning", "1 commands wait for a worker of a newer release")]


async def test_limits_that_an_operator_set_are_judged(valkey: SharedValkey, redis_client: Redis) -> None:
    policy = LimitPolicy((Rate(2, 1.0),), 9, 60.0)
    await Limiter(redis_client, "openbom", policy).configure(policy)

    told = await examined(valkey.url, code=1)

    assert told["openbom live limits"] == [
        ("wrong", "9 requests at once; the vendor's document allows 5"),
        ("warning", "2/1s, 9 at once were set by an operator; the settings here say 2/1s, 4"),
    ]


# settings


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("STOCKRELAY_PARTIUM_SETTLE_SECONDS", "0", "wrong"),
        ("STOCKRELAY_PARTIUM_SETTLE_SECONDS", "3", "warning"),
        ("STOCKRELAY_PARTIUM_TIMEOUT_SECONDS", "60", "warning"),
        ("STOCKRELAY_PARTIUM_RATES", "50/1s", "warning"),
        ("STOCKRELAY_LEDGER_RETENTION_DAYS", "1", "wrong"),
        ("STOCKRELAY_LEDGER_RETENTION_DAYS", "7", "warning"),
        ("STOCKRELAY_WORKER_LEASE_SECONDS", "2", "warning"),
        ("STOCKRELAY_WORKER_RECONCILE_AT", "off", "warning"),
    ],
)
async def test_settings_that_contradict_one_another_are_told(
    valkey: SharedValkey, name: str, value: str, severity: str
) -> None:
    given = {"STOCKRELAY_PARTIUM_URL": f"http://127.0.0.1:{free_port()}", name: value}

    told = await examined(valkey.url, code=1, **given)

    assert severities(told, name) == [severity]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKRELAY_OPENBOM_RATES", "0/1s"),
        ("STOCKRELAY_OPENBOM_CONCURRENCY", "6"),
        ("STOCKRELAY_OPENBOM_CONCURENCY", "4"),
        ("STOCKRELAY_WORKER_LEASE", "15"),
        ("STOCKRELAY_METRICS_PORT", "a port"),
        ("STOCKRELAY_OPNBOM_URL", "https://example.com"),
        ("STOCKRELAY_ROUTING_CONFIG", "no-such.toml"),
    ],
)
async def test_settings_that_cannot_be_read_are_named(valkey: SharedValkey, name: str, value: str) -> None:
    told = await examined(valkey.url, code=1, **{name: value})

    ((severity, found),) = [each for each in told["settings"] if each[0] != "ok"]
    assert (severity, found.startswith(name)) == ("wrong", True)


async def test_a_routes_file_that_can_be_read_is_good(valkey: SharedValkey, tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text('[routes.catalog_part.partsbox]\nname = "name.en"\n')

    told = await examined(valkey.url, STOCKRELAY_ROUTING_CONFIG=str(routes))

    assert only(told, "routing") == ("ok", "the routes file can be read")


# places


async def test_secret_files_are_looked_at_and_never_shown(valkey: SharedValkey, tmp_path: Path) -> None:
    open_to_all, own = tmp_path / "open", tmp_path / "own"
    for path, mode in ((open_to_all, 0o644), (own, 0o600)):
        path.write_text("canary-of-a-secret-file")
        path.chmod(mode)
    given = {
        "STOCKRELAY_PARTBOLT_TOKEN_FILE": str(open_to_all),
        "STOCKRELAY_PARTIUM_API_KEY_FILE": str(own),
        "STOCKRELAY_PARTSBOX_API_KEY_FILE": str(tmp_path / "gone"),
        **{f"STOCKRELAY_{one}_URL": f"http://127.0.0.1:{free_port()}" for one in ("PARTBOLT", "PARTIUM", "PARTSBOX")},
    }

    told = await examined(valkey.url, code=1, **given)

    assert severities(told, "STOCKRELAY_PARTBOLT_TOKEN_FILE") == ["warning"]
    assert severities(told, "STOCKRELAY_PARTIUM_API_KEY_FILE") == ["ok"]
    assert severities(told, "STOCKRELAY_PARTSBOX_API_KEY_FILE") == ["wrong"]
    assert "canary" not in json.dumps(told)


async def test_producers_disks_and_files_are_looked_at(valkey: SharedValkey, tmp_path: Path) -> None:
    feeds, blocked = tmp_path / "feeds.toml", tmp_path / "blocked"
    feeds.write_text('[feeds.goods-in]\npath = "drop"\nformat = "csv"\nkind = "stock.ad"\n')
    blocked.write_text("a file where a folder should be")
    given = {
        "STOCKRELAY_FILES_CONFIG": str(feeds),
        "STOCKRELAY_FILES_OUTBOX": str(blocked / "files.sqlite3"),
        "STOCKRELAY_WEBHOOKS_TOKENS": "erp:canary-token-of-a-client",
        "STOCKRELAY_WEBHOOKS_SPOOL": str(tmp_path / "spool" / "webhooks.sqlite3"),
    }

    told = await examined(valkey.url, code=1, PATH=os.environ["PATH"], **given)

    assert severities(told, "STOCKRELAY_FILES_OUTBOX") == ["wrong"]
    severity, found = only(told, "files settings")
    assert (severity, "feeds.goods-in" in found) == ("wrong", True)
    assert severities(told, "webhooks settings") == ["ok"]
    assert severities(told, "STOCKRELAY_WEBHOOKS_SPOOL") == ["ok"]
    assert not (tmp_path / "spool").exists()
    assert "canary" not in json.dumps(told)


# the program itself


async def test_a_check_that_breaks_or_hangs_ends_no_other_and_shows_nothing_of_its_error() -> None:
    async def breaks() -> list[Finding]:
        raise RuntimeError("canary of an error's text")

    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def works() -> list[Finding]:
        return [good("works", "all of it")]

    found = await examine({"breaks": breaks, "hangs": hangs, "works": works}, 0.2)

    assert [(each.severity, each.about) for each in found] == [
        (Severity.UNCHECKED, "breaks"),
        (Severity.UNCHECKED, "hangs"),
        (Severity.OK, "works"),
    ]
    assert "canary" not in str(found)


async def test_the_table_begins_with_what_is_wrong_and_says_what_to_do(make_valkey: MakeValkey) -> None:
    shown = (await doctor(make_valkey({"appendfsync": "everysec"}).url, code=1)).splitlines()

    assert shown[1].startswith("wrong")
    assert "appendfsync always" in shown[1]
    assert "1 wrong" in shown[-1]


async def test_wrong_usage_is_2(valkey: SharedValkey) -> None:
    await doctor(valkey.url, "--role", "nobody", code=2)
