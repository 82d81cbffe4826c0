"""The executor in this process before a vendor in this process: quick, and each of them within a test's reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.chaos.books import Books, eventually
from tests.sandbox.partsbox.operations import Caller

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox, RequestRecord


class Desk(Books):
    """A relay and its vendor."""

    def __init__(self, redis: Redis, relay: Relay, sandbox: PartsBoxSandbox) -> None:
        super().__init__(redis)
        self.relay = relay
        self.sandbox = sandbox

    def load(self, fixture: dict[str, Any]) -> None:
        self.sandbox.load.load(fixture)

    def effects(self, part_id: str) -> list[tuple[str, str | None]]:
        return [
            (effect.operation, effect.marker)
            for effect in self.sandbox.journal.own_effects()
            if part_id in {leg.part_id for leg in effect.legs}
        ]

    def requests(self, operation: str, part_id: str) -> list[RequestRecord]:
        """The requests of one operation that were about the part."""
        requests = self.sandbox.journal.requests_of(operation)
        return [request for request in requests if f"part:{part_id}" in request.subjects]

    async def until_at_gate(self, name: str) -> None:
        await eventually(lambda: self.sandbox.gates[name].waiting > 0, f"a request stands at the gate {name}")

    def colleague_writes(self, operation: str, parameters: dict[str, Any]) -> None:
        """Let someone else who knows no markers change the vendor's stock."""
        self.sandbox.vendor.perform(operation, parameters, Caller("colleague"), foreign=True)
