"""The stack that the larger tests, the demo and the benchmark stand on."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from tests.backing import ROOT, Backing
from tests.process import accepts, free_port, wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.stack import Stack, answers

if TYPE_CHECKING:
    from pathlib import Path

QUICK: Final = {"STOCKRELAY_PARTSBOX_RATES": "100/1s+20", "STOCKRELAY_WORKER_LEASE_SECONDS": "1"}


def _add(stack: Stack, quantity: int) -> str:
    """Ask for an addition and return the address that tells what became of it."""
    command = {
        "kind": "stock.add",
        "part_id": id_for("part", "R-1K"),
        "storage_id": id_for("storage", "shelf-1"),
        "quantity": quantity,
        "stock_timestamp": time.time_ns() // 1_000_000,
    }
    answer = requests.post(f"{stack.api_url}/v1/commands", json=command, headers=_login(stack), timeout=60)
    assert answer.status_code == 202, answer.text
    return stack.api_url + answer.headers["Location"]


def _login(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.api_token}"}


def _state(stack: Stack, address: str) -> str:
    """The state, or the status of a refusal: 503 while the server is away."""
    answer = requests.get(address, headers=_login(stack), timeout=60)
    return str(answer.json()["state"]) if answer.ok else str(answer.status_code)


def _added_quantities(stack: Stack) -> list[int]:
    effects: list[dict[str, Any]] = requests.get(f"{stack.control_url}/journal", timeout=60).json()["effects"]
    return [leg["quantity"] for effect in effects for leg in effect["legs"]]


@pytest.mark.slow
def test_a_command_goes_from_http_to_the_vendor_and_flower_shows_it(tmp_path: Path) -> None:
    with Stack(tmp_path, flower=True, settings=QUICK) as stack:
        address = _add(stack, 7)
        wait_until(lambda: _state(stack, address) == "applied", "the command is applied", 30)
        user, _, password = stack.flower_login.partition(":")
        task = f"{stack.flower_url}/api/task/info/{address.rpartition('/')[2]}"

        assert _added_quantities(stack) == [7]
        assert not answers(task)
        wait_until(lambda: requests.get(task, auth=(user, password), timeout=60).ok, "Flower knows the command")
        assert requests.get(task, auth=(user, password), timeout=60).json()["name"] == "stock.add"
        shutdown = f"{stack.flower_url}/api/worker/shutdown/partsbox-1@host"
        assert requests.post(shutdown, auth=(user, password), timeout=60).status_code == 403


@pytest.mark.slow
def test_the_parts_can_be_killed_and_started_again_between_commands(tmp_path: Path) -> None:
    with Stack(tmp_path, settings=QUICK) as stack:
        first = _add(stack, 1)
        wait_until(lambda: _state(stack, first) == "applied", "the first is applied", 30)

        stack.worker.kill()
        second = _add(stack, 2)
        stack.restart_valkey()
        wait_until(lambda: _state(stack, second) == "ready", "the second waits for a worker")
        stack.start_worker()

        wait_until(lambda: _state(stack, second) == "applied", "the second is applied", 30)
        assert sorted(_added_quantities(stack)) == [1, 2]


@pytest.mark.slow
def test_an_interrupt_while_the_stack_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    stack = Stack(tmp_path, workers=0)

    def interrupt() -> None:
        raise KeyboardInterrupt

    stack._launch = lambda *_: interrupt()  # type: ignore[method-assign]  # the moment between two starts
    with pytest.raises(KeyboardInterrupt), stack:
        pass

    assert not stack.valkey.running
    assert not stack.sandboxes["partsbox"].running
    assert not accepts(stack.valkey.port)


@pytest.mark.slow
def test_the_stack_dies_with_the_run_that_started_it_even_by_sigkill(tmp_path: Path) -> None:
    script = (
        "import pathlib, signal, sys; from tests.stack import Stack\n"
        "with Stack(pathlib.Path(sys.argv[1]), workers=0) as stack:\n"
        "    print(stack.valkey.port, stack.api_url.rpartition(':')[2], flush=True); signal.pause()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        ports = [int(port) for port in run.stdout.readline().split()]
        assert all(accepts(port) for port in ports)

        run.kill()

        wait_until(lambda: not any(accepts(port) for port in ports), "everything is gone")


def test_a_sandbox_whose_port_was_taken_meanwhile_starts_at_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        ports = iter([somebody.getsockname()[1], free_port()])
        monkeypatch.setattr("tests.backing.free_port", lambda: next(ports))
        with Backing(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0"}, ["partbolt"]) as backing:
            assert requests.get(f"{backing.control_urls['partbolt']}/journal", timeout=30).status_code == 200
