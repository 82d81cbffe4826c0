"""`make demo` as a newcomer sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import reaper
from tests.backing import ROOT
from tests.demo.scenario import VENDORS
from tests.process import wait_until

#: What a person who watches must be told of.
EVENTS = (
    "PartsBox will lose three answers after booking",
    "PartsBox answers 429",
    "the worker of PartsBox was killed while the vendor had its request",
    "Redis was killed and started again",
    "Partium is in maintenance",
    "Partium is back, and lost the answer to a batch of",
    "OpenBOM let the worker's access token expire",
)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_counts_every_command_of_every_vendor_and_ends_with_zero() -> None:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}

    demo = subprocess.run(
        [sys.executable, "-m", "tests.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    kinds = re.findall(r"^ *(?:\w+ +)?([a-z]+\.[a-z_]+) +(\d+) +(\d+) *$", demo.stdout, re.MULTILINE)
    assert all(planned == applied for _, planned, applied in kinds)
    assert {kind for kind, _, _ in kinds} >= {"stock.move", "catalog.upsert_part", "bom.set_property"}
    counts = {vendor: _row(vendor, demo.stdout) for vendor in VENDORS}
    assert {vendor: set(zeros) for vendor, (_, *zeros) in counts.items()} == {vendor: {"0"} for vendor in VENDORS}
    assert [event for event in EVENTS if event not in demo.stdout] == []
    batching = re.search(r"(\d+) commands to Partium's catalog took (\d+) write requests", demo.stdout)
    assert batching is not None
    assert int(batching[1]) > 300
    assert int(batching[2]) < int(batching[1]) / 3
    assert "OpenBOM saw 2 logins" in demo.stdout
    assert "Flower" in demo.stdout


def _row(vendor: str, text: str) -> list[str]:
    """Give the numbers of the vendor's row among what must be 0: requests first."""
    found = re.search(rf"^ *{vendor}((?: +\d+){{9}}) *$", text, re.MULTILINE)
    assert found is not None, text
    return found[1].split()


def _processes_with(folder: Path) -> list[str]:
    """Name the processes whose environment holds the folder, which is how the demo's own are told from others."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(folder) in environment.read_bytes():
                found.append((environment.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or it is not ours
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells whose environment holds the folder")
@pytest.mark.parametrize(
    "moment", ["Starting Redis", "PartsBox will lose three answers", "was killed while the vendor had its request"]
)
def test_ctrl_c_ends_the_demo_in_one_line_and_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        reaper.register(demo.pid)
        assert demo.stdout is not None
        told = next(line for line in demo.stdout if moment in line)
        wait_until(lambda: len(_processes_with(tmp_path)) > 1, "the demo has started something")
        os.killpg(demo.pid, signal.SIGINT)
        out, errors = demo.communicate()
    reaper.forget(demo.pid)

    assert (demo.returncode, errors) == (130, ""), told + out + errors
    assert out.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: _processes_with(tmp_path) == [], "nothing of the demo runs")


@pytest.mark.slow
def test_a_day_that_does_not_end_names_its_open_commands() -> None:
    short = "import sys; from tests.demo import __main__, play; play.DAY_SECONDS = 6; sys.exit(__main__.main())"

    demo = subprocess.run([sys.executable, "-c", short], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (demo.returncode, demo.stderr) == (1, ""), demo.stdout + demo.stderr
    assert "these commands did not end:" in demo.stdout
    assert re.search(
        r"^  partsbox: stock\.\w+ \w{20} is (waiting|ready|sending|in_doubt|delayed)", demo.stdout, re.MULTILINE
    )
    assert "NOT right" in demo.stdout
