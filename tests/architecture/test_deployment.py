"""What deploy/ installs on machines without containers agrees with the package, the settings and the Procfile."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from producers.scanner.inputs.sources import parse_source
from producers.scanner.running import STOP_SECONDS
from producers.webhooks.main import SHUTDOWN_SECONDS
from tests.architecture.project import ROOT, pyproject
from tests.architecture.settings import known_settings
from tests.architecture.units import (
    CONFINED,
    ENVIRONMENTS,
    FOLDER,
    PROGRAMS,
    UNITS,
    credentials,
    read_environment_file,
    read_unit,
    variables,
    words_run,
)
from tests.stack import read_procfile
from workers.vendor_settings import VENDOR_SETTINGS

RULES: Final = ROOT / "deploy" / "udev" / "70-stockrelay-scanner.rules"
WORKER: Final = read_unit(FOLDER / "stockrelay-worker@.service")
STATION: Final = read_unit(FOLDER / "stockrelay-station@.service")
#: Read by a unit, Celery or the shell, and no setting of ours.
NOT_OURS: Final = {"COMMANDS_IN_HAND", "PATH"}
VENDORS: Final = sorted(VENDOR_SETTINGS)
EVERYBODY: Final = [*VENDORS, "routing"]

#: By key of a rule, the operators that udev knows there.
RULE_KEYS: Final = {
    "SUBSYSTEM": "==",
    "KERNEL": "==",
    "ATTRS": "==",
    "ENV": "==|=",
    "GROUP": "=",
    "MODE": "=",
    "SYMLINK": r"\+=",
}


def _environment_of(name: str) -> dict[str, str]:
    return read_environment_file(FOLDER / "environment" / f"{name}.env")


def _rules() -> list[list[tuple[str, str, str]]]:
    """Read the rules: of each its keys, operators and values; ValueError for what is no rule."""
    lines = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    rules = []
    for line in lines:
        parts = [re.fullmatch(r'([A-Z]+(?:\{\w+\})?)(==|\+=|=)"([^"]*)"', part) for part in line.split(", ")]
        if None in parts:
            raise ValueError(f"not a rule: {line}")
        rules.append([(part[1], part[2], part[3]) for part in parts if part])
    return rules


@pytest.mark.parametrize("vendor", EVERYBODY)
def test_a_worker_unit_runs_what_the_procfile_runs(vendor: str) -> None:
    words = words_run(WORKER, vendor, _environment_of(f"worker-{vendor}"))

    assert words == shlex.split(read_procfile()[vendor])[1:]


@pytest.mark.parametrize("program", ["webhooks", "files", "flower"])
def test_another_unit_runs_what_the_procfile_runs(program: str) -> None:
    unit = read_unit(FOLDER / f"stockrelay-{program}.service")
    procfile = shlex.split(read_procfile()[program])

    assert words_run(unit) in (procfile[1:], ["sh", *procfile])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_program_that_is_installed(path: Path) -> None:
    unit = read_unit(path)
    program = unit["Service"]["ExecStart"][0].split()[0]

    assert program == "/bin/sh" or program.removeprefix(PROGRAMS) in {*pyproject()["project"]["scripts"], "celery"}
    assert set(unit) == {"Unit", "Service", "Install"}


@pytest.mark.parametrize("path", [*UNITS, *ENVIRONMENTS], ids=lambda path: path.stem)
def test_a_unit_is_told_only_settings_that_exist(path: Path) -> None:
    told = variables(read_unit(path)) if path in UNITS else read_environment_file(path)

    assert {name.removesuffix("_FILE") for name in told} - NOT_OURS <= known_settings()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_loads_the_credentials_it_names_and_keeps_state_where_it_may_write(path: Path) -> None:
    unit = read_unit(path)
    text = "\n".join(variables(unit).values())

    # a whole folder, whose files the environment file of the instance names
    assert set(re.findall(r"%d/(\w+)", text)) == credentials(unit).keys() - {"%i"}
    assert re.findall(r"%S/([^/\n]+)/", text) == unit["Service"].get("StateDirectory", [])
    assert all(file.startswith("/etc/stockrelay/secrets/") for file in credentials(unit).values())


@pytest.mark.parametrize("vendor", EVERYBODY)
def test_a_workers_secrets_are_those_of_its_vendor(vendor: str) -> None:
    secrets = list(VENDOR_SETTINGS[vendor].secrets) if vendor in VENDOR_SETTINGS else []
    told = {name: value for name, value in _environment_of(f"worker-{vendor}").items() if name.endswith("_FILE")}

    assert credentials(WORKER)["%i"] == "/etc/stockrelay/secrets/%i/"
    assert told == {
        f"STOCKRELAY_{vendor.upper()}_{secret.upper()}_FILE": (
            f"/run/credentials/stockrelay-worker@{vendor}.service/{vendor}_{secret}"
        )
        for secret in secrets
    }


def test_a_unit_gives_its_program_time_to_stop() -> None:
    stops = {path.stem: float(read_unit(path)["Service"]["TimeoutStopSec"][0]) for path in UNITS}
    longest = max(model.model_fields["timeout_seconds"].default for model in VENDOR_SETTINGS.values())

    assert stops["stockrelay-worker@"] >= longest + 10
    assert stops["stockrelay-webhooks"] >= SHUTDOWN_SECONDS + 5
    assert stops["stockrelay-station@"] >= STOP_SECONDS + 5


def test_what_confines_every_unit_is_loosened_for_files_and_scanners_only() -> None:
    confined = read_unit(CONFINED)["Service"]
    loosened = {path.stem: confined.keys() & read_unit(path)["Service"].keys() for path in UNITS}

    assert {"NoNewPrivileges", "DynamicUser", "ProtectSystem", "CapabilityBoundingSet"} <= confined.keys()
    assert {unit: options for unit, options in loosened.items() if options} == {
        "stockrelay-files": {"DynamicUser", "MemoryMax"}
    }
    assert [path.stem for path in UNITS if "DeviceAllow" in read_unit(path)["Service"]] == ["stockrelay-station@"]


def test_the_stations_scanner_has_the_name_and_the_group_that_the_rule_gives() -> None:
    rules = [{key: value for key, _, value in rule} for rule in _rules()]
    links = {f"/dev/{rule['SYMLINK']}": rule["GROUP"] for rule in rules}
    source = _environment_of("station-ST-1")["STOCKRELAY_STATION_INPUT"]

    assert links == {"/dev/stockrelay/scanner-keys": "input", "/dev/stockrelay/scanner-serial": "dialout"}
    assert source.partition(":")[2] in links
    assert parse_source(source)
    assert set(STATION["Service"]["SupplementaryGroups"][0].split()) == set(links.values())


def test_the_rule_uses_keys_and_operators_that_udev_has() -> None:
    wrong = [
        (key, operator)
        for rule in _rules()
        for key, operator, _ in rule
        if not re.fullmatch(RULE_KEYS[key.partition("{")[0]], operator)
    ]

    assert wrong == []


def test_udev_accepts_the_rule() -> None:
    udevadm = shutil.which("udevadm")
    known = udevadm and subprocess.run([udevadm, "verify", "--help"], capture_output=True, check=False).returncode == 0
    if not known:
        pytest.skip("there is no `udevadm verify` here, which came with systemd 254")

    ended = subprocess.run(["udevadm", "verify", RULES], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the units and their drop-in, whose programs are those of this environment."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    (tmp_path / CONFINED.parent.name).mkdir()
    for path in [*UNITS, CONFINED]:
        text = path.read_text().replace(PROGRAMS, f"{Path(sys.executable).parent}/")
        (tmp_path / path.relative_to(FOLDER)).write_text(text)
    return tmp_path


def _analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # the colon adds the machine's own units
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_LOG_LEVEL": "warning"}
    command = ["systemd-analyze", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_the_unit(path: Path, installed: Path) -> None:
    ended = _analyze(installed, "verify", path.name.replace("@", "@partsbox"))

    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_little_that_a_unit_could_do_to_its_machine(path: Path, installed: Path) -> None:
    # the check without a running manager takes no template; the drop-in is found beside the file
    unit = installed / path.name.replace("@", "")
    unit.write_text((installed / path.name).read_text().replace("%i", "partsbox"))

    ended = _analyze(installed, "security", "--offline=true", "--threshold=30", "--no-pager", str(unit))

    assert ended.returncode == 0, ended.stdout.splitlines()[-1] + ended.stderr


def test_haproxy_accepts_its_configuration(tmp_path: Path) -> None:
    if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("there is no haproxy here")
    shutil.copy(ROOT / "tests" / "security" / "certificates" / "authority.pem", tmp_path / "ca.pem")
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HEALTH_PASSWORD": "invented"}
    file = ROOT / "deploy" / "several-machines" / "haproxy.cfg"

    ended = subprocess.run(
        ["haproxy", "-c", "-f", file], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
