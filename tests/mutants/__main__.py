"""`make mutants`: break the promise in many places, one at a time, and see each found by its test."""

from __future__ import annotations

import json
import queue
import shutil
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from tests.mutants.run import Verdict, check_sound, copy_project, play
from tests.mutants.table import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutants.mutant import Mutant

ROOT: Final = Path(__file__).parent.parent.parent
_OUTPUT_LINES: Final = 25


@click.command()
@click.option("--only", metavar="TEXT", default="", help="Only mutants whose name or file has this text.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="Copies played side by side.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(*, only: str, jobs: int, as_json: bool) -> None:
    """Apply each mutant to a copy of the project; exit 1 when one survives its test, or a test fails without it."""
    chosen = [mutant for mutant in MUTANTS if only in mutant.name or only in mutant.file]
    if not chosen:
        raise click.UsageError(f"no mutant has {only!r} in its name or file")
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 140)
    verdicts = _play_all(chosen, jobs, console)
    wrong = [verdict for verdict in verdicts if not verdict.is_right]
    if as_json:
        shown = [{**asdict(verdict), "output": ""} for verdict in verdicts]
        print(json.dumps({"mutants": len(chosen), "wrong": len(wrong), "verdicts": shown}, indent=2))
    else:
        console.print(_table(verdicts))
    for verdict in wrong:
        console.rule(verdict.mutant.name if verdict.mutant else verdict.test)
        console.print("\n".join(verdict.output.splitlines()[-_OUTPUT_LINES:]), markup=False, highlight=False)
    console.print(f"{len(chosen)} mutants, {sum(v.mutant is not None and v.is_right for v in verdicts)} killed")
    sys.exit(1 if wrong else 0)


def _play_all(chosen: list[Mutant], jobs: int, console: Console) -> list[Verdict]:
    tests = list(dict.fromkeys(mutant.killed_by for mutant in chosen))
    with _copies(jobs) as copies, ThreadPoolExecutor(jobs) as pool:
        lock = threading.Lock()

        def tell(verdict: Verdict) -> Verdict:
            with lock:
                what = verdict.mutant.name if verdict.mutant else f"sound: {verdict.test}"
                console.print(f"{verdict.seconds:6.1f} s  {verdict.word:10} {what}", markup=False, highlight=False)
            return verdict

        def with_copy(job: Mutant | str) -> Verdict:
            copy = copies.get()
            try:
                return tell(next(check_sound(copy, [job])) if isinstance(job, str) else play(copy, job))
            finally:
                copies.put(copy)

        return list(pool.map(with_copy, [*tests, *chosen]))


@contextmanager
def _copies(count: int) -> Iterator[queue.SimpleQueue[Path]]:
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        for number in range(count):
            copies.put(copy_project(ROOT, folder / str(number)))
        yield copies
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("MUTANT", "FILE", "VERDICT", "S", "BY", title="Breakages of the promise")
    for verdict in verdicts:
        if verdict.mutant is not None:
            by = (verdict.found_by or verdict.test).removeprefix("tests/")
            table.add_row(verdict.mutant.name, verdict.mutant.file, verdict.word, f"{verdict.seconds:.0f}", by)
    return table


if __name__ == "__main__":
    main()
