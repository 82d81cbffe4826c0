"""Who may import whom: the contracts of pyproject.toml hold, and cover every vendor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.project import ROOT, project_files, pyproject


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout


def test_every_vendor_is_kept_apart_from_the_others() -> None:
    vendors = ROOT / "workers" / "vendors"
    packages = {path.parent.name for path in project_files("__init__.py") if path.parent.parent == vendors}
    contracts = {contract["name"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]}

    assert packages
    assert contracts["vendors never import one another"]["modules"] == [
        f"workers.vendors.{name}" for name in sorted(packages)
    ]
