"""A blocking connection to a real Valkey server: commands out, answers in, nothing else."""

from __future__ import annotations

import shutil
import socket
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = bytes | str | int | float

#: Of a server; each play that goes on beside others has one.
DATABASES: Final = 64
_READ_BYTES: Final = 1 << 18
#: How an answer begins (https://valkey.io/topics/protocol).
_BULK, _NUMBER, _LIST, _ERROR = b"$:*-"
#: Texts that are remembered as they are sent: keys, scripts and names come again and again.
_REMEMBERED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Question:
    """Commands of one play, which does not go on without their answers."""

    #: The number of the play's database.
    database: int
    #: Some may be encoded already.
    commands: Sequence[Sequence[Argument] | bytes]
    #: What the play does with their answers, errors among them.
    answered: Callable[[list[Any]], object] = lambda _: None


class Link:
    """One connection over a Unix socket; answers are read when all commands have been written."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._buffer = b""
        self._position = 0

    def ask(self, database: int, commands: Sequence[Sequence[Argument] | bytes]) -> list[Any]:
        """Make the commands one after the other; an answer that is an error is given as one."""
        (answers,) = self.ask_together([Question(database, commands)])
        return answers

    def ask_together(self, questions: Sequence[Question]) -> list[list[Any]]:
        """Ask for several plays in one round trip, which costs more than what is asked; the answers of each."""
        texts = []
        for question in questions:
            texts.append(_SELECTS[question.database])
            texts += [_encoded(command) for command in question.commands]
        self._socket.sendall(b"".join(texts))
        return [[self._answer() for _ in range(len(question.commands) + 1)][1:] for question in questions]

    def _answer(self) -> Any:
        start = self._position
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            self._more()
            return self._answer()
        self._position = end + 2
        kind, rest = self._buffer[start], self._buffer[start + 1 : end]
        if kind == _BULK:
            return None if rest == b"-1" else self._bytes(int(rest)).decode(errors="backslashreplace")
        if kind == _NUMBER:
            return int(rest)
        if kind == _LIST:
            return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
        if kind == _ERROR:
            return ResponseError(rest.decode().removeprefix("ERR "))
        return rest.decode()

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


_parts: dict[str, bytes] = {}


_heads: dict[object, bytes] = {}


def script_call(script: str, keys: tuple[str, ...], now_us: int, args: Sequence[Argument]) -> bytes:
    """Encode the call of a script that stands behind `virtual_time.lua`, which takes the time as its last key."""
    head = _heads.get((script, keys))
    if head is None:
        parts: tuple[Argument, ...] = ("EVALSHA", script, len(keys) + 1, *keys)
        head = b"".join(map(_encoded_part, parts))
        if len(_heads) > _REMEMBERED:
            _heads.clear()
        _heads[script, keys] = head
    texts = [_parts.get(arg) or _remembered(arg) if isinstance(arg, str) else _encoded_part(arg) for arg in args]
    count = 4 + len(keys) + len(args)
    return b"*%d\r\n%b%b%b" % (count, head, _encoded_part(now_us), b"".join(texts))


def _encoded(command: Sequence[Argument] | bytes) -> bytes:
    if isinstance(command, bytes):
        return command
    return b"*%d\r\n%b" % (len(command), b"".join(map(_encoded_part, command)))


def _remembered(part: str) -> bytes:
    if len(_parts) > _REMEMBERED:
        _parts.clear()
    sent = _parts[part] = _encoded_part(part)
    return sent


def _encoded_part(part: Argument) -> bytes:
    text = part if isinstance(part, bytes) else str(part).encode()
    return b"$%d\r\n%b\r\n" % (len(text), text)


_SELECTS: Final = tuple(_encoded(("SELECT", database)) for database in range(DATABASES))


@cache
def link() -> Link:
    """Open the connection to this process's server, which ends with the process; it keeps nothing on disk."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    path = folder / "socket"
    server = ValkeyServer(folder, {"appendonly": "no", "unixsocket": str(path), "databases": str(DATABASES)}).start()
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    Finalize(None, server.stop, exitpriority=1)
    return Link(path)
