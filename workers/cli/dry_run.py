"""A dry run for people and as JSON: each command with its requests, what they rest on, and the stock after them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tasks.effects import Effect
from tasks.routes import ROUTING
from tasks.settings import SettingsError
from workers.cli.relay import ConfigurationError
from workers.cli.screen import Screen, print_json
from workers.dry_run.assumptions import NOTHING_KNOWN, AssumptionsError, read_assumptions
from workers.dry_run.books import StockChange
from workers.dry_run.recording import Purpose
from workers.dry_run.running import Outcome, open_dry_runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.commands import Command
    from tasks.routes import Routes
    from workers.cli.screen import Cell
    from workers.dry_run.recording import SentRequest
    from workers.dry_run.running import DryRun

_NOT_KNOWN: Final = "not known"
_GOOD: Final = frozenset({Outcome.SENT, Outcome.NOTHING_TO_SEND, Outcome.EXPANDED})
_OUTCOMES: Final = {
    Outcome.SENT: "would be sent",
    Outcome.NOTHING_TO_SEND: "nothing to send",
    Outcome.REJECTED: "would be rejected",
    Outcome.HELD: "would be held",
    Outcome.POSTPONED: "would be tried again later",
    Outcome.EXPANDED: "becomes these commands",
    Outcome.NOT_KNOWN: "depends on what is not known",
}
_PURPOSES: Final = {
    Purpose.BEFORE: "Read before",
    Purpose.WRITE: "Sent",
    Purpose.PROOF: "Read for the receipt",
    Purpose.LOOK_UP: "Read if the answer is lost",
}
#: What is done after an unknown outcome, by the effect (design: it alone decides how a write may be repeated).
_LOOK_UPS: Final = {
    Effect.SET: "read and compared; sent again, unless it is as asked or someone else has changed it",
    Effect.UPSERT: "read and compared; sent again, unless it is as asked",
    Effect.CREATE: "looked for by its marker or its name; sent again only when it is not there",
    Effect.GUARDED: "the state that limits it is read; sent again only while that is as before",
    Effect.RELATIVE: "its marker is looked for; sent again only when it is not there, held when nobody can tell",
    Effect.EXPAND: "nothing is written; what it reads may be read again",
}


async def show_dry_run(commands: Sequence[Command], routes: Routes, assume: bytes | None, *, in_json: bool) -> bool:
    """Print what would become of the commands, in their order; tell whether each would be applied.

    Raises ConfigurationError where the settings, or the file of assumptions, cannot be used.
    """
    try:
        assumptions = NOTHING_KNOWN if assume is None else read_assumptions(assume)
    except AssumptionsError as error:
        raise ConfigurationError(f"--assume: {error}") from None
    try:
        async with open_dry_runner(os.environ, routes, assumptions) as runner:
            runs = [await runner.submit(command) for command in commands]
    except SettingsError as error:
        raise ConfigurationError(str(error)) from None
    every = list(_all(runs))
    changes = [change for run in every for change in run.stock]
    if in_json:
        print_json({"commands": [as_json(run) for run in runs], "stock": [_stock_json(one) for one in summed(changes)]})
    else:
        _tell(runs, changes, Screen())
    return all(run.outcome in _GOOD and not run.unknown for run in every)


def summed(changes: Sequence[StockChange]) -> list[StockChange]:
    """Add up what happens at each place, from before the first change to after the last."""
    found: dict[tuple[str, str | None, str | None], StockChange] = {}
    for change in changes:
        place = change.part_id, change.storage_id, change.lot_id
        first = found.get(place)
        delta = change.delta if first is None else _sum(first.delta, change.delta)
        found[place] = StockChange(*place, (first or change).before, delta)
    return list(found.values())


def as_json(run: DryRun) -> dict[str, Any]:
    """Give a dry run ready for JSON, with stable keys."""
    return {
        "key": run.key,
        "kind": run.kind,
        "vendor": run.vendor,
        "summary": run.summary,
        "outcome": run.outcome.value,
        "reason": run.reason,
        "command": json.loads(run.asked),
        "lanes": list(run.lanes),
        "effect": run.effect.value,
        "look_up": _LOOK_UPS[run.effect],
        "limits": {
            "rates": [str(rate) for rate in run.policy.rates],
            "concurrency": run.policy.concurrency,
            "settle_seconds": run.settle_seconds,
        },
        "supposed": list(run.supposed),
        "unknown": list(run.unknown),
        "note": run.note,
        "requests": [_request_json(request) for request in run.requests],
        "stock": [_stock_json(change) for change in run.stock],
        "children": [as_json(child) for child in run.children],
    }


def _all(runs: Sequence[DryRun]) -> Iterator[DryRun]:
    for run in runs:
        yield run
        yield from _all(run.children)


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _request_json(request: SentRequest) -> dict[str, Any]:
    return {
        "purpose": request.purpose.value,
        "changes": request.changes,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode(),
    }


def _stock_json(change: StockChange) -> dict[str, Any]:
    return {**asdict(change), "after": change.after}


def _tell(runs: Sequence[DryRun], changes: Sequence[StockChange], screen: Screen) -> None:
    screen.line("Dry run: nothing is sent to a vendor, nothing is stored.")
    for run in runs:
        _tell_run(run, screen)
    if changes:
        screen.title("Stock expected after it")
        rows = [_place(change) for change in summed(changes)]
        screen.table(("PART", "STORAGE", "LOT", "BEFORE", "CHANGE", "AFTER"), rows)


def _tell_run(run: DryRun, screen: Screen) -> None:
    screen.line()
    screen.title(f"{run.key or 'key not known'}  {run.kind}  {_OUTCOMES[run.outcome]}")
    screen.facts(_facts(run))
    for request in run.requests:
        screen.line(f"  {_PURPOSES[request.purpose]}: {request.method} {request.url}")
        if request.changes:
            screen.facts(request.headers.items(), indent=4)
        if request.body:
            screen.facts([("body", request.body.decode())], indent=4)
    for child in run.children:
        _tell_run(child, screen)


def _facts(run: DryRun) -> Iterator[tuple[str, Cell]]:
    yield "what", run.summary
    if run.reason:
        yield "reason", run.reason
    yield "vendor", _pace(run)
    yield "lanes", ", ".join(run.lanes)
    yield "effect", run.effect.value
    writes = run.effect is not Effect.EXPAND
    yield "look-up", _LOOK_UPS[run.effect] + (f" (until {run.settle_seconds:g} s after it)" if writes else "")
    for supposed in run.supposed:
        yield "supposed", supposed
    for unknown in run.unknown:
        yield "not known", unknown
    if run.note:
        yield "note", run.note


def _pace(run: DryRun) -> str:
    if run.vendor == ROUTING:
        return "none is asked"
    rates = ", ".join(map(str, run.policy.rates)) or "none"
    return f"{run.vendor}, rates {rates}, {run.policy.concurrency} at once (by the settings here)"


def _place(change: StockChange) -> tuple[str, ...]:
    delta = _NOT_KNOWN if change.delta is None else f"{change.delta:+d}"
    counts = (_NOT_KNOWN if count is None else str(count) for count in (change.before, change.after))
    before, after = counts
    return change.part_id, change.storage_id or _NOT_KNOWN, change.lot_id or "", before, delta, after
