"""The server that the other tests stand on: durable, restartable, freezable, never left behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import redis
import redis.asyncio

from tests.backing import ROOT
from tests.process import Process, ProcessError, wait_until
from tests.valkey import pings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeValkey


@contextlib.contextmanager
def _client(url: str) -> Iterator[redis.Redis]:
    with contextlib.closing(redis.Redis.from_url(url, decode_responses=True, socket_timeout=0.2)) as client:
        yield client


async def test_the_shared_server_is_durable_and_evicts_nothing(redis_client: redis.asyncio.Redis) -> None:
    config = await redis_client.config_get("appendonly", "appendfsync", "maxmemory-policy")

    assert config == {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("_round", [1, 2])
async def test_every_test_starts_with_an_empty_server(redis_client: redis.asyncio.Redis, _round: int) -> None:
    assert await redis_client.dbsize() == 0

    await redis_client.set("left", "behind")


def test_what_was_written_survives_a_sigkill_and_the_port_stays(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    url = server.url
    with _client(url) as client:
        client.set("key", "value")

    server.restart()

    assert server.url == url
    with _client(url) as client:
        assert client.get("key") == "value"


def test_a_frozen_server_keeps_its_connections_and_answers_after_it_goes_on(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    with _client(server.url) as client:
        client.set("key", "value")

        server.stop_signal()
        with pytest.raises(redis.TimeoutError):
            client.get("key")
        server.cont()

        assert client.get("key") == "value"


def test_a_server_with_a_weak_setting_can_be_asked_for(make_valkey: MakeValkey) -> None:
    server = make_valkey({"appendfsync": "everysec"})

    with _client(server.url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_a_process_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    script = "print('no such setting'); raise SystemExit(3)"
    process = Process("short", [sys.executable, "-c", script], log=tmp_path / "log", ready=lambda: False)

    with pytest.raises(ProcessError, match=r"short ended with 3 before it was ready\nno such setting"):
        process.start()


def test_a_server_dies_with_the_run_that_started_it_even_by_sigkill(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, signal; from tests.valkey import ValkeyServer;"
        "server = ValkeyServer(pathlib.Path(sys.argv[1])).start(); print(server.port, flush=True); signal.pause()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port = int(run.stdout.readline())
        assert pings(port)

        run.send_signal(signal.SIGKILL)

        wait_until(lambda: not pings(port), "the orphaned server goes away")
