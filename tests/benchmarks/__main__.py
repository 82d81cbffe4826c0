"""`make bench`: our worker beside others, its latency, the vendors' limits, the producers, and the targets."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from tests.backing import ROOT
from tests.benchmarks import (
    batching,
    comparison,
    events,
    files,
    isolation,
    labels,
    latency,
    limits,
    machine,
    outbox,
    plot,
    recovery,
    scale,
    station,
    targets,
    webhooks,
)

if TYPE_CHECKING:
    from types import ModuleType

#: Each has `measure` and `table`.
PARTS: Final[dict[str, ModuleType]] = {
    "peers": comparison,
    "latency": latency,
    "events": events,
    "isolation": isolation,
    "recovery": recovery,
    "scale": scale,
    "batching": batching,
    "limits": limits,
    "labels": labels,
    "outbox": outbox,
    "station": station,
    "webhooks": webhooks,
    "files": files,
}
KEPT: Final = ROOT / "docs" / "benchmarks"


def main() -> int:
    """Measure, print and, if asked, keep the figures; the targets come last."""
    options = _parser().parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        sys.stderr.write(f"no part {unknown[0]}; there are {', '.join(PARTS)}\n")
        return 2
    console = Console()
    found: dict[str, dict[str, Any]] = {}
    for part in options.parts or PARTS:
        facts = machine.facts()
        with tempfile.TemporaryDirectory(prefix="stockrelay-bench-") as name:
            found[part] = PARTS[part].measure(console, Path(name), **_sizes(part, options))
        console.print(PARTS[part].table(found[part]))
        if options.save:
            _save(console, part, facts, found[part])
    verdicts = targets.judge(found)
    if verdicts:
        console.print(targets.table(verdicts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--save", action="store_true", help="keep the figures in docs/benchmarks")
    of = parser.add_argument_group("peers")
    of.add_argument("--rounds", type=int, default=5, help="also of events")
    of.add_argument("--one-call", type=int, default=2000, help="tasks a round; also of events")
    of.add_argument("--three-calls", type=int, default=1000, help="tasks a round")
    of.add_argument("--only", default="", help="names of workers, with commas between them")
    of = parser.add_argument_group("latency, isolation, recovery")
    of.add_argument("--samples", type=int, default=200, help="commands of a phase, at 20 a second")
    of.add_argument("--waiting", type=int, default=10_000, help="commands at the vendor that is in trouble")
    of.add_argument("--recoveries", type=int, default=5)
    of = parser.add_argument_group("batching")
    of.add_argument("--upserts", type=int, default=5000)
    of.add_argument("--unbatched", type=int, default=150, help="at five a second")
    of.add_argument("--all", action="store_true", help="as many without batching as with it: 17 minutes")
    of = parser.add_argument_group("limits")
    of.add_argument("--requests", type=int, default=200, help="to each vendor, at ten a second")
    of = parser.add_argument_group("producers")
    of.add_argument("--entries", type=int, default=8000, help="stored in the outbox, for each way to store")
    of.add_argument("--scans", type=int, default=2000, help="at a station")
    of.add_argument("--webhooks", type=int, default=4000, help="signed ones, for each number of connections")
    of.add_argument("--file-rows", type=int, default=100_000, help="of the dropped file")
    of.add_argument("--small-files", type=int, default=3000, help="dropped at once")
    return parser


#: What the `measure` of a part takes, by the names of the options.
SIZES: Final[dict[str, tuple[str, ...]]] = {
    "peers": ("rounds", "one_call", "three_calls", "only"),
    "latency": ("samples",),
    "events": ("rounds", "three_calls"),
    "isolation": ("samples", "waiting"),
    "recovery": ("recoveries",),
    "batching": ("upserts", "unbatched"),
    "limits": ("requests",),
    "outbox": ("entries",),
    "station": ("scans",),
    "webhooks": ("webhooks",),
    "files": ("file_rows", "small_files"),
}


def _sizes(part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Give what the part's `measure` takes."""
    given = vars(options)
    sizes = {name: given[name] for name in SIZES.get(part, ())}
    return {**sizes, "unbatched": options.upserts} if part == "batching" and options.all else sizes


def _save(console: Console, part: str, facts: dict[str, Any], figures: dict[str, Any]) -> None:
    verdicts = [asdict(verdict) for verdict in targets.judge({part: figures})]
    path = KEPT / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{part}.json"
    path.write_text(json.dumps({**facts, **figures, "targets": verdicts}, indent=1) + "\n")
    console.print(f"kept in {path.relative_to(ROOT)}")
    if part == "peers":
        plot.draw(figures, KEPT / "peers.svg")


if __name__ == "__main__":
    sys.exit(main())
