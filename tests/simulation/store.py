"""The store: a real server's data and scripts behind calls that take virtual time, and that can go wrong."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import NoScriptError

from tests.simulation.aftermath import DUE, Aftermath
from tests.simulation.idling import Idling
from tests.simulation.link import Question, link, script_call
from tests.simulation.plan import START_MS
from tests.simulation.trace import shown

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.simulation.clock import Scheduler
    from tests.simulation.link import Argument
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.trace import Trace

Command = tuple[Any, ...]

#: From a call to its execution, and from there to its answer.
WAY_SECONDS: Final = (0.0001, 0.0008)
#: How long a server takes to come up again.
RESTART_SECONDS: Final = (0.05, 2.0)
#: Connections of one process that a restart leaves dead in its pool, at most.
DEAD_CONNECTIONS: Final = 3
_PRELUDE: Final = Path(__file__).with_name("virtual_time.lua").read_text(encoding="utf-8")
_ANY_COMMAND: Final = "return redis.call(unpack(ARGV))"


@dataclass(slots=True, eq=False)
class Call:
    """Commands that one connection sends together."""

    sender: str
    loop: VirtualLoop
    commands: Sequence[Command]
    answer: asyncio.Future[list[Any]]
    executed_at: float
    answers: list[Any] = field(default_factory=list)
    #: Fails before its execution, so that there is none.
    stopped: bool = False
    #: Its answer gets lost.
    cut: bool = False
    #: Its connection broke.
    broken: bool = False


@dataclass(slots=True)
class Cut:
    """Calls of one sender that are about to fail, before their execution or behind it."""

    sender: str
    before: bool
    left: int


class Store:
    """One server. Calls are executed in the order in which they reach it, each at one moment of its clock.

    Nothing is executed before an answer is due: what nobody has an answer for can still be lost by a restart, as the
    unsynced tail of an append-only file can.
    """

    def __init__(
        self, scheduler: Scheduler, outside: VirtualLoop, random: Random, trace: Trace, database: int = 0
    ) -> None:
        self._scheduler = scheduler
        self._outside = outside
        self._random = random
        self._trace = trace
        #: On the real server; plays that go on side by side have each its own.
        self._database = database
        #: How often it has executed anything: in between all of it stays as it is.
        self.executions = 0
        #: Steps of its clock, added up.
        self._offset_us = 0
        self._away_until = 0.0
        self._cuts: list[Cut] = []
        #: Calls on their way, by when they reach it.
        self._waiting: list[tuple[float, int, Call]] = []
        self._asked = 0
        #: What it knows by its SHA-1: the real server's name of it.
        self._scripts: dict[str, str] = {}
        self._dead: dict[str, int] = {}
        self._hungry: list[Callable[[], object]] = []
        self._idling = Idling(scheduler)
        scheduler.idling = self._idling
        self.look(("FLUSHDB",))

    def send(self, sender: str, loop: VirtualLoop, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands; the future gets their answers, errors among them, or a connection's error."""
        now = self._scheduler.now
        executed_at = now + self._random.uniform(*WAY_SECONDS)
        call = Call(sender, loop, commands, loop.create_future(), executed_at)
        if now < self._away_until:
            self._fail_later(call, "Error connecting: connection refused")
        elif self._dead.get(sender):
            self._dead[sender] -= 1
            self._fail_later(call, "Connection closed by server.")
        else:
            self._apply_cuts(call)
            self._asked += 1
            heapq.heappush(self._waiting, (executed_at, self._asked, call))
            self._outside.call_at(executed_at + self._random.uniform(*WAY_SECONDS), self._due, call)
        return call.answer

    def when_hungry(self, wake: Callable[[], object]) -> None:
        """Call back once, as soon as a queue holds something; who has waited longest comes first."""
        self._hungry.append(wake)

    def look(self, *commands: Sequence[Argument] | bytes) -> list[Any]:
        """Ask it at once and past all troubles, for the world itself."""
        return link().ask(self._database, commands)

    def run(self, script: str, keys: Sequence[str]) -> list[Any]:
        """Run a script of the world's own at once, for each of these keys."""
        now_us = self._now_us(self._scheduler.now)
        answers = self.look(*(("EVALSHA", _loaded(script), 2, key, now_us) for key in keys))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    # troubles

    def cut(self, sender: str, *, before: bool, calls: int) -> None:
        """Let the next calls of a sender fail."""
        self._cuts.append(Cut(sender, before, calls))

    def step_clock(self, step_ms: int) -> None:
        """Set its clock."""
        self._offset_us += step_ms * 1000
        self._idling.wake_all()

    def go_away(self, seconds: float) -> None:
        """Break every connection and refuse new ones for so long; what was executed stays."""
        self._away_until = max(self._away_until, self._scheduler.now + seconds)
        self._break_connections(keep=True)

    def restart(self) -> None:
        """Come up again from the file: without connections, scripts and the unsynced tail."""
        seconds = self._random.uniform(*RESTART_SECONDS)
        self._away_until = max(self._away_until, self._scheduler.now + seconds)
        self._break_connections(keep=False)
        self._scripts.clear()

    def open_anew(self, sender: str) -> None:
        """Begin with fresh connections, as a process that has just started does."""
        self._dead[sender] = 0

    def _break_connections(self, *, keep: bool) -> None:
        """Fail every call under way; of those that have reached the server the last may be lost without `keep`."""
        under_way, self._waiting = sorted(self._waiting), []
        reached = [call for moment, _, call in under_way if moment <= self._scheduler.now and not call.stopped]
        kept = len(reached) if keep else self._random.randint(0, len(reached))
        if kept:
            question = self._question(reached[:kept], None)
            question.answered(self.look(*question.commands))
        self._trace.tell(f"store breaks off {len(under_way)} calls; {len(reached) - kept} that had reached it are lost")
        for _, _, call in under_way:
            call.broken = True
            self._fail_later(call, "Connection closed by server.")
        for sender in self._dead:
            self._dead[sender] = self._random.randint(0, DEAD_CONNECTIONS)

    def _apply_cuts(self, call: Call) -> None:
        for cut in self._cuts:
            if cut.sender == call.sender and cut.left:
                cut.left -= 1
                call.cut, call.stopped = True, cut.before
                where = "before" if cut.before else "behind"
                self._trace.tell(f"store cuts {call.sender} off {where} {shown(call.commands[0])}")
                return

    def _fail_later(self, call: Call, words: str) -> None:
        self._outside.call_later(self._random.uniform(*WAY_SECONDS), _fail, call, words)

    # execution

    def _due(self, call: Call) -> None:
        if call.broken:
            return
        reached = self._reached(call.executed_at)
        if reached:
            self._scheduler.question = self._question(reached, call)
        else:
            self._answer(call)

    def _answer(self, call: Call) -> None:
        if call.cut:
            _fail(call, "Error while reading from the store: connection reset")
        elif not call.answer.done():
            call.answer.set_result(call.answers)

    def _reached(self, moment: float) -> list[Call]:
        """Take the calls that have reached the server by then and were not executed."""
        calls = []
        while self._waiting and self._waiting[0][0] <= moment:
            call = heapq.heappop(self._waiting)[2]
            if not call.stopped:
                calls.append(call)
        return calls

    def _question(self, calls: Sequence[Call], due: Call | None) -> Question:
        """Execute calls in one round trip, which nobody notices; then answer the due one."""
        asked: list[Sequence[Argument] | bytes] = []
        owners: list[tuple[Call, int]] = []
        for call in calls:
            time_us = self._now_us(call.executed_at)
            call.answers = [None] * len(call.commands)
            for number, command in enumerate(call.commands):
                real = self._translated(command, time_us)
                if isinstance(real, bytes):
                    asked.append(real)
                    owners.append((call, number))
                else:
                    call.answers[number] = real
        self.executions += 1
        after = Aftermath(
            [command for call in calls for command in call.commands], self._idling, hungry=bool(self._hungry)
        )
        behind = after.question(_loaded(DUE), time_us)

        def answered(found: Sequence[Any]) -> None:
            self._executed(owners, after, found)
            if due is not None:
                self._answer(due)

        return Question(self._database, [*asked, *behind], answered)

    def _executed(self, owners: Sequence[tuple[Call, int]], after: Aftermath, found: Sequence[Any]) -> None:
        for (call, number), answer in zip(owners, found, strict=False):
            call.answers[number] = answer
            self._trace.called(call.sender, call.commands[number], answer)
        has_hints = after.learn([call.commands[number] for call, number in owners], found, self._offset_us)
        if has_hints and self._hungry:
            self._hungry.pop(0)()

    def _now_us(self, moment: float) -> int:
        return START_MS * 1000 + int(moment * 1_000_000) + self._offset_us

    def _translated(self, command: Command, time_us: int) -> Any:
        """Give a command as it is sent to the real server; or its answer where it is not."""
        name = command[0]
        if name == "EVALSHA":
            script = self._scripts.get(command[1])
            if script is None:
                return NoScriptError("No matching script. Please use EVAL.")
            keys = int(command[2])
            return script_call(script, command[3 : 3 + keys], time_us, command[3 + keys :])
        if name == "SCRIPT LOAD":
            sha = _sha(command[1])
            self._scripts[sha] = _loaded(command[1])
            return sha
        return script_call(_loaded(_ANY_COMMAND), (), time_us, command)


def _fail(call: Call, words: str) -> None:
    if not call.answer.done():
        call.answer.set_exception(NoConnectionError(words))


@cache
def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@cache
def _loaded(text: str) -> str:
    """Load a script behind the virtual time into the real server, once for all plays; gives its name there."""
    return str(link().ask(0, [("SCRIPT", "LOAD", _PRELUDE + text)])[0])
