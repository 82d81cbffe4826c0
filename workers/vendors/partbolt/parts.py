"""The parts of PartBolt: parts/get."""

from __future__ import annotations

from typing import Any

from tasks.errors import RejectedError
from workers.vendors.partbolt import wire
from workers.vendors.partbolt.client import Capability


class PartBoltParts(Capability):
    """Parts at PartBolt."""

    async def part(self, item_id: str) -> dict[str, Any] | None:
        """Read a part as plain JSON, of a shape that the vendor does not document; None when there is none."""
        try:
            return await self._client.get("parts/get", {"id": item_id}, wire.part)
        except RejectedError as error:
            if error.code != "not-found":
                raise
            return None
