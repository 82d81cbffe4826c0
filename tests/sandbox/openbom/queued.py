"""Writes that were answered with 202 and are committed later, or never."""

import asyncio
from collections.abc import Callable


class QueuedWrites:
    """The waiting writes, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, commit: Callable[[], None], delay_seconds: float | None) -> None:
        """Keep a write, which waits for `commit_all`, or for that long at most when a delay is given."""
        self._waiting.append(commit)
        if delay_seconds is not None:
            asyncio.get_running_loop().call_later(delay_seconds, self._commit, commit)

    def commit_all(self) -> int:
        """Commit everything that waits, in order, and tell how many there were."""
        waiting = list(self._waiting)
        for commit in waiting:
            self._commit(commit)
        return len(waiting)

    def _commit(self, commit: Callable[[], None]) -> None:
        if commit in self._waiting:
            self._waiting.remove(commit)
            commit()
