"""What the operator sees: text that wraps and carries no control characters, or JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tasks.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

Cell = str | Text

#: Where no terminal says otherwise: a key, a state, a kind and a sentence fit beside one another.
PIPED_COLUMNS: Final = 100
#: Below this a table is one word a line.
MIN_COLUMNS: Final = 40
#: Stands for the state of a command whose record cannot be read.
DAMAGED: Final = "damaged"
_MINUTE_SECONDS: Final = 60
_HOUR_SECONDS: Final = 3_600
_DAY_SECONDS: Final = 86_400
_COLOURS: Final = {
    State.APPLIED: "green",
    State.REJECTED: "red",
    State.HELD: "red",
    State.IN_DOUBT: "yellow",
    State.DELAYED: "yellow",
}


def visible(text: str) -> str:
    """Escape what a terminal would obey or hide: the vendor's and the sender's words are shown, never executed."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def moment(at_ms: int) -> str:
    """Write UTC milliseconds as a date and a time."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}Z"


def span(seconds: float) -> str:
    """Write a duration with its two largest units."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_SECONDS:
        return f"{whole} s"
    if whole < _HOUR_SECONDS:
        return f"{whole // _MINUTE_SECONDS} min {whole % _MINUTE_SECONDS} s"
    if whole < _DAY_SECONDS:
        return f"{whole // _HOUR_SECONDS} h {whole % _HOUR_SECONDS // _MINUTE_SECONDS} min"
    return f"{whole // _DAY_SECONDS} d {whole % _DAY_SECONDS // _HOUR_SECONDS} h"


def state_name(state: State | None) -> Text:
    """Write a state for people, in its colour; None is that of a damaged record."""
    if state is None:
        return Text(DAMAGED, style="red")
    return Text(state.value.replace("_", " "), style=_COLOURS.get(state, ""))


def print_json(value: Any) -> None:
    """Print one JSON document, in ASCII so that no terminal or encoding can spoil it."""
    click.echo(json.dumps(value, indent=2))


class Screen:
    """Prints to standard output: as wide as the terminal, plain where there is none or NO_COLOR is set."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # a terminal that cannot show a character shows its number; that must not stop a command
            sys.stdout.reconfigure(errors="backslashreplace")
        is_terminal = sys.stdout.isatty()
        self.console = Console(
            file=sys.stdout,
            width=None if is_terminal else _piped_columns(),
            color_system=None if os.environ.get("NO_COLOR") or not is_terminal else "auto",
            markup=False,
            emoji=False,
            highlight=False,
        )

    def line(self, *parts: Cell) -> None:
        """Print a sentence."""
        self.show(Text.assemble(*(_cell(part) for part in parts)))

    def title(self, *parts: Cell) -> None:
        """Print what the lines that follow are about."""
        line = Text.assemble(*(_cell(part) for part in parts))
        line.stylize("bold")
        self.show(line)

    def facts(self, rows: Iterable[tuple[str, Cell]], *, indent: int = 2) -> None:
        """Print names and values, one a line; a long value wraps beside its name."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim" if self.console.color_system else "")
        grid.add_column(overflow="fold")
        for name, value in rows:
            grid.add_row(_cell(name), _cell(value))
        self.show(Padding(grid, (0, 0, 0, indent)))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table; its first column, which a person copies, never wraps."""
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for place, header in enumerate(headers):
            table.add_column(header, no_wrap=place == 0, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(cell) for cell in row))
        self.show(table)

    def show(self, content: RenderableType) -> None:
        """Print whatever rich can draw."""
        with self.console.capture() as capture:
            self.console.print(content)
        for line in capture.get().splitlines():
            click.echo(line.rstrip(), color=True)


def _cell(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(visible(cell))


def _piped_columns() -> int:
    given = os.environ.get("COLUMNS", "")
    return max(int(given), MIN_COLUMNS) if given.isdecimal() else PIPED_COLUMNS
