"""What the system stands on, started only where the environment does not name it: the server and the vendors."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tasks.settings import redis_url
from tests.process import PORT_TRIES, Process, ProcessError, free_port, port_is_taken
from tests.sandbox.openbom import APP_KEY, EMAIL, PASSWORD
from tests.sandbox.partbolt import TOKEN
from tests.sandbox.partium import API_KEY as PARTIUM_KEY
from tests.sandbox.partsbox import API_KEY as PARTSBOX_KEY
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType

ROOT: Final = Path(__file__).parent.parent

#: A store room with what each vendor keeps of it; see the sandboxes' fixtures.
WAREHOUSE: Final = ("--seed-fixture", "warehouse")

#: By vendor: the settings that its worker needs besides the address, and what its sandbox takes.
SANDBOX_SECRETS: Final[Mapping[str, Mapping[str, str]]] = {
    "partsbox": {"STOCKRELAY_PARTSBOX_API_KEY": PARTSBOX_KEY},
    "partium": {"STOCKRELAY_PARTIUM_API_KEY": PARTIUM_KEY},
    "openbom": {
        "STOCKRELAY_OPENBOM_APP_KEY": APP_KEY,
        "STOCKRELAY_OPENBOM_USERNAME": EMAIL,
        "STOCKRELAY_OPENBOM_PASSWORD": PASSWORD,
    },
    "partbolt": {"STOCKRELAY_PARTBOLT_TOKEN": TOKEN},
}


def url_name(vendor: str) -> str:
    """Name the setting that says where a vendor is."""
    return f"STOCKRELAY_{vendor.upper()}_URL"


class Backing:
    """An embedded server unless `given` has REDIS_URL, and a sandbox for each vendor unless it has the vendor's URL.

    `environment` is what the processes of the Procfile need; `folder` receives data and logs. `sandbox_options` are
    command line options by vendor, where they shall not be WAREHOUSE.
    """

    def __init__(
        self,
        folder: Path,
        given: Mapping[str, str],
        vendors: Collection[str],
        sandbox_options: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.valkey: ValkeyServer | None = None
        #: By vendor; none for those that the environment named.
        self.sandboxes: dict[str, Process] = {}
        self.control_urls: dict[str, str] = {}
        tools = str(Path(sys.executable).parent)
        self.environment = {
            **given,
            "PATH": os.pathsep.join([tools, given.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
        }
        if self.environment.pop("REDIS_URL_FILE", None):
            self.environment["REDIS_URL"] = redis_url(given)
        self._folder = folder
        self._played = [vendor for vendor in vendors if vendor in SANDBOX_SECRETS and not given.get(url_name(vendor))]
        self._sandbox_options = sandbox_options or {}
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            for vendor in self._played:
                self._launch_sandbox(vendor)
            if not self.environment.get("REDIS_URL"):
                self.valkey = self._cleanup.enter_context(ValkeyServer(self._folder / "valkey"))
                self.environment["REDIS_URL"] = self.valkey.url
            for vendor in self._played:
                self._await_sandbox(vendor)
        except BaseException:  # an interrupt while one of them starts must not leave the others behind
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _ready_file(self, vendor: str) -> Path:
        return self._folder / f"sandbox-{vendor}.json"

    def _launch_sandbox(self, vendor: str) -> None:
        ready_file = self._ready_file(vendor)
        ready_file.unlink(missing_ok=True)
        sandbox = Process(
            f"sandbox of {vendor}",
            self._sandbox_command(vendor),
            log=self._folder / f"sandbox-{vendor}.log",
            ready=ready_file.exists,
            environment=self.environment,
            folder=ROOT,
        )
        self.sandboxes[vendor] = sandbox
        self._cleanup.callback(sandbox.kill)
        sandbox.launch()

    def _sandbox_command(self, vendor: str) -> list[str]:
        port = str(free_port())  # a fixed one, so that the vendor can be started again at the same address
        options = self._sandbox_options.get(vendor, WAREHOUSE)
        program = [sys.executable, "-m", f"tests.sandbox.{vendor}"]
        return [*program, "--port", port, "--ready-file", str(self._ready_file(vendor)), *options]

    def _wait_until_ready(self, vendor: str) -> None:
        """Wait for the sandbox, and launch it at another port where somebody took the one we had found free."""
        sandbox = self.sandboxes[vendor]
        for _ in range(PORT_TRIES):
            try:
                sandbox.wait_ready()
            except ProcessError:
                if not port_is_taken(sandbox):
                    raise
                sandbox.command = self._sandbox_command(vendor)
                sandbox.launch()
            else:
                return
        raise ProcessError(f"no free port for the {sandbox.name} in {PORT_TRIES} tries")

    def _await_sandbox(self, vendor: str) -> None:
        self._wait_until_ready(vendor)
        ready = json.loads(self._ready_file(vendor).read_text())
        self.control_urls[vendor] = ready["control_url"]
        self.environment[url_name(vendor)] = ready["url"]
        for name, secret in SANDBOX_SECRETS[vendor].items():
            self.environment[name] = secret
            self.environment.pop(f"{name}_FILE", None)  # a real secret has no business in the sandbox
