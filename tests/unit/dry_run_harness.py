"""Runs commands dry with invented records, and picks out of it what a test is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tasks.registry import parse_command
from tasks.routes import Routes
from workers.dry_run.assumptions import read_assumptions
from workers.dry_run.running import open_dry_runner

if TYPE_CHECKING:
    from workers.dry_run.running import DryRun

PART, SHELF, BIN, ORDER, LINE, OTHER = (letter * 26 for letter in "pshdnq")
EVENT_MS: Final = 1_700_000_000_000


async def dry(
    *asked: dict[str, Any],
    assume: dict[str, Any] | None = None,
    routes: Routes | None = None,
    environ: dict[str, str] | None = None,
) -> list[DryRun]:
    """Submit commands one after the other; each is an event of its own unless it says when it was."""
    assumptions = read_assumptions(json.dumps(assume or {}).encode())
    async with open_dry_runner(environ or {}, routes or Routes(), assumptions) as runner:
        found = []
        for number, fields in enumerate(asked):
            event = {"stock_timestamp": EVENT_MS + number, **fields}
            found.append(await runner.submit(parse_command(event.pop("kind"), event)))
        return found


def a_part(part_id: str = PART, **stock: int) -> dict[str, Any]:
    """Give a part with pieces by storage location: `shelf`, `bin`."""
    places = {"shelf": SHELF, "bin": BIN}
    entries = [
        {"stock/quantity": pieces, "stock/storage-id": places[name], "stock/timestamp": EVENT_MS - 9 + number}
        for number, (name, pieces) in enumerate(stock.items())
    ]
    return {"part/id": part_id, "part/name": f"part {part_id[:3]}", "part/stock": entries}


def moved(run: DryRun) -> list[tuple[str, str | None, int | None, int | None, int | None]]:
    """Give each change of stock as part, place, before, change, after."""
    return [(one.part_id, one.storage_id, one.before, one.delta, one.after) for one in run.stock]


def writes(run: DryRun) -> list[tuple[str, Any]]:
    """Give each write as the end of its address and its body."""
    return [
        ("/".join(request.url.rsplit("/", 2)[1:]), json.loads(request.body))
        for request in run.requests
        if request.changes
    ]
