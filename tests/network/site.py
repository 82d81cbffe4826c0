"""The system over several machines: Redis, the vendor behind TLS, a webhooks server, workers; and what to ask them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from tasks.ledger import prefix_of
from tests.backing import SANDBOX_SECRETS, url_name
from tests.network.forwarder import AUTHORITY
from tests.network.servers import PORT, client_of
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.stack import API_CLIENT, API_TOKEN, WEBHOOKS, answers, read_procfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.network.machines import Host, Network
    from tests.process import Process

VENDOR: Final = "partsbox"
PARTS: Final = 40
LEASE_SECONDS: Final = 2
SETTLE_SECONDS: Final = 2
RATE_PER_SECOND: Final = 120
BURST: Final = 10
CONCURRENCY: Final = 20
#: A permit is good for so long, so that the vendor may see the requests of half a second more in any window.
PERMIT_SECONDS: Final = 0.5
SETTINGS: Final = {
    "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
    "STOCKRELAY_WORKER_RECONCILE_AT": "off",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": str(CONCURRENCY),
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": str(SETTLE_SECONDS),
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "4",
}
PATIENCE_SECONDS: Final = 60.0
_SANDBOX_PORT: Final = 9000
_API: Final = "http://127.0.0.1:8080"
_LOGIN: Final = {"Authorization": f"Bearer {API_TOKEN}"}
_SHELF: Final = "site-shelf"
#: As many keys as the API looks up at once.
_LOOKED_UP: Final = 100
_ticks = itertools.count(int(time.time() * 1000))


class Site:
    """The machines' programs: `with Site(...) as site`; afterwards everything is killed.

    `redis_url` is where programs find Redis, `urls` where a single machine finds it elsewhere. The vendor counts what
    comes faster than `rate_per_second`, which is what the workers are told.
    """

    def __init__(
        self,
        network: Network,
        folder: Path,
        redis_url: str,
        *,
        urls: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        rate_per_second: int = RATE_PER_SECOND,
    ) -> None:
        self.network = network
        self.folder = folder
        self.processes: dict[str, Process] = {}
        #: In the order accepted.
        self.keys: list[str] = []
        self._urls = dict.fromkeys(network.hosts, redis_url) | dict(urls or {})
        self._rate = rate_per_second
        rates = {"STOCKRELAY_PARTSBOX_RATES": f"{rate_per_second}/1s+{BURST}"}
        self._settings = {**SETTINGS, **rates, **(settings or {})}
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def environment(self, host: str) -> dict[str, str]:
        """Give what a program on the machine is told."""
        own = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKRELAY_", "SSL_CERT"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)])
        vendor = {url_name(VENDOR): f"https://{self.network['vendor'].address}/api/1", **SANDBOX_SECRETS[VENDOR]}
        trust = {"SSL_CERT_FILE": str(AUTHORITY)}
        return {**own, "PATH": path, "PYTHONUNBUFFERED": "1", "REDIS_URL": self._urls[host], **vendor, **trust}

    def launch(self, name: str, process: Process) -> Process:
        """Start a process of the site without waiting for it."""
        self._cleanup.callback(process.kill)
        self.processes[name] = process
        return process.launch()

    # programs

    def open(self, *workers: str) -> None:
        """Start the vendor, the webhooks server and a worker on each of these machines; return when all are ready."""
        self.launch_vendor()
        self.launch_producer()
        for name in workers:
            self.launch_worker(name)
        for process in self.processes.values():
            process.wait_ready()
        fixture = {"parts": [{"part/name": f"site-{number}"} for number in range(PARTS)]}
        self.control("POST", "fixture", {**fixture, "storages": [{"storage/name": _SHELF}]})

    def launch_vendor(self) -> None:
        """Start the vendor, who counts what broke its limits, behind TLS."""
        host, ready_file = self.network["vendor"], self.folder / "sandbox.json"
        rules = ["--rate", f"{self._rate}/s", "--burst", str(round(BURST + self._rate * PERMIT_SECONDS))]
        rules += ["--concurrency", str(CONCURRENCY), "--read-latency-ms", "2-10", "--write-latency-ms", "30-90"]
        words = [sys.executable, "-m", f"tests.sandbox.{VENDOR}", "--port", str(_SANDBOX_PORT), *rules]
        words += ["--ready-file", str(ready_file)]
        self.launch("vendor", host.process("sandbox", words, self.folder, ready=lambda _: ready_file.exists()))
        self.launch_forwarder("vendor", 443, f"127.0.0.1:{_SANDBOX_PORT}", "vendor")

    def launch_forwarder(self, host: str, port: int, target: str, certificate: str) -> Process:
        """Start a TLS front on a machine."""
        machine = self.network[host]
        words = [sys.executable, "-m", "tests.network.forwarder", f"{machine.address}:{port}", target, certificate]
        front = machine.process("front", words, self.folder, ready=lambda process: process.printed("listens"))
        return self.launch(f"{host} front", front)

    def producer(self) -> Process:
        """Describe the webhooks server, which is reached on its own machine only."""
        environment = {
            **self.environment("producer"),
            "STOCKRELAY_WEBHOOKS_TOKENS": f"{API_CLIENT}:{API_TOKEN}",
            "STOCKRELAY_WEBHOOKS_SPOOL": str(self.folder / "spool.sqlite3"),
            "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE": "100000",
        }
        host = self.network["producer"]

        def is_ready(_: Process) -> bool:
            with host.entered():
                return answers(f"{_API}/readyz")

        words = ["/bin/sh", "-c", read_procfile()[WEBHOOKS]]
        return host.process(WEBHOOKS, words, self.folder, ready=is_ready, environment=environment)

    def launch_producer(self) -> Process:
        """Start the webhooks server."""
        return self.launch("producer", self.producer())

    def worker(self, name: str) -> Process:
        """Describe the worker of a machine; all machines here have one host name, so its node name tells them apart."""
        words = ["/bin/sh", "-c", f"{read_procfile()[VENDOR]} -n {name}@%h"]
        environment = {**self.environment(name), **self._settings}
        return self.network[name].process(
            "worker", words, self.folder, ready=lambda worker: worker.printed(" ready."), environment=environment
        )

    def launch_worker(self, name: str) -> Process:
        """Start the worker of a machine."""
        return self.launch(name, self.worker(name))

    # asking

    def readiness(self) -> int:
        """Ask the webhooks server whether it is ready; gives the status."""
        with self.network["producer"].entered():
            return requests.get(f"{_API}/readyz", timeout=PATIENCE_SECONDS).status_code

    def submit(self, count: int) -> list[str]:
        """Hand so many additions over to the webhooks server, part after part; gives the keys of what it took."""
        commands = [_addition(number) for number in range(count)]
        keys: list[str] = []

        def are_taken() -> bool:
            # what could not be stored is sent again, with the same moment: one that was is a duplicate then
            results = self._api("POST", "/v1/scans", json=commands)["results"]
            keys[:] = [str(one["key"]) for one in results]
            return {one["status"] for one in results} <= {"stored", "duplicate"}

        wait_until(are_taken, "the webhooks server takes the commands", PATIENCE_SECONDS)
        self.keys += keys
        return keys

    def states(self, keys: Sequence[str]) -> dict[str, str]:
        """Ask the webhooks server what became of commands; one that it does not know is left out."""
        states: dict[str, str] = {}
        for start in range(0, len(keys), _LOOKED_UP):
            some = ",".join(keys[start : start + _LOOKED_UP])
            found = self._api("GET", f"/v1/commands?keys={some}")["commands"]
            states |= {key: told["state"] for key, told in found.items() if told is not None}
        return states

    def until_applied(self, keys: Sequence[str] | None = None, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until these commands, or all that were submitted, are applied; TimeoutError says how far they came."""
        wanted, told = set(self.keys if keys is None else keys), dict[str, str]()

        def are_applied() -> bool:
            told.update(self.states([key for key in wanted if told.get(key) != "applied"]))
            return all(told.get(key) == "applied" for key in wanted)

        try:
            wait_until(are_applied, f"{len(wanted)} commands are applied", seconds)
        except TimeoutError as error:
            left = {key: told.get(key, "unknown") for key in wanted if told.get(key) != "applied"}
            raise TimeoutError(f"{error}: {json.dumps(left)[:2000]}") from error

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control API, on its own machine."""
        with self.network["vendor"].entered():
            address = f"http://127.0.0.1:{_SANDBOX_PORT}/_sandbox/{path}"
            answer = requests.request(method, address, json=body, timeout=PATIENCE_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def fault(self, kind: str, *, operation: str = "stock/add", **options: Any) -> None:
        """Let the vendor fail requests; see the sandbox's faults."""
        self.control("POST", "faults", {"kind": kind, "operation": operation, **options})

    def until_at_gate(self, name: str, count: int) -> None:
        """Wait until so many requests stand at the vendor's gate."""
        wait_until(lambda: bool(self.control("GET", f"gates/{name}")["waiting"] >= count), f"{count} at {name}")

    def open_gate(self, name: str) -> None:
        """Let the requests at the vendor's gate pass."""
        self.control("POST", f"gates/{name}", {"open": True})

    def settled_by(self, redis_host: Host, **login: Any) -> dict[str, str]:
        """Tell by key which machine's worker made the command's last step."""
        machines = {str(process.pid): name for name, process in self.processes.items() if name.startswith("worker")}
        found = self.fields(redis_host, "released_by", **login)
        return {key: machines.get((told or "::").split(":")[1], "") for key, (told,) in found.items()}

    def fields(self, redis_host: Host, *names: str, **login: Any) -> dict[str, list[str | None]]:
        """Read these fields of all commands' records at a machine's Redis."""
        with client_of(redis_host, PORT, **login) as client, client.pipeline(transaction=False) as pipeline:
            for key in self.keys:
                pipeline.hmget(f"{prefix_of(VENDOR)}cmd:{key}", *names)
            return dict(zip(self.keys, pipeline.execute(), strict=True))

    def _api(self, method: str, path: str, **given: Any) -> Any:
        """Call the webhooks server, again while it says that it cannot now."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with self.network["producer"].entered():
                answer = requests.request(method, _API + path, headers=_LOGIN, timeout=PATIENCE_SECONDS, **given)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                answer.raise_for_status()
                return answer.json()
            time.sleep(float(answer.headers.get("Retry-After", "1")))


def _addition(number: int) -> dict[str, Any]:
    return {
        "kind": "stock.add",
        "part_id": id_for("part", f"site-{number % PARTS}"),
        "storage_id": id_for("storage", _SHELF),
        "quantity": 1,
        "stock_timestamp": next(_ticks),
    }
