"""Keeping the leases of running commands alive: one call for all of them, three times a lease."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.errors import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.ledger import Ledger

logger = logging.getLogger(__name__)

#: Two renewals may fail before a lease ends.
RENEWALS_PER_LEASE: Final = 3


class Leases:
    """The leases this process holds at one vendor's ledger."""

    def __init__(self, ledger: Ledger, lease_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ledger = ledger
        self.lease_seconds = lease_seconds
        self.clock = clock
        self._owners: dict[str, str] = {}
        #: owner -> when its lease surely still holds, by this machine's clock
        self._until: dict[str, float] = {}

    @contextmanager
    def held(self, key: str, owner: str, asked_at: float) -> Iterator[None]:
        """Renew the command's lease while the block runs. `asked_at`: this clock before the claim was asked for."""
        self._owners[key] = owner
        self._until[owner] = asked_at + self.lease_seconds
        try:
            yield
        finally:
            if self._owners.get(key) == owner:
                del self._owners[key]
            del self._until[owner]

    def holds(self, owner: str) -> bool:
        """Tell without asking Redis whether the owner's lease surely holds: false in a process that was frozen."""
        return self.clock() < self._until.get(owner, -math.inf)

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
        asked_at = self.clock()
        try:
            lost = await self.ledger.renew(owners, self.lease_seconds)
        except RedisError as error:
            logger.warning(telemetry.LEASES_NOT_RENEWED, extra={"vendor": self.ledger.vendor, "error": told(error)})
            return
        except Exception:
            # whatever it is: without this loop every running command would lose its lease
            logger.exception(telemetry.LOOP_BROKEN, extra={"vendor": self.ledger.vendor, "loop": "leases"})
            return
        for key, owner in owners.items():
            if key not in lost and owner in self._until:
                self._until[owner] = asked_at + self.lease_seconds
        for key in lost:
            if self._owners.get(key) == owners[key]:
                del self._owners[key]
            # often a command that settled meanwhile; a real loss is told by the refused step
            logger.debug(telemetry.LEASE_LOST, extra={"vendor": self.ledger.vendor, "key": key})
