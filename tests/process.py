"""One managed process of the tests, the demo and the benchmark: start, wait until ready, signal, always clean up."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from tests import reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

#: Below the kernel's ephemeral range, so that a client which keeps connecting to a dead server can neither take the
#: server's port nor connect to itself on it while the server restarts.
PORTS = range(15_000, 32_000)

#: Another process may take a free port between our look and the server's bind.
PORT_TRIES = 5

#: Long enough for a cold import of celery on a busy two-core machine.
READY_SECONDS = 60.0

#: How long a SIGTERM may take before `stop` loses patience and kills.
STOP_SECONDS = 60.0

#: Between two looks at a condition.
POLL_SECONDS = 0.02


class ProcessError(Exception):
    """A managed process did not come up, did not stop, or is not there; the message ends with its last log lines."""


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on right now."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def accepts(port: int) -> bool:
    """Return whether something listens on the port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    """Return when the condition holds; raise `TimeoutError` naming `what` when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)


class Process:
    """A real process in a group of its own, its output in a log file.

    It never outlives the Python process that started it: `with` kills it on every exit, and the reaper kills it when
    that process is killed itself.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._ready = ready
        self._environment = None if environment is None else dict(environment)
        self._folder = folder
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id; raises `ProcessError` when it was never started."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the process exists (also when stopped by SIGSTOP)."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal, None while it runs."""
        return self._started().poll()

    def launch(self) -> Self:
        """Start without waiting until it is ready."""
        if self.running:
            raise ProcessError(f"{self.name} runs already as {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )
        reaper.register(self._popen.pid)
        return self

    def start(self, seconds: float = READY_SECONDS) -> Self:
        """Start and return once it is ready; raise `ProcessError` with its last log lines when it is not."""
        self.launch()
        self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return once the ready condition holds; raise `ProcessError` when the process ends or time is up."""
        try:
            wait_until(lambda: not self.running or self._ready(), f"{self.name} is not ready", seconds)
        except TimeoutError as error:
            message = f"{error}\n{self.log_tail()}"
            self.kill()
            raise ProcessError(message) from error
        if not self.running:
            code = self._gone()
            raise ProcessError(f"{self.name} ended with {code} before it was ready\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL the whole group and collect it; nothing happens when it has ended."""
        if self._popen is None:
            return
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self._gone()  # one that ended by itself too: its number may soon be somebody else's

    def terminate(self) -> None:
        """Send SIGTERM to the process itself, as a supervisor does, and return at once."""
        self._started().send_signal(signal.SIGTERM)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, wait, and return the exit code; raise `ProcessError` after a SIGKILL when it took too long."""
        if self.running:
            self.cont()
            self.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the end and return the exit code; raise `ProcessError` after a SIGKILL when it took too long."""
        try:
            self._started().wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ProcessError(f"{self.name} did not end within {seconds:g} s\n{self.log_tail()}") from error
        return self._gone()

    def stop_signal(self) -> None:
        """Freeze the whole group with SIGSTOP: connections stay open, nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def cont(self) -> None:
        """Let a frozen group go on (SIGCONT)."""
        os.killpg(self.pid, signal.SIGCONT)

    def output(self) -> str:
        """Return what the process printed since it was last started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def printed(self, text: str) -> bool:
        """Return whether the process printed the text since it was last started."""
        return text in self.output()

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines that the process printed."""
        return "\n".join(self.output().splitlines()[-lines:])

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:  # an interrupt while waiting must not leave the process behind
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise ProcessError(f"{self.name} was never started")
        return self._popen

    def _gone(self) -> int:
        code = self._started().wait()
        reaper.forget(self.pid)
        return code


def port_is_taken(process: Process) -> bool:
    """Tell whether the process ended, by its last words, because somebody else listens on its port."""
    return "address already in use" in process.log_tail().lower()
