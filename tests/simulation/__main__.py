"""`make sim`: plays seeded plans of the whole system on a virtual clock; a failing one is made small and told."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import screen
from tests.simulation.examine import Totals, examine
from tests.simulation.generate import generate
from tests.simulation.plan import Plan
from tests.simulation.run import DEFAULT_SEEDS, cores, run, tell_failing
from tests.simulation.story import story
from tests.simulation.world import play

#: Making a plan small takes hundreds of plays: further failing seeds are named, and can be asked for one by one.
TOLD_SEEDS: Final = 3


def main() -> int:
    """Play what is asked for; 0 if all is right, 1 if not, 2 for a plan that cannot be read."""
    options = _parser().parse_args()
    if options.plan is not None:
        try:
            plan = Plan.from_json(sys.stdin.read() if str(options.plan) == "-" else options.plan.read_text())
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.stderr.write(f"--plan {options.plan}: no plan: {error!r}; send what a failing seed was told with\n")
            return 2
        return _replay(plan, options)
    if options.seed is not None:
        return _replay(generate(options.seed), options)
    return _play_many(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help=f"how many plans; {DEFAULT_SEEDS}")
    parser.add_argument("--start", type=int, default=0, help="the first of them; 0")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes that play at once; one for each core")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    one = parser.add_argument_group("one plan, told")
    one.add_argument("--seed", type=int, help="of this seed")
    one.add_argument("--plan", type=Path, help="from a file with its JSON, - for standard input")
    one.add_argument("--trace", action="store_true", help="print every step too; equal plans print equal bytes")
    return parser


def _replay(plan: Plan, options: argparse.Namespace) -> int:
    played = play(plan)
    outcome = examine(plan, lambda _: played)
    if options.json:
        shown = {"seed": plan.seed, "digest": played.digest, "wrongs": outcome.wrongs}
        print(json.dumps({**shown, "trace": played.trace} if options.trace else shown))
        return int(bool(outcome.wrongs))
    if options.trace:
        print(*played.trace, sep="\n")
    else:
        print(story(plan, played))
    print(f"digest {played.digest}")
    return int(bool(outcome.wrongs))


def _play_many(options: argparse.Namespace) -> int:
    seeds = range(options.start, options.start + options.seeds)
    console = Console(stderr=True)
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("seeds", total=len(seeds))

        def advance(totals: Totals) -> None:
            progress.update(bar, completed=totals.seeds, description=f"seeds, {len(totals.failing)} failing")

        totals = run(seeds, options.jobs, advance)
    seconds = time.monotonic() - began
    if options.json:
        print(json.dumps(screen.as_json(totals, seconds)))
    else:
        Console().print(screen.report(totals, seconds))
    for outcome in totals.failing[:TOLD_SEEDS]:
        sys.stderr.write(f"\nSeed {outcome.seed} fails ({', '.join(outcome.wrongs)}); made small:\n")
        sys.stderr.write(f"{tell_failing(outcome)}\n")
    if totals.failing[TOLD_SEEDS:]:
        further = " ".join(str(outcome.seed) for outcome in totals.failing[TOLD_SEEDS:])
        sys.stderr.write(f"\nfailing too, each to be seen with --seed: {further}\n")
    return 0 if totals.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
