"""docs/adding-a-vendor.md, done word for word: its blocks go into a copy of the project, and their tests pass there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.architecture.pages import Block, blocks
from tests.architecture.project import ROOT
from tests.mutants.run import copy_project

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS: Final = blocks(ROOT / "docs" / "adding-a-vendor.md")
PYTHON_FILES: Final = sorted({block.file for block in BLOCKS if block.file.endswith(".py")})
#: One fault of each ending; all of them take minutes (`make test ARGS="-k shelf"` in such a copy).
ROUNDS: Final = (
    "test_every_kind_of_command_has_a_case",
    "test_an_unclear_outcome_ends_applied_exactly_once[accept_then_drop-shelfmark-shelf.add_copies]",
    "test_an_unclear_outcome_ends_applied_exactly_once[late_commit-delay_seconds=0.25-shelfmark-shelf.add_copies]",
    "test_an_unclear_outcome_ends_applied_exactly_once[drop_before-shelfmark-shelf.add_copies]",
    "test_a_refusal_is_a_dead_letter_with_the_vendors_words[status-status=409-shelfmark-shelf.add_copies]",
    (
        "test_a_closed_vendor_costs_no_attempt"
        "[status-status=429-retry_after=fraction-retry_after_seconds=0.05-shelfmark-shelf.add_copies]"
    ),
)


def _edited(text: str, block: Block) -> str:
    """Apply a diff block: its hunks, parted by @@, stand in the file once each."""
    for hunk in re.split(r"^@@\n", block.text, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"{block}: stands in {block.file} {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def _apply(block: Block, copy: Path) -> None:
    path = copy / block.file
    if block.language == "diff":
        path.write_text(_edited(path.read_text(), block))
        return
    assert not path.exists(), f"{block}: {block.file} is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the page's vendor in it."""
    folder = copy_project(ROOT, tmp_path_factory.mktemp("with-shelfmark"))
    for block in BLOCKS:
        _apply(block, folder)
    return folder


def _run(copy: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _passed(copy: Path, *tests: str) -> int:
    told = _run(copy, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    return int(re.findall(r"(\d+) passed", told)[-1])


def test_every_block_of_the_page_names_its_file_and_is_new_code_or_an_edit() -> None:
    assert [str(block) for block in BLOCKS if not block.file] == []
    assert {block.language for block in BLOCKS} == {"python", "diff"}
    assert "tasks/shelf.py" in PYTHON_FILES


def test_the_pages_code_is_formatted_and_without_findings(copy: Path) -> None:
    _run(copy, "ruff", "format", "--check", "--no-cache", *PYTHON_FILES)
    _run(copy, "ruff", "check", "--no-cache", *PYTHON_FILES)


@pytest.mark.slow
def test_a_real_worker_applies_each_command_of_the_new_vendor_exactly_once(copy: Path) -> None:
    assert _passed(copy, "tests/acceptance/test_shelfmark.py") == 1


@pytest.mark.slow
def test_the_new_vendor_passes_conformance_rounds(copy: Path) -> None:
    suite = "tests/conformance/test_every_command.py"

    assert _passed(copy, *(f"{suite}::{name}" for name in ROUNDS)) == len(ROUNDS)
