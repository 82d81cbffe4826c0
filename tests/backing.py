"""What the system stands on, started only where the environment does not name it: the server and the vendor."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.process import Process, free_port
from tests.sandbox.partsbox.state import API_KEY
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ROOT: Final = Path(__file__).parent.parent

#: A store room with parts, storages, stock and orders; see the sandbox's fixtures.
WAREHOUSE: Final = ("--seed-fixture", "warehouse")


class Backing:
    """An embedded server unless `given` has REDIS_URL, a sandbox vendor unless it has STOCKRELAY_PARTSBOX_URL.

    `environment` is what the processes of the Procfile need; `folder` receives data and logs.
    """

    def __init__(self, folder: Path, given: Mapping[str, str], sandbox_options: Sequence[str] = WAREHOUSE) -> None:
        self.valkey: ValkeyServer | None = None
        self.sandbox: Process | None = None
        self.control_url = ""
        tools = str(Path(sys.executable).parent)
        self.environment = {
            **given,
            "PATH": os.pathsep.join([tools, given.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
        }
        self._folder = folder
        self._sandbox_options = sandbox_options
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            if not self.environment.get("REDIS_URL"):
                self._start_valkey()
            if not self.environment.get("STOCKRELAY_PARTSBOX_URL"):
                self._start_sandbox()
        except BaseException:  # an interrupt while one of them starts must not leave the other behind
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _start_valkey(self) -> None:
        self.valkey = self._cleanup.enter_context(ValkeyServer(self._folder / "valkey"))
        self.environment["REDIS_URL"] = self.valkey.url

    def _start_sandbox(self) -> None:
        ready_file = self._folder / "sandbox.json"
        ready_file.unlink(missing_ok=True)
        port = str(free_port())  # a fixed one, so that the vendor can be started again at the same address
        options = ["--port", port, "--ready-file", str(ready_file), *self._sandbox_options]
        sandbox = Process(
            "sandbox",
            [sys.executable, "-m", "tests.sandbox.partsbox", *options],
            log=self._folder / "sandbox.log",
            ready=ready_file.exists,
            environment=self.environment,
            folder=ROOT,
        )
        self.sandbox = self._cleanup.enter_context(sandbox)
        ready = json.loads(ready_file.read_text())
        self.control_url = ready["control_url"]
        self.environment["STOCKRELAY_PARTSBOX_URL"] = ready["url"]
        self.environment["STOCKRELAY_PARTSBOX_API_KEY"] = API_KEY
        self.environment.pop("STOCKRELAY_PARTSBOX_API_KEY_FILE", None)  # a real key has no business in the sandbox
