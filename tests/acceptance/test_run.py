"""`make run`: comes up without any setting, takes a command, ends cleanly, leaves nothing behind."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

import pytest
import requests

from tests.backing import ROOT, SANDBOX_SECRETS
from tests.process import Process, accepts, free_port, wait_until
from tests.stack import answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import SharedValkey

ADDRESS: Final = re.compile(r"^(\w+) +(http://127\.0\.0\.1:(\d+))", re.MULTILINE)
#: One for each vendor that is played, and the one for routing.
WORKERS: Final = len(SANDBOX_SECRETS) + 1
TOKEN: Final = re.compile(r"bearer token: (\S+)")


def _launch(tmp_path: Path, settings: dict[str, str]) -> Process:
    program = f"import pathlib, sys; from tests import run; run.KEPT = pathlib.Path({str(tmp_path / 'kept')!r})"
    return Process(
        "make run",
        [sys.executable, "-c", f"{program}; sys.exit(run.main())"],
        log=tmp_path / "run.log",
        ready=lambda: False,
        environment={**os.environ, **settings},
        folder=ROOT,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    run = _launch(tmp_path, {})
    run.launch()
    try:
        wait_until(lambda: not run.running or run.output().count(" ready.") == WORKERS, "every worker is up")
        yield run
    finally:
        run.stop() if run.running else run.kill()


def _address(run: Process, name: str) -> tuple[str, int]:
    found = {match[1]: (match[2], int(match[3])) for match in ADDRESS.finditer(run.output())}
    return found[name]


@pytest.mark.slow
def test_it_comes_up_on_its_own_and_leaves_nothing_behind(running: Process) -> None:
    api, api_port = _address(running, "commands")
    flower, flower_port = _address(running, "Flower")
    vendor_ports = [_address(running, vendor)[1] for vendor in SANDBOX_SECRETS]
    assert re.search(r"^server .* export REDIS_URL=redis://127\.0\.0\.1:\d+", running.output(), re.MULTILINE)
    wait_until(lambda: answers(f"{api}/readyz"), "the webhooks server is ready")
    wait_until(lambda: answers(f"{flower}/healthcheck"), "Flower is up")

    code = running.stop(60)

    assert code == 0, running.log_tail()
    assert [port for port in (api_port, flower_port, *vendor_ports) if accepts(port)] == []


@pytest.mark.slow
def test_the_printed_token_opens_the_api_and_flower_asks_for_a_login(running: Process) -> None:
    api, _ = _address(running, "commands")
    flower, _ = _address(running, "Flower")
    token = TOKEN.search(running.output())
    assert token is not None
    wait_until(lambda: answers(f"{api}/readyz"), "the webhooks server is ready")
    wait_until(lambda: answers(f"{flower}/healthcheck"), "Flower is up")

    with_token = requests.post(
        f"{api}/v1/commands", json={}, headers={"Authorization": f"Bearer {token[1]}"}, timeout=60
    )
    without = requests.post(f"{api}/v1/commands", json={}, timeout=60)

    assert with_token.status_code not in (401, 403)
    assert without.status_code == 401
    assert requests.get(f"{flower}/workers", timeout=60).status_code == 401


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"PARTSBOX_URL": "http://127.0.0.1:9/api/1"}, "PARTSBOX_API_KEY"),
        ({"PARTSBOX_API_KEY": "partsboxapi_invented"}, "PARTSBOX_URL"),
        ({"PARTSBOX_API_KEY_FILE": "a-file"}, "PARTSBOX_URL"),
        ({"PARTIUM_API_KEY": "invented"}, "PARTIUM_URL"),
        ({"OPENBOM_URL": "http://127.0.0.1:9", "OPENBOM_APP_KEY": "k", "OPENBOM_PASSWORD": "p"}, "OPENBOM_USERNAME"),
        ({"PARTBOLT_URL": "http://127.0.0.1:9"}, "PARTBOLT_TOKEN"),
    ],
)
def test_half_a_vendor_is_refused_instead_of_played_in_the_sandbox(
    settings: dict[str, str], missing: str, tmp_path: Path
) -> None:
    run = _launch(tmp_path, {f"STOCKRELAY_{name}": value for name, value in settings.items()}).launch()

    assert run.wait() == 2
    assert run.printed("belong together")
    assert run.printed(f"missing: STOCKRELAY_{missing}.")


@pytest.mark.slow
def test_with_one_real_vendor_no_other_is_played(tmp_path: Path, valkey: SharedValkey) -> None:
    real = {"STOCKRELAY_PARTIUM_URL": f"http://127.0.0.1:{free_port()}", "STOCKRELAY_PARTIUM_API_KEY": "invented-key"}
    run = _launch(tmp_path, {**real, "REDIS_URL": valkey.url}).launch()
    try:
        wait_until(lambda: not run.running or run.output().count(" ready.") == 2, "the two workers are up")
        assert run.stop(60) == 0, run.log_tail()
    finally:
        run.kill()

    addresses = {match[1] for match in ADDRESS.finditer(run.output())}
    assert addresses == {"commands", "station", "Flower", "partium"}
    assert sorted(re.findall(r"(\w+)@\S+ ready\.", run.output())) == ["partium", "routing"]
