"""Bulk replays under test: begun, looked at, and time made to pass by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from tasks.dead_letter_records import Filter, RedriveState
from tasks.ledger import prefix_of

if TYPE_CHECKING:
    from tasks.dead_letter_records import Redrive
    from tests.integration.dead_letter_harness import Bench

#: Time is made to pass by hand: at this rate none of it passes by itself.
ONE_AN_HOUR: Final = 1 / 3600
HOUR_MS: Final = 3_600_000
FAST: Final = 100.0
PREFIX: Final = prefix_of("partsbox")


def part(number: int) -> str:
    return f"{number:026d}"


async def begun(bench: Bench, per_second: float = ONE_AN_HOUR, **wanted: Any) -> Redrive:
    (redrive,) = await bench.desk.redrive(Filter(**wanted), "anna", per_second)
    return redrive


async def now(bench: Bench, redrive: Redrive) -> Redrive:
    """Read how a bulk replay stands."""
    (found,) = [one for one in await bench.desk.redrives() if one.id == redrive.id]
    return found


async def pass_hours(bench: Bench, redrive: Redrive, hours: float = 1.0) -> None:
    await bench.redis.zadd(PREFIX + "redriving", {redrive.id: -hours * HOUR_MS}, xx=True, incr=True)


async def run_to_the_end(bench: Bench, redrive: Redrive) -> list[str]:
    """Let the hours pass until all is replayed; returns the keys in the order they were replayed."""
    for _ in range(redrive.total):
        await bench.ledgers["partsbox"].move_redrives()
        await pass_hours(bench, redrive)
    assert (await now(bench, redrive)).state is RedriveState.DONE
    events = cast("list[tuple[str, dict[str, str]]]", await bench.redis.xrange(PREFIX + "events"))
    return [fields["key"] for _, fields in events if fields["reason"].startswith("replayed by")]
