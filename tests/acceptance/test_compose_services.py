"""Every service of docker-compose.yml that is ours, and the server, started here by the file's own words.

Command, environment, secrets and health check are the file's; the users of the server are those that
`deploy/make_secrets.py` makes. No container engine takes part: that an image can be built is not shown here. Nor are
the images of Prometheus and Grafana, which only an engine can start.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
import requests

from tests.backing import ROOT, SANDBOX_SECRETS, Backing, url_name
from tests.compose import OURS, VALKEY, Service, make_programs, read_only
from tests.process import free_port, wait_until
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

CLIENT: Final = "first"
TOKEN: Final = "token-of-the-first-client"
PASSWORD: Final = "password-of-a-person"


class Composed:
    """The folder, the secrets and the server that services of the file need; `service` makes more of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.valkey_port = free_port()
        self._cleanup = contextlib.ExitStack()
        make_programs(folder / "bin")
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        (self.secrets / "webhooks_tokens").write_text(f"{CLIENT}:{TOKEN}\n")
        subprocess.run([sys.executable, ROOT / "deploy" / "make_secrets.py", self.secrets], check=True)
        for path in self.secrets.glob("redis_url_*"):
            path.write_text(path.read_text().replace("valkey:6379", f"127.0.0.1:{self.valkey_port}"))
        for secrets in SANDBOX_SECRETS.values():
            for variable, secret in secrets.items():
                (self.secrets / variable.removeprefix("STOCKRELAY_").lower()).write_text(secret)

    def service(self, name: str) -> Service:
        """Make a service, and start the sandbox that it calls when it serves a vendor."""
        settings = {}
        if name in SANDBOX_SECRETS:
            vendors = Backing(self.folder, {"REDIS_URL": "of the service"}, [name])
            settings[url_name(name)] = self._cleanup.enter_context(vendors).environment[url_name(name)]
        service = Service(name, self.folder, valkey_port=self.valkey_port, settings=settings)
        self._cleanup.callback(service.process.kill)
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    with Composed(tmp_path) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", [VALKEY, *OURS])
def test_a_service_is_healthy_while_it_works_and_ends_when_it_is_told(name: str, composed: Composed) -> None:
    if name != VALKEY:
        composed.service(VALKEY).process.start()
    service = composed.service(name)

    service.process.start()
    service.process.stop_signal()
    wait_until(lambda: not service.is_healthy(), f"{name} is found to be frozen")

    assert service.process.stop(service.grace_seconds) == 0, service.process.log_tail()
    assert not service.is_healthy()


@pytest.fixture
def read_only_is_possible(tmp_path: Path) -> None:
    def writes(place: Path) -> bool:
        command = read_only(tmp_path / "may", ["touch", str(place / "probe")])
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    (tmp_path / "may").mkdir()
    if not writes(tmp_path / "may"):
        pytest.skip("no file system can be made read-only for one process here: not root, or no namespaces")
    assert not writes(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("read_only_is_possible")
@pytest.mark.parametrize("name", [VALKEY, *OURS])
def test_a_service_works_where_it_can_write_to_its_volume_alone(name: str, composed: Composed) -> None:
    if name != VALKEY:
        composed.service(VALKEY).process.start()
    service = composed.service(name)
    service.make_read_only()

    service.process.start()

    assert service.process.stop(service.grace_seconds) == 0, service.process.log_tail()
    assert "Read-only file system" not in service.process.output()


@pytest.mark.slow
def test_the_services_together_apply_a_command_and_show_it_to_flower_and_prometheus(composed: Composed) -> None:
    composed.service(VALKEY).process.start()
    services = {name: composed.service(name) for name in ("webhooks", "partsbox", "flower", "metrics")}
    for service in services.values():
        service.process.launch()
    for service in services.values():
        service.process.wait_ready()
    webhooks, flower, numbers = (f"http://127.0.0.1:{port}" for port in _ports(services))
    prometheus = {"Authorization": f"Bearer {(composed.secrets / 'prometheus_token').read_text().strip()}"}
    login = tuple((composed.secrets / "flower_basic_auth").read_text().strip().split(":"))

    command = {
        "kind": "stock.add",
        "part_id": id_for("part", "R-1K"),
        "storage_id": id_for("storage", "shelf-3"),
        "quantity": 7,
        "stock_timestamp": time.time_ns() // 1_000_000,
    }
    ours = {"Authorization": f"Bearer {TOKEN}"}
    key = requests.post(f"{webhooks}/v1/commands", json=command, headers=ours, timeout=60).json()["key"]

    def state() -> Any:
        return requests.get(f"{webhooks}/v1/commands/{key}", headers=ours, timeout=60).json()["state"]

    wait_until(lambda: state() == "applied", "the command is applied")
    wait_until(lambda: key in requests.get(f"{flower}/api/tasks", auth=login, timeout=60).text, "Flower shows it")  # type: ignore[arg-type]
    wait_until(lambda: "stockrelay_redis_up 1.0" in requests.get(f"{numbers}/metrics", timeout=60).text, "numbers")
    assert requests.get(f"{webhooks}/metrics", headers=prometheus, timeout=60).status_code == 200
    assert requests.post(f"{webhooks}/v1/commands", json=command, headers=prometheus, timeout=60).status_code == 403


def _ports(services: dict[str, Service]) -> list[int]:
    return [services["webhooks"].ports["8080"], services["flower"].ports["5555"], services["metrics"].ports["9807"]]
