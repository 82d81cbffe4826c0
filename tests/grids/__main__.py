"""`python -m tests.grids`: plays grids, by name or all, and counts how their cells end."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.grids import screen
from tests.grids.run import GRIDS, run
from tests.simulation.run import cores

if TYPE_CHECKING:
    from tests.grids.cell import Ended, Grid


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(GRIDS)), metavar="[NAME]...")
@click.option("--row", "only", help="Only the rows with this in their names.")
@click.option("--every", "stride", type=click.IntRange(min=1), default=1, help="Only every so-many-th cell of a row.")
@click.option("--jobs", type=click.IntRange(min=1), default=cores, help="Processes that play; one for each core.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def main(*, names: tuple[str, ...], only: str | None, stride: int, jobs: int, as_json: bool) -> None:
    """Play grids (crashes, late-commits, beyond, ambiguity, turned-away, redelivery); exit 1 for a wrong cell."""
    console, found = Console(), {}
    for name in names or GRIDS:
        grid = GRIDS[name]
        rows = [row for row in grid.rows if only is None or only in row]
        began = time.monotonic()
        found[name] = _played(grid, rows, stride, jobs)
        if not as_json:
            console.print(screen.report(grid, found[name], time.monotonic() - began), soft_wrap=True)
    if as_json:
        print(json.dumps(screen.as_json(found), indent=2))
    if not any(found.values()):
        raise click.UsageError(f"--row {only!r}: no row of {', '.join(found)} has it in its name")
    sys.exit(int(any(cell.wrongs for cells in found.values() for cell in cells)))


def _played(grid: Grid, rows: list[str], stride: int, jobs: int) -> list[Ended]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"{grid.name}, rows", total=len(rows))
        return run(grid, rows, stride, jobs, lambda _: progress.advance(bar))


if __name__ == "__main__":
    main()
