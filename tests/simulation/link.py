"""A blocking connection to a real Valkey server: commands out, answers in, nothing else."""

from __future__ import annotations

import shutil
import socket
import tempfile
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_READ_BYTES: Final = 1 << 16
#: Texts that are remembered as they are sent: keys, scripts and names come again and again.
_REMEMBERED: Final = 5_000


class Link:
    """One connection over a Unix socket; answers are read when all commands have been written."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._buffer = b""
        self._position = 0

    def ask(self, commands: Iterable[Sequence[bytes | str | int | float]]) -> list[Any]:
        """Make the commands one after the other; an answer that is an error is given as one."""
        texts = [_encoded(command) for command in commands]
        self._socket.sendall(b"".join(texts))
        return [self._answer() for _ in texts]

    def _answer(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"$":
                return None if rest == b"-1" else self._bytes(int(rest)).decode(errors="backslashreplace")
            case b":":
                return int(rest)
            case b"*":
                return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
            case b"-":
                return ResponseError(rest.decode().removeprefix("ERR "))
        return rest.decode()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._position)) < 0:
            self._more()
        line = self._buffer[self._position : end]
        self._position = end + 2
        return line

    def _bytes(self, count: int) -> bytes:
        while len(self._buffer) < self._position + count + 2:
            self._more()
        found = self._buffer[self._position : self._position + count]
        self._position += count + 2
        return found

    def _more(self) -> None:
        received = self._socket.recv(_READ_BYTES)
        if not received:
            raise ConnectionError("the store's server is gone")
        self._buffer = self._buffer[self._position :] + received
        self._position = 0


_parts: dict[object, bytes] = {}


def _encoded(command: Sequence[bytes | str | int | float]) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    for part in command:
        sent = _parts.get(part)
        if sent is None:
            sent = _parts[part] = _encoded_part(part)
        parts.append(sent)
    if len(_parts) > _REMEMBERED:
        _parts.clear()
    return b"".join(parts)


def _encoded_part(part: bytes | str | float) -> bytes:
    text = part if isinstance(part, bytes) else str(part).encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


@cache
def link() -> Link:
    """Open the connection to this process's server, which ends with the process; it keeps nothing on disk."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    path = folder / "socket"
    server = ValkeyServer(folder, {"appendonly": "no", "unixsocket": str(path)}).start()
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    Finalize(None, server.stop, exitpriority=1)
    return Link(path)
