"""`stockrelay-webhooks` as a process: starting, refusing to start, stopping, and what it accepted outliving it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import redis.asyncio

from tests.process import Process, accepts, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeValkey, SharedValkey

TOKEN = "invented-token-of-erp"
MOVE = {
    "kind": "stock.move",
    "part_id": "p" * 26,
    "from_storage_id": "a" * 26,
    "to_storage_id": "b" * 26,
    "quantity": 5,
    "stock_timestamp": 1_790_000_000_000,
}
COMMAND = (sys.executable, "-m", "producers.webhooks.main", "run")


def _environment(folder: Path, redis_url: str, port: int, **more: str) -> dict[str, str]:
    own = {
        "STOCKRELAY_WEBHOOKS_SPOOL": str(folder / f"spool-{port}.sqlite3"),
        "REDIS_URL": redis_url,
        "STOCKRELAY_WEBHOOKS_PORT": str(port),
        "STOCKRELAY_WEBHOOKS_TOKENS": f"erp:{TOKEN}",
    }
    return {**os.environ, **own, **more}


def _webhooks(folder: Path, redis_url: str) -> Process:
    port = free_port()
    return Process(
        f"webhooks:{port}",
        COMMAND,
        log=folder / "webhooks.log",
        ready=lambda: accepts(port),
        environment=_environment(folder, redis_url, port),
    )


def _url(process: Process, path: str = "/v1/commands") -> str:
    return f"http://127.0.0.1:{process.name.partition(':')[2]}{path}"


@pytest.fixture
def webhooks(tmp_path: Path, valkey: SharedValkey) -> Iterator[Process]:
    with _webhooks(tmp_path, valkey.url) as process:
        yield process


@contextlib.asynccontextmanager
async def _session() -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_token_it_refuses_to_start() -> None:
    ended = _run()

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "STOCKRELAY_WEBHOOKS_TOKENS" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"STOCKRELAY_WEBHOOKS_PROT": "1"}, "STOCKRELAY_WEBHOOKS_PROT: unknown"),
        ({"STOCKRELAY_LEDGER_RETENTION_DAYS": "0"}, "STOCKRELAY_LEDGER_RETENTION_DAYS"),
        ({"REDIS_URL": "rediss://redis.example"}, "REDIS_URL"),
        ({"REDIS_URL": "http://redis.example"}, "REDIS_URL: must be redis:// or rediss://"),
        ({"STOCKRELAY_WEBHOOKS_HOST": ""}, "STOCKRELAY_WEBHOOKS_HOST: is empty"),
        ({"STOCKRELAY_WEBHOOK_PORT": "1"}, "STOCKRELAY_WEBHOOK_PORT: unknown"),
    ],
)
def test_wrong_settings_are_named_by_check_too(variables: dict[str, str], named: str) -> None:
    ended = _run("--check", STOCKRELAY_WEBHOOKS_TOKENS=f"erp:{TOKEN}", **variables)

    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_of_good_settings_names_the_clients_and_no_token() -> None:
    ended = _run("--check", STOCKRELAY_WEBHOOKS_TOKENS=f"erp:{TOKEN}")

    assert (ended.returncode, ended.stdout) == (
        0,
        "settings are good: http://127.0.0.1:8080, clients erp (submit+read)\n",
    )


def test_a_taken_port_is_an_error_without_a_traceback(webhooks: Process, valkey: SharedValkey, tmp_path: Path) -> None:
    port = int(webhooks.name.partition(":")[2])

    spool = str(tmp_path / "other.sqlite3")
    ended = _run(**_environment(tmp_path, valkey.url, port, STOCKRELAY_WEBHOOKS_SPOOL=spool))

    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.256.256.256", "a..b"])
def test_a_host_that_does_not_exist_is_a_wrong_setting(host: str, valkey: SharedValkey, tmp_path: Path) -> None:
    ended = _run(**_environment(tmp_path, valkey.url, free_port(), STOCKRELAY_WEBHOOKS_HOST=host))

    assert ended.returncode == 2
    assert f"STOCKRELAY_WEBHOOKS_HOST: no such host or address: {host}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_commands_were_accepted_on_a_redis_that_loses_them(make_valkey: MakeValkey, tmp_path: Path) -> None:
    server = make_valkey({"appendfsync": "everysec"})

    ended = _run(**_environment(tmp_path, server.url, free_port()))

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert "appendfsync is 'everysec', needs 'always'" in ended.stderr
    assert "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1" in ended.stderr


async def _until_asked(session: aiohttp.ClientSession, process: Process) -> tuple[int, str]:
    """Post until the ledger is there, however weak."""
    code = "unavailable"
    while code == "unavailable":
        async with session.post(_url(process), json=MOVE) as answer:
            status, code = answer.status, (await answer.json()).get("code", "")
        await asyncio.sleep(0.05)
    return status, code


async def test_a_weak_redis_that_comes_after_the_start_was_told_accepted(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey({"appendfsync": "everysec"})
    server.kill()
    with _webhooks(tmp_path, server.url) as process:
        async with _session() as session, asyncio.timeout(20):
            server.start()
            weak = await _until_asked(session, process)
            async with redis.asyncio.Redis.from_url(server.url) as client:
                stored = await client.dbsize()
                await client.config_set("appendfsync", "always")
            async with session.post(_url(process), json=MOVE) as answer:
                mended = answer.status

    assert weak == (503, "not-durable")
    assert stored == 0
    assert mended == 202


async def test_a_request_in_flight_is_finished_after_sigterm_and_no_new_one_is_taken(
    webhooks: Process, valkey: SharedValkey
) -> None:
    async with _session() as session, redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.client_pause(1500, all=False)
        request = asyncio.create_task(session.post(_url(webhooks), json=MOVE))
        await _until_blocked(client)

        webhooks.terminate()
        async with await request as answer:
            assert answer.status == 202
        code = await asyncio.to_thread(webhooks.wait, 10.0)

        assert code == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(_url(webhooks, "/healthz"))


async def _until_blocked(client: redis.asyncio.Redis) -> None:
    blocked = 0
    async with asyncio.timeout(10):
        while blocked == 0:
            blocked = (await client.info("clients"))["blocked_clients"]
            await asyncio.sleep(0.01)


async def test_idle_and_half_open_connections_do_not_hold_sigterm_up(webhooks: Process) -> None:
    port = int(webhooks.name.partition(":")[2])
    writers = []
    for opening in (b"", b"POST /v1/comm", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(opening)
        await writer.drain()
        writers.append(writer)

    code = await asyncio.to_thread(webhooks.stop, 10.0)

    assert code == 0
    for writer in writers:
        writer.close()


async def test_what_was_accepted_outlives_a_killed_process_and_a_killed_redis(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    with _webhooks(tmp_path, server.url) as first:
        async with _session() as session, session.post(_url(first), json=MOVE) as answer:
            location = answer.headers["Location"]
        first.kill()
        server.restart()

    with _webhooks(tmp_path, server.url) as second:
        async with _session() as session:
            async with session.get(_url(second, location)) as answer:
                record = await answer.json()
            async with session.post(_url(second), json=MOVE) as answer:
                replay = await answer.json()

    assert record["state"] == "ready"
    assert replay["duplicate"] is True


async def test_it_starts_without_redis_keeps_what_comes_and_hands_it_over_when_redis_is_back(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    server.kill()
    with _webhooks(tmp_path, server.url) as process:
        async with _session() as session:
            async with session.post(_url(process), json=MOVE) as answer:
                away = answer.status
                spooled = await answer.json()
            server.start()
            async with asyncio.timeout(60):
                await _until_ready(session, process)
                state = spooled["state"]
                while state == "spooled":
                    async with session.get(_url(process, f"/v1/commands/{spooled['key']}")) as answer:
                        state = (await answer.json())["state"]
            async with session.post(_url(process), json=MOVE) as answer:
                again = answer.status

    assert (away, spooled["state"], state, again) == (202, "spooled", "ready", 200)
    assert "spool.begun" in process.log_tail()


async def _until_ready(session: aiohttp.ClientSession, process: Process) -> None:
    status = 0
    while status != 200:
        async with session.get(_url(process, "/readyz")) as answer:
            status = answer.status
        await asyncio.sleep(0.05)


async def test_the_log_holds_the_command_and_no_token(webhooks: Process) -> None:
    async with _session() as session:
        async with session.post(_url(webhooks), json=MOVE) as answer:
            key = (await answer.json())["key"]
        async with session.post(
            _url(webhooks), json=MOVE, headers={"Authorization": "Bearer wrong-invented-token"}
        ) as answer:
            assert answer.status == 401
    webhooks.stop()

    log = webhooks.log.read_text()
    assert "command.accepted" in log
    assert key in log
    assert TOKEN not in log
    assert "wrong-invented-token" not in log
