"""Killed again and again while it stores: every key that was acknowledged is there, once, and nothing is damaged."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from producers.outbox import Outbox, OutboxState
from tests.backing import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KILLS: Final = 25
#: Stores singly and in groups, in lanes, and prints each key once it is acknowledged; now and then it delivers.
CHILD: Final = """
import sys
from pathlib import Path
from producers.outbox import Capture, Outbox

prefix = sys.argv[2]
with Outbox(Path(sys.argv[1]), "ST-01") as outbox:
    for number in range(1_000_000):
        names = [f"{prefix}-{number}-{place}" for place in range(1 + number % 4)]
        outbox.store(*(Capture(name, (f"lane {number % 7}",), number, "{}", name) for name in names))
        sys.stdout.write("".join(f"{name}\\n" for name in names))
        sys.stdout.flush()
        if number % 5 == 4:
            batch = outbox.offer(outbox.due(3))
            outbox.mark_sent(*batch)
            sys.stdout.write("".join(f"sent {one.key}\\n" for one in batch))
"""


@pytest.mark.slow
def test_a_process_killed_25_times_while_it_stores_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ST-01.sqlite3"
    acknowledged: list[str] = []
    for round_ in range(KILLS):
        acknowledged += _store_until_killed(path, f"r{round_}", random.randrange(1, 120))

    stored = [line for line in acknowledged if not line.startswith("sent ")]
    sent = {line.removeprefix("sent ") for line in acknowledged if line.startswith("sent ")}
    assert len(stored) == len(set(stored)) > KILLS
    with Outbox(path, "ST-01") as outbox:
        assert outbox.damaged is None
        rows = list(outbox.every_row())
        keys = [one.key for one in rows]
        assert len(keys) == len(set(keys))
        assert set(stored) <= set(keys)
        # at most the one group of each round whose acknowledgement was cut off
        assert len(set(keys) - set(stored)) <= 4 * KILLS
        assert sent <= {one.key for one in rows if one.state is OutboxState.SENT}
        while batch := outbox.due(500):
            outbox.mark_sent(*batch)
        assert outbox.count_undelivered() == 0


def _store_until_killed(path: Path, prefix: str, lines: int) -> list[str]:
    """Give every whole line that the child printed; it is killed somewhere behind so many."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), prefix], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        try:
            printed = [child.stdout.readline() for _ in range(lines)]
        finally:
            child.kill()
        printed += child.stdout.readlines()
    assert child.returncode == -9
    return [line.removesuffix("\n") for line in printed if line.endswith("\n")]
