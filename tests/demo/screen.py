"""What the demo shows: progress while the day is played, the table of counts after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType

    from rich.console import Console

    from tests.demo.verdict import Verdict

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
            self._console.print(f"[yellow]✗[/] {event}")
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
    """Print the table of counts, and below it everything that is wrong."""
    console.print(_table(verdict))
    for name, found in verdict.wrongs().items():
        for item in found:
            console.print(Text.assemble((f"{name.replace('_', ' ')}: ", "red"), item))


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
