"""Keeping the leases of running commands alive: one call for all of them, three times a lease."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.ledger import Ledger

logger = logging.getLogger(__name__)

#: Two renewals may fail before a lease ends.
RENEWALS_PER_LEASE: Final = 3


class Leases:
    """The leases this process holds at one vendor's ledger."""

    def __init__(self, ledger: Ledger, lease_seconds: float) -> None:
        self.ledger = ledger
        self._owners: dict[str, str] = {}
        self.lease_seconds = lease_seconds

    @contextmanager
    def held(self, key: str, owner: str) -> Iterator[None]:
        """Renew the command's lease while the block runs."""
        self._owners[key] = owner
        try:
            yield
        finally:
            if self._owners.get(key) == owner:
                del self._owners[key]

    def __len__(self) -> int:
        return len(self._owners)

    async def keep(self) -> None:
        """Renew for ever. A lease that was lost is no longer renewed; the ledger refuses its owner's next step."""
        while True:
            await asyncio.sleep(self.lease_seconds / RENEWALS_PER_LEASE)
            await self._renew()

    async def _renew(self) -> None:
        if not self._owners:
            return
        owners = dict(self._owners)
        try:
            lost = await self.ledger.renew(owners, self.lease_seconds)
        except RedisError as error:
            logger.warning(telemetry.LEASES_NOT_RENEWED, extra={"vendor": self.ledger.vendor, "error": repr(error)})
            return
        for key in lost:
            if self._owners.get(key) == owners[key]:
                del self._owners[key]
            # often a command that settled meanwhile; a real loss is told by the refused step
            logger.debug(telemetry.LEASE_LOST, extra={"vendor": self.ledger.vendor, "key": key})
