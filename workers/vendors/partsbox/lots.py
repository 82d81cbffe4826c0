"""The lot operations of PartsBox: lot/get, lot/all and lot/update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import lots as wire
from workers.vendors.partsbox.wire.envelope import Nothing

if TYPE_CHECKING:
    from tasks.errors import Exchange
    from tasks.lots import Lot, UpdateLot
    from tasks.ports import Sending


class PartsBoxLots(Capability):
    """Lots at PartsBox; see `tasks.lots.LotPort`."""

    async def lots(self) -> tuple[Lot, ...]:
        return await self._client.ask("lot/all", Nothing(), wire.lots)

    async def lot(self, lot_id: str) -> Lot | None:
        return await self._client.find("lot/get", wire.LotId(lot_id=lot_id), wire.lot)

    async def update_lot(self, command: UpdateLot, sending: Sending) -> Exchange:
        request = wire.UpdateLot(
            lot_id=command.lot_id,
            created=command.created_ms,
            name=command.name,
            description=command.description,
            comments=command.new_comments,
            expiration_date=command.expiration_ms,
            tags=command.tags,
        )
        return await self._client.change("lot/update", request, sending)
