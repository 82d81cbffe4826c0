"""`make demo`: the whole system plays a short warehouse day with faults, then every command is counted."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.demo.play import Player
from tests.demo.scenario import STATIONS, plan_day
from tests.demo.verdict import Verdict, judge
from tests.stack import API_CLIENT, API_TOKEN, Stack

if TYPE_CHECKING:
    from collections import Counter

#: What the sandbox vendor allows, and what the worker is told: the same figures.
RATE_PER_SECOND, BURST, CONCURRENCY = 15, 5, 4
SANDBOX_OPTIONS = (
    *("--seed-fixture", "warehouse", "--rate", f"{RATE_PER_SECOND}/s", "--burst", str(BURST)),
    *("--concurrency", str(CONCURRENCY), "--read-latency-ms", "10-20", "--write-latency-ms", "40-80"),
)
SETTINGS = {
    "STOCKRELAY_PARTSBOX_RATES": f"{RATE_PER_SECOND}/1s+{BURST}",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": str(CONCURRENCY),
    # short, so that a lost request is decided within the demo; the vendor commits at once or never
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "2",
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "5",
    "STOCKRELAY_PARTSBOX_USER": "relay",
    "STOCKRELAY_WORKER_LEASE_SECONDS": "3",
    "STOCKRELAY_WEBHOOKS_TOKENS": ",".join(
        f"{client}:{token}" for client, token in {API_CLIENT: API_TOKEN, **STATIONS}.items()
    ),
}
BAR_WIDTH = 40


def main() -> int:
    """Play and count; 0 only if everything is right."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything up after the count, until Ctrl-C")
    options = parser.parse_args()
    console = Console()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stockrelay-demo-") as name:
        folder = Path(name)
        console.print("Starting Redis, a sandbox vendor, a worker, the command API and Flower …")
        with Stack(folder, flower=True, settings=SETTINGS, sandbox_options=SANDBOX_OPTIONS, environment={}) as stack:
            verdict = _play(console, stack, folder)
            console.print(_table(verdict))
            _print_wrongs(console, verdict)
            word = "[bold green]all right[/]" if verdict.is_right else "[bold red]NOT right[/]"
            console.print(f"{word} after {time.monotonic() - started:.0f} s")
            if options.stay:
                _stay(console, stack)
    if not options.stay:
        console.print("Flower showed one row for each command: `make demo ARGS=--stay` keeps it open, `make run` too.")
    return 0 if verdict.is_right else 1


def _play(console: Console, stack: Stack, folder: Path) -> Verdict:
    day = plan_day(int(time.time() * 1000))
    player = Player(stack, day, folder)
    total = sum(day.commands.values())
    console.print(f"{len(STATIONS)} stations scan and a kanban system calls: {total} commands that change stock")
    console.print(f"Flower for this run: {stack.flower_url}  login: {stack.flower_login}")
    told = 0
    with Live(console=console, refresh_per_second=10) as live:

        def show(counts: Counter[str], events: list[str]) -> None:
            nonlocal told
            for event in events[told:]:
                live.console.print(f"[yellow]✗[/] {event}")
            told = len(events)
            live.update(_progress(counts, total + 2))

        player.play(show)
    console.print()
    return judge(player)


def _progress(counts: Counter[str], total: int) -> Group:
    applied = counts["applied"]
    states = "  ".join(f"{state} {count}" for state, count in counts.items() if count)
    return Group(ProgressBar(total=total, completed=min(applied, total), width=BAR_WIDTH), Text(states))


def _table(verdict: Verdict) -> Table:
    table = Table(title="every command against the vendor's journal", title_justify="left")
    for heading, justify in (("command", "left"), ("planned", "right"), ("applied once", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich wants a literal
    for kind in sorted(verdict.planned):
        table.add_row(kind, str(verdict.planned[kind]), str(verdict.applied[kind]))
    table.add_section()
    table.add_row("all", str(verdict.planned.total()), str(verdict.applied.total()))
    table.add_section()
    table.add_row("submitted again, changed nothing", str(verdict.repeats), "")
    for name, found in verdict.wrongs().items():
        style = "green" if not found else "bold red"
        table.add_row(name.replace("_", " "), "0", f"[{style}]{len(found)}[/]")
    return table


def _print_wrongs(console: Console, verdict: Verdict) -> None:
    for name, found in verdict.wrongs().items():
        for item in found:
            console.print(f"[red]{name.replace('_', ' ')}:[/] {item}", markup=True, highlight=False)


def _stay(console: Console, stack: Stack) -> None:
    console.print(f"Flower: {stack.flower_url}  login: {stack.flower_login}\nCtrl-C ends everything.")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("bye")


if __name__ == "__main__":
    sys.exit(main())
