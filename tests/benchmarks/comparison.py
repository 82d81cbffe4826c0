"""Our worker and others beside each other: same server, same vendor, same calls, in rounds that take turns."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table

from tests.backing import ROOT
from tests.benchmarks.contenders import PEERS_PYTHON, contenders
from tests.benchmarks.figures import Spread
from tests.benchmarks.machine import versions
from tests.benchmarks.peers.catalogue import PACKAGES
from tests.benchmarks.race import Round, Track
from tests.benchmarks.scene import VENDOR_MS, Scene
from tests.process import ProcessError
from tests.valkey import DURABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from tests.benchmarks.contenders import Contender

#: Ten times what a healthy worker takes for a round; who needs more has not done it.
ROUND_SECONDS: Final = 60.0


def measure(
    console: Console, folder: Path, *, rounds: int, one_call: int, three_calls: int, only: str
) -> dict[str, Any]:
    """Let each do so many rounds of both kinds of task, in turns; `only` names those that take part, with commas."""
    if not PEERS_PYTHON.exists():
        raise SystemExit(f"{PEERS_PYTHON.relative_to(ROOT)} is not there: make bench creates it")
    tasks = {1: one_call, 3: three_calls}
    with Scene(folder) as scene:
        vendor = scene.lean_vendor()
        entries = _entries(console, Track(vendor), wanted(contenders(scene, vendor), only), scene)
        for number in range(rounds):
            for entry in entries:
                entry.run(tasks)
            console.print(f"round {number + 1} of {rounds}: " + ", ".join(entry.last() for entry in entries))
    return {
        "broker": {name: DURABLE[name] for name in ("appendonly", "appendfsync")},
        "vendor_ms": VENDOR_MS,
        "tasks": {str(calls): count for calls, count in tasks.items()},
        "peers": versions(PEERS_PYTHON, PACKAGES),
        "results": [result for calls in tasks for entry in entries for result in entry.results(calls)],
    }


class Entry:
    """One worker's rounds. A kind of task that it did not do once is not asked of it again."""

    def __init__(self, track: Track, contender: Contender) -> None:
        self.contender = contender
        self.failures: dict[int, str] = {}
        self._track = track
        self._rounds: dict[int, list[Round]] = {calls: [] for calls in contender.calls}

    def admit(self) -> None:
        """Start the worker."""
        try:
            self._track.admit(self.contender)
        except (TimeoutError, ProcessError, RuntimeError) as error:
            self._fail(self.contender.calls, str(error))

    def run(self, tasks: dict[int, int]) -> None:
        """Do one round of each kind of task."""
        for calls in self.contender.calls:
            if calls not in self.failures:
                self._run(tasks[calls], calls)

    def _run(self, tasks: int, calls: int) -> None:
        try:
            done = self._track.round(self.contender, tasks, calls, ROUND_SECONDS)
            self._rounds[calls].append(done)
            if done.done < tasks:
                self.failures[calls] = f"{done.done} of {tasks} tasks in {done.seconds:g} s"
                self._track.readmit(self.contender)
        except (TimeoutError, ProcessError, RuntimeError) as error:
            self._fail(self.contender.calls, str(error))

    def _fail(self, kinds: Iterable[int], why: str) -> None:
        self.contender.process.kill()
        for calls in kinds:
            self.failures.setdefault(calls, why)

    def last(self) -> str:
        """Say how fast its last rounds were."""
        speeds = [f"{rounds[-1].per_second:.0f}" for rounds in self._rounds.values() if rounds]
        return f"{self.contender.name} {' and '.join(speeds) or 'nothing'}"

    def results(self, calls: int) -> list[dict[str, Any]]:
        """Sum its rounds of a kind of task up, ready for JSON; none for a kind that it is not asked for."""
        if calls not in self.contender.calls:
            return []
        rounds = self._rounds[calls]
        figures = {
            name: asdict(Spread.of([getattr(one, name) for one in rounds], digits)) if rounds else None
            for name, digits in (("per_second", 1), ("cpu_ms", 3), ("rss_mib", 1))
        }
        return [
            {
                "name": self.contender.name,
                "calls": calls,
                "promise": self.contender.promise,
                "worker": _without_folder(self.contender.process.command),
                "failure": self.failures.get(calls),
                "repeated": sum(one.repeated for one in rounds),
                **figures,
                "rounds": [asdict(one) for one in rounds],
            }
        ]


def _without_folder(command: Sequence[str]) -> list[str]:
    """Give a command as anybody could type it: without the place of its program on this machine."""
    return [Path(command[0]).name, *command[1:]]


def table(figures: dict[str, Any]) -> Group:
    """Show what `measure` gave: a table for each kind of task, and who did not do all of them."""
    results = figures["results"]
    kinds = sorted({one["calls"] for one in results})
    tables = [_table(figures, calls, [one for one in results if one["calls"] == calls]) for calls in kinds]
    failed = [
        f"{one['name']}, {one['calls']} call(s): {one['failure'].splitlines()[0]}" for one in results if one["failure"]
    ]
    repeated = [
        f"{one['name']}, {one['calls']} call(s): {one['repeated']} came twice" for one in results if one["repeated"]
    ]
    return Group(*tables, *(f"not all done: {text}" for text in failed), *repeated)


def _table(figures: dict[str, Any], calls: int, results: list[dict[str, Any]]) -> Table:
    shown = Table(
        title=f"{figures['tasks'][str(calls)]} tasks of {calls} call(s) of {figures['vendor_ms']} ms; "
        f"appendfsync {figures['broker']['appendfsync']}",
        caption="medians and spread; CPU and memory of all processes of a worker",
    )
    for heading in ("worker", "promise", "/s", "spread", "CPU ms", "MiB"):
        shown.add_column(heading, justify="left" if heading in {"worker", "promise"} else "right", no_wrap=True)
    for result in sorted(results, key=lambda one: -(one["per_second"] or {"median": 0})["median"]):
        shown.add_row(*_cells(result))
    return shown


def _cells(result: dict[str, Any]) -> tuple[str, ...]:
    speed = result["per_second"]
    if speed is None:
        return (result["name"], result["promise"], "-", "-", "-", "-")
    return (
        result["name"],
        result["promise"],
        f"{speed['median']:.0f}{'*' if result['failure'] else ''}",
        f"{speed['low']:.0f}-{speed['high']:.0f}",
        f"{result['cpu_ms']['median']:.2f}",
        f"{result['rss_mib']['median']:.0f}",
    )


def wanted(makers: dict[str, Callable[[], Contender]], only: str) -> dict[str, Callable[[], Contender]]:
    names = only.split(",") if only else list(makers)
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise SystemExit(f"--only: no worker {unknown[0]!r}; there are {', '.join(makers)}")
    return {name: makers[name] for name in names}


def _entries(console: Console, track: Track, makers: dict[str, Callable[[], Contender]], scene: Scene) -> list[Entry]:
    found = []
    for name, make in makers.items():
        entry = Entry(track, make())
        scene.cleanup.callback(entry.contender.process.kill)
        entry.admit()
        console.print(f"{name} is warm" if not entry.failures else f"{name}: {next(iter(entry.failures.values()))}")
        found.append(entry)
    return found
