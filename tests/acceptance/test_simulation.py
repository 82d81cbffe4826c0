"""`make sim`: default seeds show no wrong, a seed replays to the byte, a planted bug is found, made small and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tasks import stock
from tasks.lookup import Absent
from tests.backing import ROOT
from tests.simulation.generate import generate
from tests.simulation.minimise import minimise
from tests.simulation.plan import Plan
from tests.simulation.run import DEFAULT_SEEDS, cores, fails_as, play_seeds, run, tell_failing
from tests.simulation.world import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

#: A seed that shows the planted bug is among the first so many.
FIRST_SEEDS = 100
REPLAYED_SEED = 4


def test_nothing_is_lost_doubled_or_out_of_order_with_the_default_seeds() -> None:
    totals = run(range(DEFAULT_SEEDS), jobs=cores())
    wrongs = {outcome.seed: outcome.wrongs for outcome in totals.failing}
    assert wrongs == {}
    assert totals.trivial() == []


def test_a_seed_replays_to_the_byte_in_another_process() -> None:
    first, second = (_sim(["--seed", str(REPLAYED_SEED), "--trace"], hash_seed) for hash_seed in ("1", "2"))
    assert first.stdout == second.stdout
    assert len(first.stdout.splitlines()) > len(generate(REPLAYED_SEED).events)
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_run_in_several_processes_counts_the_same_as_in_one() -> None:
    shown: list[dict[str, Any]] = []
    for jobs in ("1", "2"):
        done = _sim(["--seeds", "12", "--jobs", jobs, "--json"])
        assert done.returncode == 0, done.stderr.decode()
        shown.append(json.loads(done.stdout))
    same = ("seeds", "commands", "states", "requests", "fired", "virtual_seconds")
    one, two = ({name: figures[name] for name in same} for figures in shown)
    assert one == two
    assert one["seeds"] == 12


def test_a_planted_bug_is_found_made_small_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "judge", lambda *_: Absent())
    failing = next(outcome for seed in range(FIRST_SEEDS) for outcome in play_seeds([seed]) if outcome.wrongs)
    smallest = minimise(generate(failing.seed), fails_as(failing, play))
    assert len(smallest.submits) == 1
    assert 1 <= len(smallest.troubles) <= 2  # some plans take a lost worker and a lost answer
    assert "doubled" in failing.wrongs
    told = tell_failing(failing)
    assert "has 2 effects at the vendor" in told
    assert Plan.from_json(told.rpartition("for --plan: ")[2]) == smallest


def test_a_plan_that_cannot_be_read_is_refused() -> None:
    done = _sim(["--plan", "-"], given=b'{"events": []}')
    assert done.returncode == 2
    assert b"no plan: KeyError('seed')" in done.stderr


def _sim(args: Sequence[str], hash_seed: str = "0", given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.simulation", *args]
    return subprocess.run(command, cwd=ROOT, env=environ, input=given, capture_output=True, check=False, timeout=300)
