"""The files of deploy/monitoring/ and the services that mount them name the same places, ports and secrets."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from tests.architecture.project import ROOT
from tests.compose import COMPOSE, OURS, SECRETS, SERVICES

FOLDER: Final = ROOT / "deploy" / "monitoring"
PROMETHEUS: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
PROVISIONING: Final = FOLDER / "grafana" / "provisioning"
#: Whose numbers are on their own port of the API, or which have none.
WITHOUT_A_PORT: Final = {"webhooks", "flower"}


def _mounts(service: str) -> dict[str, str]:
    """Give the file or folder of the project behind each place in the container."""
    mounted = (volume.split(":") for volume in SERVICES[service]["volumes"] if volume.startswith("./"))
    return {place: source for source, place, _ in mounted}


def _targets() -> list[str]:
    return [
        target for job in PROMETHEUS["scrape_configs"] for group in job["static_configs"] for target in group["targets"]
    ]


def test_prometheus_reads_every_service_that_serves_numbers_and_no_other() -> None:
    numbers = [name for name in OURS if name not in WITHOUT_A_PORT]
    ports = {name: SERVICES[name]["environment"]["STOCKRELAY_METRICS_PORT"] for name in numbers}
    ports["webhooks"] = SERVICES["webhooks"]["environment"]["STOCKRELAY_WEBHOOKS_PORT"]

    assert sorted(_targets()) == sorted(f"{name}:{port}" for name, port in ports.items())


def test_prometheus_finds_its_rules_and_its_token() -> None:
    configuration = SERVICES["prometheus"]["command"][0].removeprefix("--config.file=")
    rules = [str(PurePosixPath(configuration).parent / name) for name in PROMETHEUS["rule_files"]]
    files = {job["authorization"]["credentials_file"] for job in PROMETHEUS["scrape_configs"] if "authorization" in job}

    assert {configuration, *rules} == _mounts("prometheus").keys()
    assert files == {f"{SECRETS}{secret}" for secret in SERVICES["prometheus"]["secrets"]}
    assert set(SERVICES["prometheus"]["secrets"]) <= COMPOSE["secrets"].keys()


def test_grafana_finds_prometheus_and_its_dashboards() -> None:
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "stockrelay.yml").read_text())["providers"][0]
    port = SERVICES["prometheus"]["ports"][0].split(":")[2]
    dashboards = ROOT / _mounts("grafana")[provider["options"]["path"]]

    assert source["url"] == f"http://prometheus:{port}"
    assert set(SERVICES["grafana"]["networks"]) <= set(SERVICES["prometheus"]["networks"])
    assert list(dashboards.glob("*.json"))


def test_grafanas_password_is_a_mounted_file() -> None:
    service = SERVICES["grafana"]

    assert service["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"{SECRETS}{service['secrets'][0]}"
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
