"""Stations killed while they work: forks of this process, which has imported everything, so that a start costs little.

`python -m tests.acceptance.station_kills ROUNDS ARGUMENTS…` runs so many stations one after the other, kills each at
another moment, and prints for each the keys that it called stored, as a JSON list.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from producers.scanner.main import main
from tests.acceptance.station_harness import moves

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Scanned in each round; all of it is in the pipe before the station is killed.
MOVES: Final = 20


def killed(arguments: Sequence[str], round_: int) -> list[str]:
    """Run one station, kill it and give the keys that it called stored."""
    scans, to_scan = os.pipe()
    screen, to_screen = os.pipe()
    station = os.fork()
    if station == 0:
        _become(arguments, scans, to_screen, others=(to_scan, screen))
    for descriptor in (scans, to_screen):
        os.close(descriptor)
    os.write(to_scan, moves(round_ * MOVES, round_ * MOVES + MOVES))
    stored: list[str] = []
    with os.fdopen(screen, "rb") as lines:
        # another moment each round: while scanning, while delivering, after the last scan
        left = {"stored": 1 + round_ * 7 % MOVES, "sent": round_ % 4}
        for line in lines:
            _note(line, stored, left)
            if max(left.values()) <= 0:
                break
        else:
            raise SystemExit(f"round {round_}: the station ended by itself")
        os.kill(station, signal.SIGKILL)
        for line in lines:
            _note(line, stored, left)
    os.close(to_scan)
    _, status = os.waitpid(station, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit(f"round {round_}: the station was not killed")
    return stored


def _become(arguments: Sequence[str], scans: int, screen: int, *, others: Sequence[int]) -> None:
    """Be a station from now on."""
    try:
        os.dup2(scans, sys.stdin.fileno())
        os.dup2(screen, sys.stdout.fileno())
        for descriptor in (scans, screen, *others):
            os.close(descriptor)
        main(list(arguments))
    finally:
        os._exit(os.EX_SOFTWARE)


def _note(line: bytes, stored: list[str], left: dict[str, int]) -> None:
    if not line.endswith(b"\n"):
        return  # a killed station may leave half a line
    told = json.loads(line)
    if told.get("tone") == "stored":
        stored.append(told["key"])
        left["stored"] -= 1
    if told["event"] == "command" and told["state"] == "sent":
        left["sent"] -= 1


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        sys.stdout.write(json.dumps(killed(sys.argv[2:], number)) + "\n")
        sys.stdout.flush()
