"""How the processes of the Procfile refuse to start: one line, the variable's name, an exit code, no secret."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import redis

from tests.backing import ROOT, SANDBOX_SECRETS
from tests.process import Process, free_port, wait_until
from tests.stack import read_procfile

if TYPE_CHECKING:
    from tests.conftest import MakeValkey, SharedValkey

KEY: Final = "partsboxapi_invented0001"
SECRET: Final = "invented0001"


def _environment(**settings: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # Celery warns whoever runs the tests as root
    return {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", **settings}


def _start(program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", read_procfile()[program]],
        cwd=ROOT,
        env=_environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"STOCKRELAY_PARTSBOX_URL": "http://vendor.example/api"}, "STOCKRELAY_PARTSBOX_URL: must be https"),
        ({"STOCKRELAY_PARTSBOX_URL": "vendor"}, "STOCKRELAY_PARTSBOX_URL: must be https"),
        ({"STOCKRELAY_PARTSBOX_URL": "https://[vendor"}, "STOCKRELAY_PARTSBOX_URL: not an address"),
        ({"STOCKRELAY_PARTSBOX_URL": f"https://u:{SECRET}@vendor.example"}, "STOCKRELAY_PARTSBOX_URL: must be scheme"),
        ({"STOCKRELAY_PARTSBOX_URL": ""}, "STOCKRELAY_PARTSBOX_URL: must be https"),
        ({"STOCKRELAY_PARTSBOX_API_KEY": ""}, "STOCKRELAY_PARTSBOX_API_KEY: must be partsboxapi_"),
        ({"STOCKRELAY_PARTSBOX_API_KEY": f"{KEY}\n{KEY}"}, "STOCKRELAY_PARTSBOX_API_KEY: must be partsboxapi_"),
        ({"STOCKRELAY_PARTSBOX_API_KEY": f"APIKey {KEY}"}, "STOCKRELAY_PARTSBOX_API_KEY: must be partsboxapi_"),
        ({"REDIS_URL": f"redis://:{SECRET}#x@127.0.0.1"}, "REDIS_URL: not an address"),
        ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL: must be redis:// or rediss://"),
        ({"STOCKRELAY_WROKER_LEASE_SECONDS": "3"}, "STOCKRELAY_WROKER_LEASE_SECONDS: unknown"),
    ],
)
def test_a_wrong_setting_gave_a_worker_a_page_of_traceback(settings: dict[str, str], named: str) -> None:
    good = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "STOCKRELAY_PARTSBOX_API_KEY": KEY}
    ended = _start("partsbox", **good | settings)

    assert (ended.returncode, len(ended.stderr.splitlines()), ended.stdout) == (2, 1, ""), ended.stderr
    assert ended.stderr.startswith(named)
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("vendor", SANDBOX_SECRETS)
def test_a_worker_without_the_secrets_of_what_it_serves_ends_in_one_line(vendor: str, valkey: SharedValkey) -> None:
    ended = _start(vendor, REDIS_URL=valkey.url)

    assert (ended.returncode, ended.stdout) == (2, "")
    named = " and ".join(SANDBOX_SECRETS[vendor])
    assert ended.stderr == f"{named}: missing; this worker is to serve {vendor}\n"


@pytest.mark.parametrize("program", ["partsbox", "routing"])
def test_a_weak_redis_ends_a_worker_in_one_line_that_tells_how_to_allow_it(
    program: str, make_valkey: MakeValkey
) -> None:
    server = make_valkey({"appendfsync": "everysec"})
    ended = _start(program, REDIS_URL=server.url, STOCKRELAY_PARTSBOX_API_KEY=KEY)

    assert (ended.returncode, len(ended.stderr.splitlines()), ended.stdout) == (2, 1, ""), ended.stderr
    assert "appendfsync is 'everysec', needs 'always'" in ended.stderr
    assert "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1" in ended.stderr


@pytest.mark.parametrize("program", ["partbolt", "routing", "webhooks"])
def test_who_routes_does_not_start_with_routes_that_cannot_be_used(program: str, tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text('[routes.catalog_part.partsbox]\nname = ""\n')
    needed = {"STOCKRELAY_PARTBOLT_TOKEN": SECRET, "STOCKRELAY_WEBHOOKS_TOKENS": f"client:{SECRET}-token-of-a-client"}

    ended = _start(program, STOCKRELAY_ROUTING_CONFIG=str(routes), REDIS_URL="redis://127.0.0.1:1/0", **needed)

    assert (ended.returncode, len(ended.stderr.splitlines()), ended.stdout) == (2, 1, ""), ended.stderr
    assert "STOCKRELAY_ROUTING_CONFIG: " in ended.stderr
    assert "routes.catalog_part.partsbox.name" in ended.stderr


def test_a_refused_login_ends_a_worker_in_one_line(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    with contextlib.closing(redis.Redis(port=server.port)) as client:
        client.config_set("requirepass", "another")
    url = server.url.replace("//", f"//:{SECRET}@")
    ended = _start("partsbox", REDIS_URL=url, STOCKRELAY_PARTSBOX_API_KEY=KEY)

    assert (ended.returncode, ended.stderr) == (2, "REDIS_URL: Redis refuses this login\n")


def _worker(folder: Path, url: str, **settings: str) -> Process:
    process = Process(
        "worker",
        ["/bin/sh", "-c", read_procfile()["partsbox"]],
        log=folder / "worker.log",
        ready=lambda: process.printed("ledger.unreachable"),
        environment=_environment(
            REDIS_URL=url,
            STOCKRELAY_PARTSBOX_API_KEY=KEY,
            STOCKRELAY_PARTSBOX_URL=f"http://127.0.0.1:{free_port()}",  # nobody: never the vendor
            **settings,
        ),
        folder=ROOT,
    )
    return process


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey()
    server.kill()
    with _worker(tmp_path, server.url) as worker:
        server.start()
        wait_until(lambda: worker.printed(" ready."), "the worker takes deliveries")
        assert worker.stop() == 0
    assert "Traceback" not in worker.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_waits_for_redis_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    with _worker(tmp_path, f"redis://127.0.0.1:{free_port()}/0") as worker:
        os.kill(worker.pid, number)
        assert worker.wait() == 0
    assert "Traceback" not in worker.output()


def test_a_weak_redis_that_is_allowed_is_warned_about(tmp_path: Path, make_valkey: MakeValkey) -> None:
    server = make_valkey({"appendfsync": "everysec"})
    process = _worker(tmp_path, server.url, STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS="1").launch()
    try:
        wait_until(lambda: process.printed(" ready."), "the worker takes deliveries")
    finally:
        process.kill()
    assert "redis.not_durable" in process.output()


@pytest.mark.parametrize("login", ["", "nocolon", ":password", "user:"])
def test_flower_with_a_login_that_nobody_can_give_does_not_start(login: str) -> None:
    ended = _start("flower", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", FLOWER_BASIC_AUTH=login)

    assert ended.returncode == 2
    assert "FLOWER_BASIC_AUTH: " in ended.stderr
    assert "expected user:password" in ended.stderr
