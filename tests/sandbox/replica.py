"""A replica that reads are answered from: it has a commit only some time after it was made."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.sandbox.faults import Fault, Faults

STALE_READ = "stale_read"

Tables = dict[str, Any]


class Replica:
    """What the vendor's tables held before its last commits, kept as long as a switch makes reads stale."""

    def __init__(self, faults: Faults, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._clock = clock
        #: when a commit was made, and what there was before; oldest first
        self._before: list[tuple[float, Tables]] = []

    @contextmanager
    def read_as(self, fault: Fault | None, tables: Tables) -> Iterator[None]:
        """Let the tables be as they were `lag_seconds` ago while a stale read is answered."""
        found = None if fault is None else self._as_of(self._clock() - fault.options["lag_seconds"])
        if found is None:
            yield
            return
        now = dict(tables)
        tables.clear()
        tables.update(found)
        try:
            yield
        finally:
            tables.clear()
            tables.update(now)

    def keep(self, tables: Tables) -> None:
        """Note what there is before a commit; nothing unless reads may be stale."""
        if any(switch.kind == STALE_READ for switch in self._faults.switches):
            self._before.append((self._clock(), _copied(tables)))

    def _as_of(self, moment: float) -> Tables | None:
        return next((tables for committed_at, tables in self._before if committed_at > moment), None)


def _copied(tables: Tables) -> Tables:
    # one memo for all: what two tables share stays shared; a clock is no table
    memo: dict[int, Any] = {}
    return {name: value if callable(value) else copy.deepcopy(value, memo) for name, value in tables.items()}
