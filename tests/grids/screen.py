"""What grids show: how many cells there are, how they ended, and which are wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.grids.cell import Ended, Grid

#: Of each grid; a broken one has thousands.
SHOWN_WRONGS: Final = 10


def report(grid: Grid, cells: Sequence[Ended], seconds: float) -> Group:
    """Make what a person should see of one grid that took so many seconds."""
    wrong = [cell for cell in cells if cell.wrongs]
    title = (
        f"{grid.name}: {grid.title}; {len(cells):,} cells in {len({cell.row for cell in cells})} rows, {seconds:.0f} s"
    )
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    shown.add_column("ending")
    shown.add_column("cells", justify="right")
    shown.add_column("wrong", justify="right")
    for ending, count in _endings(cells):
        bad = sum(cell.ending == ending for cell in wrong)
        shown.add_row(ending, f"{count:,}", f"[{'bold red' if bad else 'green'}]{bad}[/]")
    shown.add_row("all", f"{len(cells):,}", str(len(wrong)), style="bold")
    lines = [Text(line, style="red") for cell in wrong[:SHOWN_WRONGS] for line in _lines(grid, cell)]
    if len(wrong) > SHOWN_WRONGS:
        lines.append(Text(f"... and {len(wrong) - SHOWN_WRONGS} more", style="red"))
    return Group(shown, *lines)


def as_json(found: Mapping[str, Sequence[Ended]]) -> dict[str, Any]:
    """Give the counts of all grids, and the wrong cells, as JSON."""
    return {
        name: {
            "cells": len(cells),
            "rows": len({cell.row for cell in cells}),
            "endings": dict(_endings(cells)),
            "wrong": sum(bool(cell.wrongs) for cell in cells),
            "wrongs": [
                {"row": cell.row, "place": cell.place, "wrongs": cell.wrongs, "plan": cell.plan}
                for cell in cells
                if cell.wrongs
            ],
        }
        for name, cells in found.items()
    }


def _endings(cells: Sequence[Ended]) -> list[tuple[str, int]]:
    return sorted(Counter(cell.ending for cell in cells).items(), key=lambda each: (-each[1], each[0]))


def _lines(grid: Grid, cell: Ended) -> list[str]:
    told = [f"{cell.row} | {cell.place}: {wrong}" for wrong in cell.wrongs]
    return [*told, f"  again: python -m tests.grids {grid.name} --row '{cell.row}'", f"  its plan: {cell.plan}"]
