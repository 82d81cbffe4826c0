"""What the architecture tests read: the project's files as git knows them, and its metadata."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent.parent

#: Names of other people's products, which ours must not carry.
TRADEMARKS: Final = ("partsbox", "partium", "openbom", "partbolt", "celery", "valkey", "redis")


def project_files(suffix: str = "") -> list[Path]:
    """List the files that are committed or about to be, ignored ones left out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({ROOT / name for name in names if name.endswith(suffix) and (ROOT / name).is_file()})


def pyproject() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def requirement_pins(name: str) -> dict[str, str]:
    """Read the pinned version of each package of a requirement file."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    requirements = (Requirement(line.split("--hash")[0]) for line in text.splitlines() if line.strip())
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}
