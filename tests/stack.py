"""The whole system as real processes on free ports: what the Procfile says, on an embedded server and vendors."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, Self

import requests

from tests.backing import ROOT, Backing
from tests.process import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from tests.valkey import ValkeyServer

#: Names in the Procfile; that of a vendor is its worker's.
WORKER: Final = "partsbox"
WEBHOOKS: Final = "webhooks"
FILES: Final = "files"
FLOWER: Final = "flower"

#: The one client of the webhooks server, and its token; `settings` may name more in STOCKRELAY_WEBHOOKS_TOKENS.
API_CLIENT: Final = "sandbox"
API_TOKEN: Final = "token-of-a-sandbox"
FLOWER_LOGIN: Final = "sandbox:password-of-a-sandbox"


def read_procfile() -> dict[str, str]:
    """Return the shell command of each process of the Procfile."""
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if line)
    return {name: command.strip() for name, _, command in lines}


def answers(url: str) -> bool:
    """Return whether a GET of the URL is answered with a success."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


class Stack:
    """The running system: `with Stack(folder) as stack`; afterwards everything is killed, whatever happened.

    `vendors` (and `routing`) have a worker each, the first of them as many as `workers`. `settings` are environment
    variables for its processes, on top of `environment` (default: that of this process), which may name a server
    (REDIS_URL) or a vendor (STOCKRELAY_PARTSBOX_URL and key) to use instead of embedded ones.
    """

    def __init__(
        self,
        folder: Path,
        *,
        vendors: Sequence[str] = (WORKER,),
        workers: int = 1,
        webhooks: bool = True,
        files: bool = False,
        flower: bool = False,
        settings: Mapping[str, str] | None = None,
        sandbox_options: Mapping[str, Sequence[str]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.workers: list[Process] = []
        self.processes: dict[str, Process] = {}
        self.api_token = API_TOKEN
        self.flower_login = FLOWER_LOGIN
        self._folder = folder
        self._vendors = vendors
        self._worker_count = workers
        self._webhooks = webhooks
        self._files = files
        self._flower = flower
        self._commands = read_procfile()
        self._api_port = free_port()
        self._flower_port = free_port()
        given = {**(os.environ if environment is None else environment), **self._defaults(), **(settings or {})}
        self._backing = Backing(folder, given, vendors, sandbox_options)
        self._cleanup = contextlib.ExitStack()

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of its processes, for a program to be started beside them."""
        return self._backing.environment

    @property
    def redis_url(self) -> str:
        """The server that holds ledger and queues."""
        return self.environment["REDIS_URL"]

    @property
    def control_urls(self) -> Mapping[str, str]:
        """The sandboxes' control APIs by vendor: journal, state, limits, faults, gates."""
        return self._backing.control_urls

    @property
    def control_url(self) -> str:
        """The control API of the first vendor's sandbox."""
        return self.control_urls[self._vendors[0]]

    @property
    def api_url(self) -> str:
        """The webhooks server, without a path."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def flower_url(self) -> str:
        """Flower, which asks for `flower_login`."""
        return f"http://127.0.0.1:{self._flower_port}"

    @property
    def valkey(self) -> ValkeyServer:
        """The embedded server, to kill or freeze; raises LookupError when REDIS_URL named another."""
        if self._backing.valkey is None:
            raise LookupError("REDIS_URL names a server that is not ours to touch")
        return self._backing.valkey

    @property
    def sandboxes(self) -> Mapping[str, Process]:
        """The embedded vendors, to kill or freeze; those that the environment named are not among them."""
        return self._backing.sandboxes

    @property
    def worker(self) -> Process:
        """The first vendor's first worker."""
        return self.workers[0]

    def restart_valkey(self) -> None:
        """SIGKILL the server and start it again on the same port and data."""
        self.valkey.restart()

    def start_worker(self, settings: Mapping[str, str] | None = None) -> Process:
        """Start one more worker of the first vendor, with settings of its own if given; return once it is ready."""
        worker = self._launch_worker(settings)
        worker.wait_ready()
        return worker

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # an interrupt while one of them starts must not leave the others behind
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _start(self) -> None:
        self._cleanup.enter_context(self._backing)
        if self._webhooks:
            self._launch(
                WEBHOOKS, self._process(WEBHOOKS, self._commands[WEBHOOKS], _answering(f"{self.api_url}/readyz"))
            )
        if self._files:
            self._launch(FILES, self._process(FILES, self._commands[FILES], lambda files: files.printed("feeds.read")))
        if self._flower:
            self._launch(
                FLOWER, self._process(FLOWER, self._commands[FLOWER], _answering(f"{self.flower_url}/healthcheck"))
            )
        for _ in range(self._worker_count):
            self._launch_worker()
        for vendor in self._vendors[1:]:
            self._launch(vendor, self._process(vendor, self._commands[vendor], _consumes))
        for process in self.processes.values():
            process.wait_ready()

    def _defaults(self) -> dict[str, str]:
        return {
            "STOCKRELAY_WEBHOOKS_HOST": "127.0.0.1",
            "STOCKRELAY_WEBHOOKS_PORT": str(self._api_port),
            "STOCKRELAY_WEBHOOKS_TOKENS": f"{API_CLIENT}:{API_TOKEN}",
            "STOCKRELAY_WEBHOOKS_SPOOL": str(self._folder / "spool.sqlite3"),
            "STOCKRELAY_FILES_OUTBOX": str(self._folder / "files.sqlite3"),
            "FLOWER_PORT": str(self._flower_port),
            "FLOWER_DB": str(self._folder / "flower"),
            "FLOWER_BASIC_AUTH": FLOWER_LOGIN,
        }

    def _launch_worker(self, settings: Mapping[str, str] | None = None) -> Process:
        # A node name of its own: two of one name on one machine answer each other's remote control.
        name = f"{self._vendors[0]}-{len(self.workers) + 1}"
        worker = self._process(name, f"{self._commands[self._vendors[0]]} -n {name}@%h", _consumes, settings)
        self.workers.append(worker)
        self._launch(name, worker)
        return worker

    def _launch(self, name: str, process: Process) -> None:
        self._cleanup.callback(process.kill)
        self.processes[name] = process
        process.launch()

    def _process(
        self,
        name: str,
        command: str,
        is_ready: Callable[[Process], bool],
        settings: Mapping[str, str] | None = None,
    ) -> Process:
        process = Process(
            name,
            ["/bin/sh", "-c", command],
            log=self._folder / f"{name}.log",
            ready=lambda: is_ready(process),
            environment={**self.environment, **(settings or {})},
            folder=ROOT,
        )
        return process


def _consumes(worker: Process) -> bool:
    # Celery says so when it consumes; asking it by remote control takes a second each time.
    return worker.printed(" ready.")


def _answering(url: str) -> Callable[[Process], bool]:
    return lambda _: answers(url)
