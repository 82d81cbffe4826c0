"""Commands of the README and the index do what they say; `make run` and `make demo` have tests beside this one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.pages import blocks

ROOT: Final = Path(__file__).parent.parent.parent
COMMANDS: Final = [
    line
    for page in (ROOT / "README.md", ROOT / "docs" / "README.md")
    for block in blocks(page)
    if block.language == "sh"
    for line in block.text.splitlines()
]
MAKE: Final = [command for command in COMMANDS if command.startswith("make ")]
OTHERS: Final = [command for command in COMMANDS if command not in MAKE]

#: Start the whole system.
TESTED_BESIDE: Final = {"make demo": "test_demo.py", "make run": "test_run.py"}


def test_the_readme_begins_with_the_two_commands() -> None:
    assert COMMANDS[:2] == ["make demo", "make run"]


@pytest.mark.parametrize("command", MAKE)
def test_a_make_target_of_the_readme_is_there_and_has_its_own_test(command: str) -> None:
    # -n prints instead of running; MAKEFLAGS of an outer make would change that.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run(
        [*shlex.split(command), "-n"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert (Path(__file__).parent / TESTED_BESIDE[command]).exists()


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    run = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert program in run.stdout
