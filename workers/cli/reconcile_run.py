"""Comparing the vendors from the command line: with their secrets, and each behind its own limits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tasks.redis_client import server_ms
from tasks.settings import SettingsError
from workers.adapters import close_adapter, open_adapter
from workers.cli.relay import ConfigurationError, Relay
from workers.outcomes import Outcomes
from workers.reconciler.findings import Report, Uncompared
from workers.reconciler.reconciling import Reconciler
from workers.settings import Settings
from workers.vendor_settings import PartsBoxSettings
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A person waits; the schedule has more patience.
PATIENCE_SECONDS: Final = 30.0


async def compare_vendors(relay: Relay, chosen: Sequence[str], since_ms: int) -> list[Report]:
    """Compare each vendor that has its secrets here.

    One without is told of only where it has commands; asked for by itself, it raises ConfigurationError.
    """
    try:
        settings = Settings.from_environment(os.environ)
        if len(chosen) == 1:
            settings.served(chosen[0])
    except SettingsError as error:
        raise ConfigurationError(str(error)) from None
    reports = []
    for vendor in chosen:
        if vendor in settings.vendors:
            reports.append(await _compare(relay, settings, vendor, since_ms))
        elif await relay.ledger(vendor).counts():
            reports.append(await _not_compared(relay, vendor, since_ms))
    return reports


async def _compare(relay: Relay, settings: Settings, vendor: str, since_ms: int) -> Report:
    chosen, limiter = settings.vendors[vendor], relay.limiter(vendor)
    async with open_session() as session:
        adapter = open_adapter(chosen, session, limiter, relay.redis)
        try:
            reconciler = Reconciler(
                relay.redis,
                vendor,
                adapter,
                Outcomes(relay.ledger(vendor), limiter).pause,
                retention_days=relay.ledger_settings.retention_days,
                user=chosen.user if isinstance(chosen, PartsBoxSettings) else None,
                patience_seconds=PATIENCE_SECONDS,
            )
            return await reconciler.run(since_ms)
        finally:
            await close_adapter(adapter)
            await limiter.aclose()  # else its last slot may stay taken


async def _not_compared(relay: Relay, vendor: str, since_ms: int) -> Report:
    now_ms = await server_ms(relay.redis)
    gap = Uncompared(
        vendor, f"STOCKRELAY_{vendor.upper()}_…: its secrets are not set here; run it where its worker runs"
    )
    return Report(vendor, since_ms, now_ms, now_ms, 0, 0, uncompared=(gap,))
