"""The grids: a thin, fixed sample of each shows no wrong cell, and planted bugs show in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tasks import stock
from tasks.effects import Effect
from tasks.lookup import Absent
from tasks.registry import command_type, kinds
from tests.grids import __main__ as program
from tests.grids.ambiguity import OUTCOMES
from tests.grids.cell import Ended
from tests.grids.run import GRIDS, play_row, sample
from tests.grids.ways import WAYS
from tests.simulation.plan import Plan
from workers import retries
from workers.outcomes import Outcomes
from workers.reconciler_schedule import ScheduledReconciler

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of each grid: every so-many-th row, every so-many-th cell of these, and how many cells that are at least.
SAMPLES = {
    "crashes": (5, 43, 40),
    "late-commits": (1, 21, 80),
    "beyond": (3, 5, 28),
    "ambiguity": (1, 20, 80),
    "turned-away": (3, 6, 54),
    "redelivery": (3, 13, 28),
}

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("name", SAMPLES)
def test_no_cell_of_a_sample_is_wrong(name: str) -> None:
    rows, stride, least = SAMPLES[name]
    cells = sample(name, rows, stride)
    assert {(cell.row, cell.place): cell.wrongs for cell in cells if cell.wrongs} == {}
    assert len(cells) >= least


def test_every_grid_is_sampled_and_every_kind_that_writes_is_a_way() -> None:
    assert set(SAMPLES) == set(GRIDS)
    writing = {name for name in kinds() if command_type(name).effect is not Effect.EXPAND}
    assert {way.writer for way in WAYS.values()} == writing
    assert len({str(outcome) for outcome in OUTCOMES}) >= 18


# planted bugs: what each grid is there for must show in it


def _blind(patch: Patch) -> None:
    patch.setattr(stock, "judge", lambda *_: Absent())


def _no_settling(patch: Patch) -> None:
    decide = retries.after_look
    patch.setattr(retries, "after_look", lambda finding, _, *rest, **more: decide(finding, 1e9, *rest, **more))


def _429_spends(patch: Patch) -> None:
    patch.setattr(Outcomes, "blocked", Outcomes.retry)


def _sleeping_reconciler(patch: Patch) -> None:
    async def sleep_on(*_: Any, **__: Any) -> None:
        return

    patch.setattr(ScheduledReconciler, "_keep", sleep_on)


BUGS: dict[str, tuple[Callable[[Patch], None], str, str, str]] = {
    "blind reads, behind a crash": (_blind, "crashes", "stock.move, answer lost", "doubled"),
    "blind reads, behind a lost answer": (_blind, "ambiguity", "accept_then_drop", "stock.add"),
    "no settle time": (_no_settling, "late-commits", "stock.remove", "doubled"),
    "no settle time when hints come again": (_no_settling, "redelivery", "stock.add", "doubled"),
    "a 429 that spends an attempt": (_429_spends, "turned-away", "stock.add, its write", "spent an attempt"),
    "a reconciler that tells nothing": (_sleeping_reconciler, "beyond", "stock.add", "does not tell"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_shows_in_its_grid(name: str, monkeypatch: Patch) -> None:
    bug, grid, row, words = BUGS[name]
    bug(monkeypatch)
    strides = {"crashes": 40, "late-commits": 8, "ambiguity": 1, "turned-away": 5, "redelivery": 3, "beyond": 5}
    wrong = [cell for cell in play_row(grid, row, 1, strides[grid]) if cell.wrongs]
    assert any(words in told for cell in wrong for told in cell.wrongs)
    assert all("broken" not in told for cell in wrong for told in cell.wrongs)


def test_the_plan_of_a_wrong_cell_can_be_played_again(monkeypatch: Patch) -> None:
    _blind(monkeypatch)
    wrong = [cell for cell in play_row("late-commits", "stock.add", 0, 20) if cell.wrongs]
    assert [Plan.from_json(cell.plan).submits[0].kind for cell in wrong] == ["stock.add"] * len(wrong)
    assert wrong


# the program


def test_counts_are_printed_as_json_and_the_program_ends_with_0() -> None:
    asked = ["late-commits", "--row", "stock.move", "--every", "20", "--jobs", "1", "--json"]
    done = CliRunner().invoke(program.main, asked)
    assert done.exit_code == 0
    told = json.loads(done.stdout)["late-commits"]
    assert (told["rows"], told["wrong"], told["wrongs"]) == (1, 0, [])
    assert told["cells"] == sum(told["endings"].values()) >= 2


def test_a_wrong_cell_is_told_and_the_program_ends_with_1(monkeypatch: Patch) -> None:
    cells = [
        Ended("stock.add", "step 3", "applied", ("doubled: twice",), "{}"),
        Ended("stock.add", "step 4", "applied"),
    ]
    monkeypatch.setattr(program, "run", lambda *_: cells)
    done = CliRunner().invoke(program.main, ["crashes"])
    assert done.exit_code == 1
    assert "stock.add | step 3: doubled: twice" in done.stdout
    assert "step 4" not in done.stdout


def test_a_row_that_no_grid_has_is_a_mistake() -> None:
    done = CliRunner().invoke(program.main, ["crashes", "--row", "stock.burn", "--jobs", "1"])
    assert done.exit_code == 2
    assert "'stock.burn'" in done.stderr
