"""`python -m tests.benchmarks.peers MODULE FIRST COUNT CALLS`: give a peer tasks FIRST and on, of CALLS calls each."""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Enqueue by the peer's own client; returns when the broker has them all."""
    module, first, count, calls = sys.argv[1:]
    peer = importlib.import_module(f"tests.benchmarks.peers.{module}")
    peer.enqueue(range(int(first), int(first) + int(count)), int(calls))


if __name__ == "__main__":
    main()
