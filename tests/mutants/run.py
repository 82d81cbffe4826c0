"""Playing mutants on copies of the project: each is applied, its test must fail, and the copy is made sound again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.mutants.mutant import Mutant

#: What a copy needs; requirements, environment and documents stay behind.
_COPIED: Final = ("tasks", "workers", "producers", "tests")
_FILES: Final = ("pyproject.toml", "Procfile", "stockrelay.toml", "docker-compose.yml", "Makefile", ".env.example")
#: pytest's exit codes.
_PASSED, _FAILED = 0, 1
#: A broken program may hang instead of failing.
TIMEOUT_SECONDS: Final = 300
_FIRST_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test said of a mutant, or of the sound code where `mutant` is None."""

    mutant: Mutant | None
    test: str
    #: "killed", "survived", "hung" (found too), "passed", or what pytest could not do.
    word: str
    seconds: float
    #: The test that failed first.
    found_by: str = ""
    output: str = ""

    @property
    def is_right(self) -> bool:
        return self.word in ("killed", "hung", "passed")


def copy_project(root: Path, folder: Path) -> Path:
    """Copy what tests need into `folder`."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _COPIED:
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in _FILES:
        if (root / name).exists():
            shutil.copy(root / name, folder / name)
    (folder / "docs").symlink_to(root / "docs")
    (folder / "requirements").symlink_to(root / "requirements")
    return folder


def check_sound(copy: Path, tests: Sequence[str]) -> Iterator[Verdict]:
    """Run each test on the sound code: one that fails there kills nothing."""
    for test in tests:
        code, seconds, output = _pytest(copy, test)
        yield Verdict(None, test, "passed" if code == _PASSED else _trouble(code), seconds, output=output)


def play(copy: Path, mutant: Mutant) -> Verdict:
    """Break the copy, run the mutant's test and mend the copy."""
    sound = mutant.apply(copy)
    try:
        code, seconds, output = _pytest(copy, mutant.killed_by)
    finally:
        (copy / mutant.file).write_text(sound)
    word = {_PASSED: "survived", _FAILED: "killed", None: "hung"}.get(code) or _trouble(code)
    found = _FIRST_FAILED.search(output)
    return Verdict(mutant, mutant.killed_by, word, seconds, found[1] if found else "", output)


def _trouble(code: int | None) -> str:
    return "hung" if code is None else f"pytest ended with {code}"


def _pytest(copy: Path, test: str) -> tuple[int | None, float, str]:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-rfE", test]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        return None, time.monotonic() - started, str(error.stdout or "")
    return done.returncode, time.monotonic() - started, done.stdout + done.stderr
