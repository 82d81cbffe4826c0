"""The container files agree with the Procfile, the settings and the package; nothing here needs a container engine."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from producers.webhooks.main import SHUTDOWN_SECONDS
from tasks.envelope import queue_of
from tasks.registry import vendors
from tests.architecture.project import ROOT, pyproject
from tests.architecture.settings import known_settings
from tests.compose import COMPOSE, OURS, SERVICES, VALKEY, seconds
from tests.stack import read_procfile
from tests.valkey import DURABLE
from workers.vendor_settings import VENDOR_SETTINGS

#: Workers of vendors; the one for routing calls nobody.
VENDORS: Final = sorted(VENDOR_SETTINGS)

#: Only these may differ between a process under a runner and in a container.
LOCAL_OPTIONS: Final = {"--address=127.0.0.1", "--address=0.0.0.0"}

#: For Prometheus alone; a Procfile's processes share one machine, where it would need a port that nobody else has.
BESIDE_THE_PROCFILE: Final = {"metrics"}

GIB: Final = 2**30
MEMORY: Final = {"m": 2**20, "g": GIB, "mb": 2**20, "gb": GIB}


def _words(command: str | list[str]) -> list[str]:
    """Return the words of the program that a command ends up running."""
    text = command if isinstance(command, str) else command[-1]
    return shlex.split(text.rpartition("exec ")[2])


def _dockerfile(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def _bytes(text: str) -> int:
    amount, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]  # another form fails here
    return int(amount) * MEMORY[unit]


def test_the_file_is_what_the_compose_specification_allows() -> None:
    checker = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [checker, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_process_of_the_procfile_is_a_service_and_the_other_way_round() -> None:
    assert sorted(read_procfile()) == sorted(set(OURS) - BESIDE_THE_PROCFILE)


@pytest.mark.parametrize("name", sorted(read_procfile()))
def test_a_service_runs_what_the_procfile_runs(name: str) -> None:
    service, process = _words(SERVICES[name]["command"]), _words(read_procfile()[name])

    assert [word for word in service if word not in LOCAL_OPTIONS] == [
        word for word in process if word not in LOCAL_OPTIONS
    ]


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_program_that_exists(name: str) -> None:
    words = _words(SERVICES[name]["command"])

    if words[0] == "celery":
        assert importlib.import_module(words[words.index("-A") + 1]).app.main == "stockrelay"
    else:
        module, _, function = pyproject()["project"]["scripts"][words[0]].partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_told_only_settings_that_exist(name: str) -> None:
    told = {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]}

    assert told <= known_settings()


@pytest.mark.parametrize("name", OURS)
def test_a_service_reads_its_secrets_from_files_that_are_mounted(name: str) -> None:
    service = SERVICES[name]
    text = f"{service['command']} {service['environment']}"

    assert sorted(re.findall(r"/run/secrets/(\w+)", text)) == sorted(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_confined_limited_checked_and_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert _bytes(service["mem_limit"]) <= 2.5 * GIB
    assert 0 < service["cpus"] <= 2
    assert 0 < service["pids_limit"] <= 200
    assert seconds(service["stop_grace_period"])
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds(service["healthcheck"]["timeout"]) <= seconds(service["healthcheck"]["interval"])
    # ours by its Dockerfile
    assert name in OURS or re.fullmatch(r"[1-9]\d*:\d+", service["user"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_waits_for_the_server(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {VALKEY: {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - set(OURS)))
def test_an_image_of_others_is_of_one_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+", SERVICES[name]["image"])


def test_no_secret_is_committed_with_the_files() -> None:
    files = [secret["file"].removeprefix("./") for secret in COMPOSE["secrets"].values()]

    assert all(file.startswith("secrets/") for file in files)
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_worker_may_finish_a_vendor_call_before_it_is_killed(vendor: str) -> None:
    timeout = VENDOR_SETTINGS[vendor].model_fields["timeout_seconds"].default

    assert seconds(SERVICES[vendor]["stop_grace_period"]) >= timeout + 10


def test_the_webhooks_server_may_finish_its_requests_before_it_is_killed() -> None:
    assert seconds(SERVICES["webhooks"]["stop_grace_period"]) >= SHUTDOWN_SECONDS + 5


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_worker_gets_its_own_secrets_and_no_other_vendors(vendor: str) -> None:
    told = {name for name in SERVICES[vendor]["environment"] if name.endswith("_FILE")} - {"REDIS_URL_FILE"}

    assert told == {f"STOCKRELAY_{vendor.upper()}_{secret.upper()}_FILE" for secret in VENDOR_SETTINGS[vendor].secrets}


def test_who_has_partsbox_alone_needs_no_other_secret() -> None:
    always = [service for service in SERVICES.values() if "profiles" not in service]
    needed = {secret for service in always for secret in service.get("secrets", [])}

    redis = {VALKEY + "_users", "redis_url_producer", "redis_url_worker", "redis_url_flower"}
    assert needed == {"partsbox_api_key", "webhooks_tokens", "flower_basic_auth"} | redis


def test_every_vendor_has_a_worker_for_its_queue_alone() -> None:
    queues = [re.search(r"-Q (\S+)", str(service.get("command"))) for service in SERVICES.values()]

    assert sorted(found[1] for found in queues if found) == sorted(map(queue_of, vendors()))


@pytest.mark.parametrize("name", ["webhooks", "partbolt", "routing"])
def test_who_routes_reads_the_routes_file_that_is_mounted(name: str) -> None:
    service = SERVICES[name]

    assert service["configs"] == [{"source": "routes", "target": service["environment"]["STOCKRELAY_ROUTING_CONFIG"]}]
    assert (ROOT / COMPOSE["configs"]["routes"]["file"]).is_file()


def test_routing_runs_wherever_a_routed_part_can_be_accepted() -> None:
    assert SERVICES["routing"]["profiles"] == SERVICES["partium"]["profiles"]


def test_published_ports_lead_to_the_ports_the_processes_listen_on_and_only_from_loopback() -> None:
    published = {name: SERVICES[name]["ports"] for name in OURS if "ports" in SERVICES[name]}
    webhooks = SERVICES["webhooks"]["environment"]["STOCKRELAY_WEBHOOKS_PORT"]
    flower = SERVICES["flower"]["environment"]["FLOWER_PORT"]

    assert published == {"webhooks": [f"127.0.0.1:{webhooks}:{webhooks}"], "flower": [f"127.0.0.1:{flower}:{flower}"]}
    assert f":{webhooks}/healthz" in SERVICES["webhooks"]["healthcheck"]["test"][-1]
    assert f":{flower}/healthcheck" in SERVICES["flower"]["healthcheck"]["test"][-1]


def test_nothing_is_published_beyond_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_server_is_as_durable_as_the_one_that_is_tested_and_refuses_before_it_is_killed() -> None:
    service = SERVICES[VALKEY]
    words = service["command"]
    options = {option.removeprefix("--"): value for option, value in zip(words[1::2], words[2::2], strict=True)}

    assert options.items() >= DURABLE.items()
    assert options["dir"] == service["volumes"][0].partition(":")[2]
    assert options["aclfile"] == f"/run/secrets/{service['secrets'][0]}"
    # while the append-only file is written anew, a page that changes is there twice
    assert _bytes(service["mem_limit"]) >= 2 * _bytes(options["maxmemory"])


def test_every_volume_and_network_that_is_named_is_declared_and_the_other_way_round() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    sources = {volume.partition(":")[0] for volume in mounted}
    networks = {network for service in SERVICES.values() for network in service.get("networks", ["default"])}

    assert {source for source in sources if not source.startswith(".")} == COMPOSE["volumes"].keys()
    assert networks == {"default"} | COMPOSE["networks"].keys()


def test_every_file_that_is_mounted_is_in_the_project_but_for_what_people_drop() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = {volume.partition(":")[0] for volume in mounted if volume.startswith("./")} - {"./drop"}

    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_image_copies_what_exists_and_what_is_packaged() -> None:
    copied = [word for line in _dockerfile("COPY") if "--from" not in line for word in line.split()[:-1]]
    packages = {name.removesuffix("*") for name in pyproject()["tool"]["setuptools"]["packages"]["find"]["include"]}
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert packages <= set(copied)
    assert allowed == set(copied)


def test_the_image_installs_pinned_files_only_and_runs_as_a_plain_user() -> None:
    installs = [line for line in _dockerfile("RUN") if re.search(r"\bpip\b.* install ", line)]

    assert len(installs) == 2
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert all("--no-cache-dir" in line for line in installs)
    assert _dockerfile("USER") == ["10001:10001"]
    assert _dockerfile("HEALTHCHECK") == ["NONE"]


def test_the_image_runs_what_its_health_checks_need() -> None:
    modules = re.findall(r"-m, (\S+?)\]", (ROOT / "docker-compose.yml").read_text())

    assert modules
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
