"""The grids: a thin, fixed sample of each shows no wrong cell, and planted bugs show in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

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
    "crashes": (7, 43, 40),
    "late-commits": (1, 30, 50),
    "beyond": (5, 5, 16),
    "ambiguity": (1, 20, 60),
    "turned-away": (5, 6, 28),
    "redelivery": (5, 13, 18),
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


class Planted(NamedTuple):
    bug: Callable[[Patch], None]
    grid: str
    row: str
    #: The first cell, and every so-many-th from there.
    cells: tuple[int, int]
    words: str


BUGS = {
    "blind reads, behind a crash": Planted(_blind, "crashes", "stock.move, answer lost", (20, 40), "doubled"),
    "blind reads, behind a lost answer": Planted(_blind, "ambiguity", "accept_then_drop", (29, 40), "stock.add"),
    "no settle time": Planted(_no_settling, "late-commits", "stock.remove", (9, 20), "doubled"),
    "no settle time, hints come again": Planted(_no_settling, "redelivery", "stock.add", (16, 40), "doubled"),
    "a 429 that spends": Planted(_429_spends, "turned-away", "stock.add, its write", (1, 5), "spent an attempt"),
    "a reconciler that tells nothing": Planted(_sleeping_reconciler, "beyond", "stock.add", (1, 5), "does not tell"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_shows_in_its_grid(name: str, monkeypatch: Patch) -> None:
    planted = BUGS[name]
    planted.bug(monkeypatch)
    wrong = [cell for cell in GRIDS[planted.grid].play_row(planted.row, *planted.cells) if cell.wrongs]
    assert any(planted.words in told for cell in wrong for told in cell.wrongs)
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
