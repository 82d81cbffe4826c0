"""The real reconciler beside a real relay, against the sandboxes, and what it found in short."""

from __future__ import annotations

import shlex
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.records import State
from tasks.submit import now_ms
from tests.relay import running_relay
from workers.cli.field_values import field_pair
from workers.cli.submission import from_words
from workers.reconciler.reconciling import Reconciler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.relay import Relay
    from tests.sandbox.server import Sandbox
    from workers.reconciler.findings import Difference, Finding, Offer, Report

COLLEAGUE: Final = "colleague"
DAY_MS: Final = 86_400_000


@dataclass
class Warehouse:
    """Workers of one or more vendors, and the reconciler that looks at what they did."""

    relay: Relay
    redis: Redis

    async def apply(self, *commands: Command) -> list[CommandRecord]:
        """Have commands applied, one after another."""
        return [await self.relay.until(await self.relay.submit(command)) for command in commands]

    def reconciler(self, vendor: str, **changes: Any) -> Reconciler:
        executor = self.relay.executors[vendor]
        given = {
            "retention_days": 30,
            "user": executor.user,
            "patience_seconds": 60.0,
            "second_look_seconds": 0.0,
            **changes,
        }
        return Reconciler(self.redis, vendor, executor.port, executor.outcomes.pause, **given)

    async def reconcile(self, vendor: str, *, since_ms: int | None = None, **changes: Any) -> Report:
        begin = now_ms() - DAY_MS if since_ms is None else since_ms
        return await self.reconciler(vendor, **changes).run(begin)


@asynccontextmanager
async def warehouse(redis: Redis, *sandboxes: Sandbox[Any], **changes: Any) -> AsyncIterator[Warehouse]:
    """Run workers for the sandboxes."""
    async with running_relay(redis, *sandboxes, **changes) as relay:
        yield Warehouse(relay, redis)


def command_of(offer: Offer) -> Command:
    """Read an offered line as the operator's shell and program do."""
    program, submit, kind, *fields = shlex.split(offer.line())
    assert (program, submit) == ("stockrelay", "submit")
    (given,) = from_words(kind, [field_pair(word) for word in fields])
    return given.command


async def put_right(house: Warehouse, *differences: Difference) -> None:
    """Submit what is offered, as a person would who agrees with it."""
    for difference in differences:
        for offer in difference.offers:
            (record,) = await house.apply(command_of(offer))
            assert record.state is State.APPLIED, record.reason


def summed(report: Report) -> list[tuple[Finding, str]]:
    """Give what was found, and about what."""
    return [(difference.finding, difference.subject) for difference in report.differences]


def only(report: Report) -> Difference:
    """Give the only difference; fails where there are others, or something could not be compared."""
    assert not report.uncompared, report.uncompared
    (difference,) = report.differences
    return difference
