"""Deletes the namespaces that a test run made when that run itself is killed, as tests/reaper.py does for processes.

Imported, it starts one small child and tells it about every namespace. Run as a script, it is that child: it reads
`+<name>` and `-<name>` lines until its standard input closes, which happens however the parent ends.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys


@functools.cache
def _pipe() -> int:
    reads, writes = os.pipe()
    # Its own session, so that Ctrl-C in the terminal reaches the tests and not the sweeper.
    child = subprocess.Popen([sys.executable, "-S", "-E", __file__], stdin=reads, start_new_session=True)
    child.returncode = 0  # it is meant to outlive us: no ResourceWarning about a running child at exit
    os.close(reads)
    return writes


def register(namespace: str) -> None:
    """From now on the namespace ends with this process."""
    os.write(_pipe(), f"+{namespace}\n".encode())


def forget(namespace: str) -> None:
    """The namespace is deleted."""
    os.write(_pipe(), f"-{namespace}\n".encode())


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    namespaces = set()
    for line in sys.stdin:
        if line[0] == "+":
            namespaces.add(line[1:].strip())
        else:
            namespaces.discard(line[1:].strip())
    for namespace in namespaces:
        subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


if __name__ == "__main__":
    _main()
