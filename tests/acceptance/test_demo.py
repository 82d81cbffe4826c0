"""`make demo` as a newcomer sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.backing import ROOT

COUNTS = ("lost", "doubled", "unexpected", "out of order", "over limit", "not applied", "wrong stock")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_counts_every_command_and_ends_with_zero() -> None:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}

    demo = subprocess.run(
        [sys.executable, "-m", "tests.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    for name in COUNTS:
        assert re.search(rf"│ {name} +│ +0 │ +0 │", demo.stdout), demo.stdout
    planned = re.search(r"│ all +│ +(\d+) │ +(\d+) │", demo.stdout)
    assert planned is not None
    assert planned[1] == planned[2]
    assert int(planned[1]) >= 60
    assert "the worker was killed while the vendor had its request" in demo.stdout
    assert "Redis was killed and started again" in demo.stdout
    assert "Flower" in demo.stdout
