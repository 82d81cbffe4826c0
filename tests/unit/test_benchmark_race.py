"""One round of a worker: what the vendor counted in it, and until when."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.benchmarks import race
from tests.benchmarks.race import AWAKE_TASKS, Track

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.scene import LeanVendor


@dataclass
class _Vendor:
    """Its books, and what a worker's next tasks add to them."""

    counted: int = 1000
    last_seconds: float = 0.0
    repeated: list[str] = field(default_factory=lambda: ["earlier"])

    def books(self) -> dict[str, Any]:
        return {"work": self.counted, "last_seconds": self.last_seconds, "repeated": list(self.repeated)}


@dataclass
class _Process:
    pid: int = field(default_factory=os.getpid)
    running: bool = True
    frozen: bool = True
    thawed: Callable[[], None] = lambda: None

    def stop_signal(self) -> None:
        self.frozen = True

    def cont(self) -> None:
        self.frozen = False
        self.thawed()

    def log_tail(self) -> str:
        return "its last words"


@dataclass
class _Worker:
    """Has done what waits as soon as it is thawed: a share of it, and the last of it `took_seconds` later."""

    vendor: _Vendor
    share: float = 1.0
    took_seconds: float = 0.0
    repeats: bool = False
    dies: bool = False
    #: How often it is still settling what waited when it is asked; or it never settles anything.
    settles: int = 0
    stuck: bool = False
    name: str = "a worker"
    book: str = "work"
    calls: tuple[int, ...] = (3,)
    process: _Process = field(default_factory=_Process)
    _waiting: int = 0

    def __post_init__(self) -> None:
        self.process.thawed = self._do_what_waits

    def enqueue(self, count: int, calls: int) -> None:
        if self.process.frozen:
            self._waiting = count * calls
        else:  # its warm-up
            assert count == AWAKE_TASKS
            self.vendor.counted += count * calls

    def _do_what_waits(self) -> None:
        if self._waiting:
            self.vendor.counted += int(self._waiting * self.share)
            self.vendor.last_seconds = time.monotonic() + self.took_seconds
            self.vendor.repeated += ["again"] if self.repeats else []
            self.process.running = not self.dies

    def noted(self, calls: int) -> int:
        return calls

    def unsettled(self) -> int:
        self.settles -= bool(self._waiting)
        return int(self.stuck or (self._waiting > 0 and self.settles >= 0))


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "AFTERWARDS_SECONDS", 0)
    monkeypatch.setattr(race, "LOOK_SECONDS", 0)


def _round(worker: _Worker, tasks: int, seconds: float = 60.0) -> race.Round:
    return Track(cast("LeanVendor", worker.vendor)).round(cast("Contender", worker), tasks, 3, seconds)


def test_a_round_counts_its_own_tasks_and_lasts_until_the_vendors_last() -> None:
    worker = _Worker(_Vendor(), took_seconds=1000.0)

    found = _round(worker, 50_000)

    assert (found.tasks, found.done, found.repeated) == (50_000, 50_000, 0)
    assert found.seconds == pytest.approx(1000, abs=60)
    assert found.per_second == pytest.approx(50, abs=4)
    assert worker.process.frozen


def test_what_came_twice_in_a_round_is_told_and_what_did_before_is_not() -> None:
    assert _round(_Worker(_Vendor(), repeats=True), 50).repeated == 1


def test_a_worker_with_books_of_its_own_is_measured_until_they_agree() -> None:
    # the vendor's last is long ago: what counts is the worker's
    assert _round(_Worker(_Vendor(), took_seconds=-1000.0, settles=4), 50).seconds >= 0


def test_a_round_that_is_not_done_ends_with_what_was_done() -> None:
    found = _round(_Worker(_Vendor(), share=0.5), 50, seconds=0.0)

    assert (found.tasks, found.done) == (50, 25)


def test_a_worker_that_ends_in_its_round_is_an_error_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="a worker ended in its round\nits last words"):
        _round(_Worker(_Vendor(), share=0.5, dies=True), 50)


def test_a_worker_that_does_not_warm_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "WARM_UP_SECONDS", 0)
    worker = _Worker(_Vendor(), stuck=True, process=_Process(frozen=False))
    monkeypatch.setattr(race, "WARM_UP_TASKS", AWAKE_TASKS)

    with pytest.raises(TimeoutError, match="a worker did not warm up\nits last words"):
        Track(cast("LeanVendor", worker.vendor)).admit(cast("Contender", worker))
