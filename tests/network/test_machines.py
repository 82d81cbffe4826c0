"""The network itself: it leads nowhere else, leaves nothing behind, and says why it cannot be made."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.backing import ROOT
from tests.network.machines import NAMESPACES, NoNamespacesError, check_namespaces
from tests.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.machines import Network


def test_a_run_that_is_killed_leaves_no_machine_behind(network: Network) -> None:
    script = (
        "import signal; from tests.network.machines import Network\n"
        "with Network(['vendor']) as network:\n"
        "    print(network['vendor'].namespace, network.switch.namespace, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        made = set(run.stdout.readline().split())
        assert made <= _namespaces()

        run.kill()

        wait_until(lambda: not made & _namespaces(), "its namespaces are deleted")


def test_a_machine_reaches_the_others_and_nothing_else(network: Network) -> None:
    routes = subprocess.run(
        ["ip", "-n", network["vendor"].namespace, "route", "show", "table", "all", "type", "unicast"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    beyond = [line for line in routes if not line.startswith(("10.213.0.0/24 dev eth0", "fe80::/64 dev", "::1 dev lo"))]

    assert len(routes) > 0
    assert beyond == []


def test_without_the_command_ip_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoNamespacesError, match="iproute2"):
        check_namespaces()


def _namespaces() -> set[str]:
    return {path.name for path in NAMESPACES.iterdir()}
