"""`make chaos`: thousands of commands while everything is killed, cut off and refused; then every one is counted."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tests.chaos.plot import draw
from tests.chaos.run import LIMITS, VENDORS, Outcome, Plan, Run, sandbox_options, settings
from tests.checker.screen import report
from tests.process import ProcessError
from tests.stack import Stack

if TYPE_CHECKING:
    from tests.chaos.record import Record

#: Commands asked for; what they become comes on top.
COMMANDS: Final = 5000
#: Seconds over which they are posted.
POSTING_SECONDS: Final = 100.0
#: Between two troubles of one sort: workers and webhooks, vendors; Redis has its own several times as often.
GAP_SECONDS: Final = 6.0
#: Of a terminal that is none: the table is wide.
WIDTH: Final = 140
#: Between two lines about the run.
LINE_SECONDS: Final = 5.0
#: The exit code of a program that Ctrl-C ended.
INTERRUPTED: Final = 128 + signal.SIGINT


def main() -> int:
    """Run once; 0 only if everything is right."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    plan = Plan(options.seed, options.commands, options.seconds, options.gap_seconds)
    try:
        with tempfile.TemporaryDirectory(prefix="stockrelay-chaos-") as name:
            outcome = _run(console, plan, Path(name))
    except ProcessError as error:
        console.print(Text(str(error), style="bold red"))
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return INTERRUPTED
    _print(console, outcome, options.out)
    return 0 if outcome.is_right else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--commands", type=int, default=COMMANDS, help="how many to ask for (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="asks and breaks the same again")
    parser.add_argument("--seconds", type=float, default=POSTING_SECONDS, help="post over so long (%(default)g)")
    parser.add_argument("--gap-seconds", type=float, default=GAP_SECONDS, help="between troubles (%(default)g)")
    parser.add_argument("--out", type=Path, default=Path("var/chaos"), help="folder of plot and JSON (%(default)s)")
    return parser.parse_args()


def _run(console: Console, plan: Plan, folder: Path) -> Outcome:
    console.print(f"Chaos, seed {plan.seed}: {plan.commands} commands over {plan.seconds:g} s, then to the end")
    with Stack(
        folder,
        vendors=VENDORS,
        workers=2,
        settings=settings(folder),
        sandbox_options={vendor: sandbox_options(vendor) for vendor in LIMITS},
        environment={},
    ) as stack:
        return Run(stack, plan).play(_Lines(console).show)


class _Lines:
    """Tells now and then how far a run is, and each trouble."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0
        self._line_at = 0.0

    def show(self, record: Record) -> None:
        for mark in record.marks[self._told :]:
            self._console.print(f"{mark.at_seconds:6.1f} s [yellow]•[/] {mark.trouble} {mark.what}")
            self._told += 1
        if record.now() < self._line_at + LINE_SECONDS:
            return
        self._line_at = record.now()
        states = Counter(record.samples[-1].states)
        counts = "  ".join(f"{state} {count}" for state, count in states.items() if count)
        self._console.print(f"{record.now():6.1f} s promised {record.promised}  {counts}")


def _print(console: Console, outcome: Outcome, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    plot, told = (out / f"chaos-{outcome.plan.seed}.{ending}" for ending in ("svg", "json"))
    draw(outcome, plot)
    told.write_text(json.dumps(_as_json(outcome), indent=1))
    console.print(report(outcome.verdict))
    for wrong in outcome.record.wrongs:
        console.print(Text(wrong, style="red"))
    console.print(f"{outcome.record.repeated_posts} posts had to be repeated; plot {plot}, data {told}")
    word = "[bold green]all right[/]" if outcome.is_right else "[bold red]NOT right[/]"
    console.print(f"{word} after {outcome.took_seconds:.0f} s")


def _as_json(outcome: Outcome) -> dict[str, object]:
    verdict, record = outcome.verdict, outcome.record
    return {
        "plan": asdict(outcome.plan),
        "took_seconds": round(outcome.took_seconds, 1),
        "right": outcome.is_right,
        "commands": {f"{vendor} {state}": count for (vendor, state), count in verdict.commands.items()},
        "wrongs": {name: list(map(str, found)) for name, found in verdict.wrongs().items()},
        "programs": record.wrongs,
        "held": {f"{vendor}: {reason}": count for (vendor, reason), count in verdict.held.items()},
        "decidable": list(map(str, verdict.decidable)),
        "repeated": list(map(str, verdict.repeated)),
        "fired": {f"{vendor} {kind}": count for (vendor, kind), count in verdict.fired.items()},
        "requests": verdict.requests,
        "effects": verdict.effects,
        "stories": outcome.stories,
        "repeated_posts": record.repeated_posts,
        "troubles": [asdict(mark) for mark in record.marks],
        "samples": [asdict(sample) for sample in record.samples],
    }


if __name__ == "__main__":
    sys.exit(main())
