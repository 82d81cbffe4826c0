"""The work of a task as a function that blocks: urllib3, which costs less than requests, connections kept open."""

from __future__ import annotations

import urllib3

from tests.benchmarks.peers.calls import TIMEOUT_SECONDS, urls

#: Of one process, for all its threads; as many connections as the most concurrent peer has tasks.
_pool = urllib3.PoolManager(maxsize=128, timeout=TIMEOUT_SECONDS, retries=False)


def work(number: int, calls: int) -> None:
    """Make the task's calls; RuntimeError if the vendor does not answer with a success."""
    for url in urls(number, calls):
        answer = _pool.request("GET", url)
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status}")
