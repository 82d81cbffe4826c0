"""Ends the process groups a test run started when that run itself is killed (SIGKILL, a timeout's hard exit).

Imported, it starts one small child and tells it about every group. Run as a script, it is that child: it reads
`+<pgid>` and `-<pgid>` lines until its standard input closes, which happens however the parent ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys


@functools.cache
def _pipe() -> int:
    reads, writes = os.pipe()
    # Its own session, so that Ctrl-C in the terminal reaches the tests and not the reaper.
    child = subprocess.Popen([sys.executable, "-S", "-E", __file__], stdin=reads, start_new_session=True)
    child.returncode = 0  # it is meant to outlive us: no ResourceWarning about a running child at exit
    os.close(reads)
    return writes


def register(group: int) -> None:
    """From now on the process group dies with this process."""
    _tell(f"+{group}\n")


def forget(group: int) -> None:
    """The group has ended; its number may belong to somebody else from now on."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    os.write(_pipe(), line.encode())


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups = set()
    for line in sys.stdin:
        if line[0] == "+":
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    _main()
