"""Whole histories of PartsBox: part/all and part/get, each part with its stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import histories as wire
from workers.vendors.partsbox.wire.envelope import Nothing
from workers.vendors.partsbox.wire.stock import GetPart

if TYPE_CHECKING:
    from workers.vendors.partsbox.wire.histories import PartHistory


class PartsBoxHistories(Capability):
    """Parts with their stock histories at PartsBox."""

    async def part_histories(self) -> tuple[PartHistory, ...]:
        """Read every part with its stock: one answer, however large; a list may leave the stock out."""
        return await self._client.ask("part/all", Nothing(), wire.histories)

    async def part_history(self, part_id: str) -> PartHistory | None:
        """Read a part with its stock; None when there is none."""
        return await self._client.find("part/get", GetPart(part_id=part_id), lambda body: wire.history(body, part_id))
