"""What a run of many seeds shows: progress, a table of what must be 0, and what was found beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.simulation.examine import MUST_BE_0, fired_kinds

if TYPE_CHECKING:
    from collections import Counter

    from rich.console import RenderableType

    from tests.simulation.examine import Totals


def report(totals: Totals, seconds: float) -> Group:
    """Make what a person should see of a run that took so many seconds."""
    parts: list[RenderableType] = [_table(totals, seconds), _by_vendor(totals)]
    fired = ", ".join(f"{kind} {count}" for kind, count in fired_kinds(totals.fired.items()).items())
    parts.append(Text(f"troubles that came about: {fired or 'none'}"))
    parts += [Text(f"held at {vendor}: {count} with: {reason}") for (vendor, reason), count in _most(totals.held)]
    parts += [Text(f"{name.replace('_', ' ')}: {count}") for name, count in totals.shown.items() if count]
    parts += [Text(f"shows nothing: {why}", style="red") for why in totals.trivial()]
    return Group(*parts)


def as_json(totals: Totals, seconds: float) -> dict[str, Any]:
    """Give the same as JSON."""
    return {
        "seeds": totals.seeds,
        "commands": sum(totals.commands.values()),
        "commands_per_second": round(sum(totals.commands.values()) / seconds),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(totals.cpu_seconds, 1),
        "virtual_seconds": round(totals.virtual_seconds),
        "states": {f"{vendor} {state}": count for (vendor, state), count in sorted(totals.commands.items())},
        "requests": dict(totals.requests),
        "wrongs": {name: totals.wrongs[name] for name in MUST_BE_0},
        "shows_nothing": totals.trivial(),
        "held": {f"{vendor}: {reason}": count for (vendor, reason), count in _most(totals.held)},
        "fired": {f"{vendor} {kind}": count for (vendor, kind), count in sorted(totals.fired.items())},
        **totals.shown,
        "failing_seeds": [outcome.seed for outcome in totals.failing],
    }


def _table(totals: Totals, seconds: float) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("all")
    shown.add_column("", justify="right")
    commands = sum(totals.commands.values())
    shown.add_row("seeds", f"{totals.seeds:,}")
    shown.add_row("commands", f"{commands:,}")
    shown.add_row("commands a second", f"{commands / seconds:,.0f}")
    shown.add_row("troubles that came about", f"{sum(totals.fired.values()):,}")
    shown.add_row("held", f"{sum(totals.held.values()):,}")
    for name in MUST_BE_0:
        count = totals.wrongs[name]
        shown.add_row(name.replace("_", " "), f"[{'bold red' if count else 'green'}]{count:,}[/]")
    return shown


def _by_vendor(totals: Totals) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    states = sorted({state for _, state in totals.commands})
    shown.add_column("vendor")
    for name in ("requests", "effects", *(state.replace("_", " ") for state in states)):
        shown.add_column(name, justify="right")
    for vendor in sorted({vendor for vendor, _ in totals.commands}):
        counts = [totals.commands[vendor, state] for state in states]
        shown.add_row(vendor, *(f"{each:,}" for each in (totals.requests[vendor], totals.effects[vendor], *counts)))
    return shown


def _most(held: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(held.items(), key=lambda each: (-each[1], each[0]))
