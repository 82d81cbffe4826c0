"""Whether one vendor's trouble is felt at another: two workers on one server, and thousands of commands that wait."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tests.benchmarks.commands import additions, upserts
from tests.benchmarks.latency import WARM_UP, delays, line
from tests.benchmarks.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

#: The commands of the vendor that is well: read, write, read back.
CALLS: Final = 3
#: What is the matter with the other vendor: it takes requests and never answers, or answers 503 to every write.
TROUBLES: Final[Mapping[str, tuple[str, ...]]] = {
    "stuck": ("--latency-ms", "86400000"),
    "maintenance": ("--latency-ms", "20", "--maintenance"),
}
#: The worker in trouble has the settings that we ship.
SHIPPED: Final[Mapping[str, str]] = {}


def measure(console: Console, folder: Path, *, samples: int, waiting: int) -> dict[str, Any]:
    """Measure PartsBox' commands alone, then while `waiting` commands wait for a Partium in trouble; for each trouble.

    "Alone" is measured anew for each: Partium's worker is there then too, and has nothing to do.
    """
    found = []
    for trouble, options in TROUBLES.items():
        (folder / trouble).mkdir()
        with Scene(folder / trouble) as scene:
            relay = scene.relay("partsbox", scene.lean_vendor())
            other = scene.relay("partium", scene.lean_vendor(*options), settings=SHIPPED)
            delays(relay, "warm-up", CALLS, additions(WARM_UP))
            alone = delays(relay, "alone", CALLS, additions(samples))
            console.print(line(alone))
            other.submit(upserts(waiting))
            beside = delays(relay, f"beside {trouble}", CALLS, additions(samples))
            console.print(line(beside))
            counts = other.counts()
        found.append(
            {
                "trouble": trouble,
                "alone": asdict(alone),
                "beside": asdict(beside),
                "p99_percent": round(100 * (beside.p99_ms / alone.p99_ms - 1), 1),
                "applied_in_trouble": counts.get("applied", 0),
                "waiting_in_the_end": sum(count for state, count in counts.items() if state != "applied"),
            }
        )
    return {"waiting": waiting, "troubles": found}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"accepted to applied at PartsBox while {figures['waiting']} commands wait for Partium",
        caption="alone and beside the trouble, in ms",
    )
    for heading in ("Partium", "p50 alone", "p50 beside", "p99 alone", "p99 beside", "p99"):
        shown.add_column(heading, justify="left" if heading == "Partium" else "right", no_wrap=True)
    for one in figures["troubles"]:
        alone, beside = one["alone"], one["beside"]
        cells = (alone["p50_ms"], beside["p50_ms"], alone["p99_ms"], beside["p99_ms"])
        shown.add_row(one["trouble"], *(f"{cell:g}" for cell in cells), f"{one['p99_percent']:+g} %")
    return shown
