"""The table of mutants fits the code, and a survivor is seen."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.mutant import Mutant, StaleMutantError
from tests.mutants.run import check_sound, play
from tests.mutants.table import MUTANTS

ROOT: Final = Path(__file__).parent.parent.parent
#: Issue 5 asks for thirty.
LEAST: Final = 30


def test_there_are_enough_and_no_two_of_one_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_still_fits_the_code_and_its_test_is_there(mutant: Mutant) -> None:
    broken = mutant.applied_to((ROOT / mutant.file).read_text())
    if mutant.file.endswith(".py"):
        ast.parse(broken)

    path, _, name = mutant.killed_by.partition("::")
    assert name.partition("[")[0] in _tests_of(path)


@functools.cache
def _tests_of(path: str) -> set[str]:
    found = ast.walk(ast.parse((ROOT / path).read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text("def total(a, b):\n    return a + b\n")
    (tmp_path / "test_sums.py").write_text(
        "from sums import total\n\ndef test_two(): assert total(2, 2) == 4\ndef test_wrong(): assert total(1, 1) == 3\n"
    )
    return tmp_path


SURVIVES: Final = Mutant("times", "sums.py", "a + b", "a * b", "test_sums.py::test_two")
DIES: Final = Mutant("minus", "sums.py", "a + b", "a - b", "test_sums.py::test_two")
BREAKS: Final = Mutant("nonsense", "sums.py", "a + b", "a + b", "test_sums.py::no_such_test")


@pytest.mark.parametrize(
    ("mutant", "word"), [(SURVIVES, "survived"), (DIES, "killed"), (BREAKS, "pytest ended with 4")], ids=str
)
def test_only_a_failing_test_kills_and_the_copy_is_sound_again(copy: Path, mutant: Mutant, word: str) -> None:
    verdict = play(copy, mutant)

    assert (verdict.word, verdict.is_right) == (word, word == "killed")
    assert (copy / "sums.py").read_text() == "def total(a, b):\n    return a + b\n"


def test_a_test_that_fails_without_the_mutant_is_seen(copy: Path) -> None:
    sound, wrong = check_sound(copy, ["test_sums.py::test_two", "test_sums.py::test_wrong"])

    assert (sound.is_right, wrong.is_right) == (True, False)


def test_a_mutant_whose_text_has_moved_is_said_to_be_stale(copy: Path) -> None:
    with pytest.raises(StaleMutantError, match=r"gone: sums.py has its text 0 times"):
        Mutant("gone", "sums.py", "a ** b", "", "test_sums.py::test_two").apply(copy)
