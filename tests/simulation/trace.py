"""The trace of a play: one line for everything that happens, which says nothing of the machine it ran on."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from tests.simulation.clock import Scheduler
    from tests.simulation.store import Command

#: Calls that ask whether anything is to be done; told when there was.
_IDLE: Final = ('"promoted":0', '"recovered":0', '"hinted":0', '"republished":0')
#: What is long, and may hold sets, which are written in any order.
_BULK: Final = re.compile(r', "(?:image|evidence|command)": "(?:[^"\\]|\\.)*"')
#: A hint names the process that made its template.
_HINT: Final = re.compile(r'"body".*?"id": |, "shadow".*?"delivery_tag"')
#: Arguments of a step of the ledger: name, queue, template, JSON. The second and third are the same each time.
_LEDGER_ARGUMENTS: Final = 4


class Trace:
    """Keeps the lines."""

    def __init__(self, scheduler: Scheduler) -> None:
        #: Lines, and calls that nobody has written as lines yet: most traces are never read.
        self._told: list[str | tuple[float, str, Command, str]] = []
        self._scheduler = scheduler

    @property
    def lines(self) -> list[str]:
        """Give the lines of all that has happened."""
        self._told = [told for told in map(_written, self._told) if told]
        return cast("list[str]", self._told)

    @property
    def digest(self) -> str:
        """Give the SHA-256 of all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    def tell(self, line: str) -> None:
        """Note what happens now."""
        self._told.append(f"{self._scheduler.now:.6f} {line}")

    def called(self, sender: str, command: Command, answer: Any) -> None:
        """Note a call of the store and what it answered."""
        # a list may be changed by who gets it
        text = answer if isinstance(answer, str) else repr(answer)
        self._told.append((self._scheduler.now, sender, command, text))


def _written(told: str | tuple[float, str, Command, str]) -> str:
    """Write a call as a line; nothing where it is not told."""
    if isinstance(told, str):
        return told
    moment, sender, command, text = told
    line = f"{moment:.6f} {sender} {shown(command)}"
    if command[0] != "EVALSHA":
        # in a map the order is the server's own
        return line if command[0] == "HGETALL" else f"{line} -> {text}"
    if "paused" in command or all(word in text for word in _IDLE):
        return ""
    return f"{line} -> {_answer(text)}"


def shown(command: Command) -> str:
    """Write a call of the store on one line."""
    if command[0] != "EVALSHA":
        return " ".join(map(str, command))
    keys = int(command[2])
    args = command[3 + keys :]
    said = (args[0], args[3]) if keys == 1 and len(args) == _LEDGER_ARGUMENTS else args
    texts = (one.decode() if isinstance(one, bytes) else str(one) for one in said)
    return _BULK.sub("", " ".join([str(command[3]), *texts]))


def _answer(text: str) -> str:
    """Write an answer so that it does not depend on the order of a map in the server's memory."""
    if not text.startswith("{"):
        return _HINT.sub("", text)
    answer = json.loads(text)["answer"]
    if isinstance(answer, dict) and "record" in answer:
        return f"{answer['verdict']} {answer['record']['state']}"
    return json.dumps(answer, sort_keys=True)
