"""What the demo shows: progress while the day is played, the table of counts after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.demo.counting import Wrongs
from tests.demo.scenario import PARTIUM, VENDORS

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType

    from rich.console import Console

    from tests.demo.verdict import Verdict

#: Columns of the second table. That a fault never fired is about the demo, not the system: only told when it is so.
MUST_BE_0 = tuple(name for name in Wrongs().counts() if name != "fault_not_fired")
BAR_WIDTH = 40
#: Where nothing can be drawn over (a pipe, a dumb terminal), the counts get a line of their own this often.
LINE_SECONDS = 2.0


class Screen:
    """Shows the day while the block runs: a bar and counts that move, or one line after another in a pipe."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._told = 0
        self._line_at = time.monotonic()
        self._moves = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, refresh_per_second=10)

    def show(self, counts: Counter[str], events: list[str]) -> None:
        """Show the commands by state, and the events that were not yet told."""
        for event in events[self._told :]:
            self._console.print(f"[yellow]•[/] {event}")
            self._told += 1
        if self._moves:
            self._live.update(Group(self._bar(counts["applied"]), _line(counts)))
        elif time.monotonic() - self._line_at >= LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(_line(counts))

    def _bar(self, applied: int) -> Padding:
        # the padding gives the bar a line of its own
        return Padding(ProgressBar(total=self._total, completed=min(applied, self._total), width=BAR_WIDTH))

    def __enter__(self) -> Self:
        if self._moves:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moves:
            self._live.stop()
        self._console.print()


def _line(counts: Counter[str]) -> Text:
    return Text("  ".join(f"{state} {count}" for state, count in counts.items() if count))


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print the tables of counts, what the day took, and everything that is wrong."""
    console.print(_commands(verdict))
    console.print(_wrongs(verdict))
    catalog = sum(count for (vendor, _), count in verdict.applied.items() if vendor == PARTIUM)
    console.print(
        f"{catalog} commands to Partium's catalog took {verdict.catalog_writes} write requests, "
        f"up to {verdict.largest_batch} in one."
    )
    console.print(f"OpenBOM saw {verdict.logins} logins. {verdict.repeats} commands came twice and changed nothing.")
    for vendor, wrongs in verdict.wrongs.items():
        for name, found in wrongs.counts().items():
            for item in found:
                console.print(Text.assemble((f"{vendor}, {name.replace('_', ' ')}: ", "red"), item))


def _commands(verdict: Verdict) -> Table:
    """Make the table of what was planned, a row for each kind."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (("vendor", "left"), ("command", "left"), ("planned", "right"), ("applied once", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich wants a literal
    for vendor in VENDORS:
        kinds = sorted(kind for found, kind in {*verdict.planned, *verdict.applied} if found == vendor)
        for number, kind in enumerate(kinds):
            counts = verdict.planned[vendor, kind], verdict.applied[vendor, kind]
            style = "" if counts[0] == counts[1] else "bold red"
            table.add_row("" if number else vendor, kind, *map(str, counts), style=style)
    table.add_row("all", "", str(verdict.planned.total()), str(verdict.applied.total()), style="bold")
    return table


def _wrongs(verdict: Verdict) -> Table:
    """Make the table of what must be 0, by the vendors' own books: a row for each vendor."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("vendor")
    for name in ("HTTP requests", *(name.replace("_", " ") for name in MUST_BE_0)):
        table.add_column(name, justify="right")
    for vendor in VENDORS:
        counts = verdict.wrongs[vendor].counts()
        table.add_row(vendor, str(verdict.requests[vendor]), *(_zero(len(counts[name])) for name in MUST_BE_0))
    return table


def _zero(count: int) -> str:
    return f"[{'bold red' if count else 'green'}]{count}[/]"
