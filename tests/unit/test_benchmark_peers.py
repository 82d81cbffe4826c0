"""The other workers of the comparison: what is started exists, and who does not do all is shown as such."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from tests.architecture.project import ROOT, requirement_pins
from tests.benchmarks import comparison
from tests.benchmarks.comparison import Entry
from tests.benchmarks.peers.catalogue import PACKAGE, PACKAGES, PEERS, Peer
from tests.benchmarks.race import Round

if TYPE_CHECKING:
    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.race import Track

FOLDER = ROOT / "tests" / "benchmarks" / "peers"
REQUIREMENTS = "requirements/peers.txt"
#: Those whose packages the tests' own environment has.
IMPORTABLE = {"celery_stock": "stock.task", "celery_aio": "aio.task", "relay_pool": "pool.task"}


def _defined(module: str) -> set[str]:
    """Return the names that a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse((FOLDER / f"{module}.py").read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_has_a_task_and_what_its_worker_is_told_to_run(peer: Peer) -> None:
    named = [word.removeprefix(f"{PACKAGE}.") for word in peer.worker if word.startswith(PACKAGE)]
    attributes = {rest for word in named if (rest := word.removeprefix(peer.module).strip(".:"))}

    assert named
    assert all(word.startswith(peer.module) for word in named)
    assert {"task", "enqueue"} | attributes <= _defined(peer.module)


def test_the_celery_applications_have_the_task_that_is_published() -> None:
    program = (
        "import importlib, json, sys\n"
        "apps = {name: importlib.import_module(f'tests.benchmarks.peers.{name}').app for name in sys.argv[1:]}\n"
        "print(json.dumps({name: [*app.tasks, str(app.conf.task_acks_late)] for name, app in apps.items()}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *IMPORTABLE], cwd=ROOT, check=True, capture_output=True, text=True
    )

    found = json.loads(run.stdout)
    assert {name: task for name, task in IMPORTABLE.items() if task in found[name]} == IMPORTABLE
    assert all("True" in told for told in found.values())


def test_no_peer_but_ours_needs_our_packages() -> None:
    ours = {peer.module for peer in PEERS if peer.ours}
    sources = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
    wanting = {name for name, text in sources.items() for word in ("workers.", "tasks.") if f'"{word}' in text}

    assert wanting == ours
    assert all(
        not (node.module or "").startswith(("workers", "tasks", "producers"))
        for text in sources.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
    )


def test_the_peers_are_pinned_with_hashes_and_no_index_is_named() -> None:
    text = (ROOT / REQUIREMENTS).read_text()
    entries = text.replace("\\\n", " ").splitlines()

    assert entries
    assert [entry for entry in entries if " --hash=sha256:" not in entry or "==" not in entry] == []
    assert "://" not in text
    assert set(PACKAGES) <= requirement_pins(REQUIREMENTS).keys()


def test_the_peers_have_the_versions_that_ours_have_of_the_same_packages() -> None:
    ours, theirs = requirement_pins("requirements/runtime.txt"), requirement_pins(REQUIREMENTS)
    shared = ours.keys() & theirs.keys()

    assert {"celery", "kombu", "redis", "aiohttp", "hiredis", "uvloop"} <= shared
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}


@dataclass
class _Process:
    command: list[str] = field(default_factory=lambda: ["worker"])
    killed: int = 0

    def kill(self) -> None:
        self.killed += 1


@dataclass
class _Contender:
    name: str = "a worker"
    promise: str = "at least once"
    calls: tuple[int, ...] = (1, 3)
    process: _Process = field(default_factory=_Process)


class _Track:
    """Gives what a round of each kind of task is to end with."""

    def __init__(self, ends: dict[int, list[Round | Exception]]) -> None:
        self.ends = ends
        self.readmitted = 0

    def round(self, _: object, tasks: int, calls: int, seconds: float) -> Round:
        end = self.ends[calls].pop(0)
        if isinstance(end, Exception):
            raise end
        assert (end.tasks, seconds > 0) == (tasks, True)
        return end

    def readmit(self, _: object) -> None:
        self.readmitted += 1


def _round(done: int, per_second: float, repeated: int = 0) -> Round:
    return Round(10, done, repeated, 1.0, per_second, 0.5, 80.0)


def _entry(ends: dict[int, list[Round | Exception]]) -> tuple[Entry, _Track, _Contender]:
    track, contender = _Track(ends), _Contender()
    return Entry(cast("Track", track), cast("Contender", contender)), track, contender


def _shown(results: list[dict[str, Any]]) -> str:
    console = Console(width=200)
    figures = {"vendor_ms": 20, "broker": {"appendfsync": "always"}, "tasks": {"1": 10, "3": 10}, "results": results}
    with console.capture() as captured:
        console.print(comparison.table(figures))
    return captured.get()


def test_a_workers_rounds_are_summed_up_by_kind_of_task() -> None:
    entry, _, _ = _entry({1: [_round(10, 5.0), _round(10, 9.0, repeated=2), _round(10, 7.0)], 3: [_round(10, 2.0)] * 3})

    for _ in range(3):
        entry.run({1: 10, 3: 10})

    [one], [three] = entry.results(1), entry.results(3)
    assert one["per_second"] == {"median": 7.0, "low": 5.0, "high": 9.0}
    assert (one["repeated"], one["failure"], len(one["rounds"])) == (2, None, 3)
    assert three["per_second"]["median"] == 2.0
    assert entry.results(2) == []


def test_a_worker_that_does_not_do_all_is_started_anew_shown_and_not_asked_again() -> None:
    entry, track, _ = _entry({1: [_round(10, 5.0)] * 2, 3: [_round(7, 1.0)]})

    for _ in range(2):
        entry.run({1: 10, 3: 10})

    [result] = entry.results(3)
    assert track.readmitted == 1
    assert result["failure"] == "7 of 10 tasks in 1 s"
    assert len(entry.results(1)[0]["rounds"]) == 2
    assert "a worker, 3 call(s): 7 of 10 tasks in 1 s" in _shown([*entry.results(1), result])


def test_a_worker_that_breaks_is_killed_shown_and_asked_for_nothing_more() -> None:
    entry, _, contender = _entry({1: [RuntimeError("a worker ended in its round\nits log")], 3: []})

    for _ in range(2):
        entry.run({1: 10, 3: 10})

    assert contender.process.killed == 1
    shown = _shown([*entry.results(1), *entry.results(3)])
    assert shown.count("a worker ended in its round") == 2
    assert "its log" not in shown


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match="no worker 'celerie'; there are arq"):
        comparison.wanted({"arq": lambda: cast("Contender", _Contender())}, "celerie")
