"""Named gates at which requests wait until a test lets them through."""

from dataclasses import dataclass

from tests.sandbox.changes import Changes


@dataclass
class Gate:
    """One gate; closed until opened, and it can be closed again."""

    changes: Changes
    is_open: bool = False
    #: requests that ever came
    arrived: int = 0
    #: requests that stand here now
    waiting: int = 0

    async def passage(self) -> None:
        """Wait at the gate until it is open."""
        self.arrived += 1
        self.waiting += 1
        self.changes.announce()
        try:
            await self.changes.until(lambda: self.is_open)
        finally:
            self.waiting -= 1
            self.changes.announce()

    def open(self) -> None:
        """Let everyone through, now and later."""
        self.is_open = True
        self.changes.announce()

    def close(self) -> None:
        """Make the next ones wait again."""
        self.is_open = False

    async def until_arrived(self, count: int = 1, timeout_seconds: float = 10) -> None:
        """Wait until this many requests ever came here; raises TimeoutError."""
        await self.changes.until(lambda: self.arrived >= count, timeout_seconds)


class Gates:
    """All gates by name; a gate exists as soon as someone names it."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._gates: dict[str, Gate] = {}

    def __getitem__(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate(self._changes))

    def describe(self) -> dict[str, dict[str, bool | int]]:
        """Give every gate as JSON."""
        return {
            name: {"open": gate.is_open, "arrived": gate.arrived, "waiting": gate.waiting}
            for name, gate in self._gates.items()
        }
