"""How long the commands of a SIGKILLed worker wait until another has applied them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tests.benchmarks.commands import PART_NAME, SHELF_NAME, addition
from tests.benchmarks.crew import Crew
from tests.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

VENDOR: Final = "partsbox"
LEASE_SECONDS: Final = 5
COMMANDS: Final = 24
SETTINGS: Final = {
    "STOCKRELAY_PARTSBOX_RATES": "10000/1s+1000",
    # the places of what a killed worker had in flight stay taken until the vendor must have ended it
    "STOCKRELAY_PARTSBOX_CONCURRENCY": "1000",
    "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
}
SANDBOX_OPTIONS: Final = ("--read-latency-ms", "20", "--write-latency-ms", "20")
#: Our worker reads before it writes: a victim that still waits for this answer has claimed, and written nothing.
SLOW_READS: Final = {
    "kind": "delay",
    "operation": "part/get",
    "count": None,
    "delay_seconds": 3.0,
    "place": "before_commit",
}
PATIENCE_SECONDS: Final = 60.0


def measure(console: Console, folder: Path, *, recoveries: int) -> dict[str, Any]:
    """Kill a worker that has claimed commands so many times, beside another worker that goes on."""
    seconds: list[float] = []
    parts = [{"part/name": PART_NAME.format(number)} for number in range(COMMANDS)]
    with Crew(folder, VENDOR, 1, SETTINGS, SANDBOX_OPTIONS) as crew:
        crew.control("POST", "fixture", {"parts": parts, "storages": [{"storage/name": SHELF_NAME}]})
        for number in range(recoveries):
            seconds.append(_recovery(crew))
            console.print(f"recovery {number + 1} of {recoveries}: {seconds[-1]:.2f} s")
    return {"lease_seconds": LEASE_SECONDS, "commands": COMMANDS, "seconds": [round(one, 2) for one in seconds]}


def _recovery(crew: Crew) -> float:
    """SIGKILL a worker that has claimed commands and sent none; seconds until the other has applied them all."""
    ended = crew.ledger.counts().get("applied", 0)
    crew.control("POST", "faults", SLOW_READS)
    survivor, victim = crew.workers[0], crew.hire(1)[0]
    survivor.stop_signal()  # or it would claim them all
    keys = crew.ledger.submit([addition(number) for number in range(COMMANDS)])

    def owned() -> list[str]:
        owners = zip(keys, crew.ledger.fields(keys, "owner"), strict=True)
        return [key for key, [owner] in owners if f":{victim.pid}:" in (owner or "")]

    wait_until(lambda: len(owned()) > 0, "the victim claims commands", PATIENCE_SECONDS)
    orphans = owned()
    victim.kill()
    killed = time.monotonic()
    survivor.cont()
    crew.control("DELETE", "faults")
    wait_until(
        lambda: all(state == "applied" for [state] in crew.ledger.fields(orphans, "state")),
        "the orphans are applied",
        PATIENCE_SECONDS,
    )
    seconds = time.monotonic() - killed
    crew.ledger.until_ended(ended + COMMANDS, PATIENCE_SECONDS)
    return seconds


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    seconds = figures["seconds"]
    shown = Table(title="commands that a SIGKILLed worker had claimed, until another has applied them")
    for heading in ("lease s", "times", "median s", "worst s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    cells = (figures["lease_seconds"], len(seconds))
    shown.add_row(*map(str, cells), f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}")
    return shown
