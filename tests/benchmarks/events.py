"""What Celery's events cost our worker: as shipped with Flower watching, against none at all."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tests.backing import ROOT
from tests.benchmarks.contenders import Own
from tests.benchmarks.figures import Spread
from tests.benchmarks.race import Track
from tests.benchmarks.scene import Scene, with_programs
from tests.process import Process, free_port
from tests.stack import FLOWER, FLOWER_LOGIN, answers, read_procfile

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tests.benchmarks.race import Round

SILENT: Final = "tests.benchmarks.silent"
ROUND_SECONDS: Final = 60.0
#: Read, write, read back.
CALLS: Final = 3
ON: Final = "events on, Flower watches"
OFF: Final = "events off"


def measure(console: Console, folder: Path, *, rounds: int, three_calls: int) -> dict[str, Any]:
    """Let two workers that differ in their events alone do so many rounds of commands of three calls, in turns."""
    found: dict[str, list[Round]] = {ON: [], OFF: []}
    with Scene(folder) as scene:
        vendor = scene.lean_vendor()
        track = Track(vendor)
        workers = {
            ON: Own(scene, vendor, CALLS, database=0),
            OFF: Own(scene, vendor, CALLS, database=1, module=SILENT),
        }
        scene.launch(_flower(scene, workers[ON].redis_url))
        for worker in workers.values():
            track.admit(worker)
        for number in range(rounds):
            for name, worker in workers.items():
                done = track.round(worker, three_calls, CALLS, ROUND_SECONDS)
                if done.done < three_calls:
                    raise RuntimeError(f"{name}: {done.done} of {three_calls} commands were applied")
                found[name].append(done)
            speeds = ", ".join(f"{name} {done[-1].per_second:.0f}/s" for name, done in found.items())
            console.print(f"round {number + 1} of {rounds}: {speeds}")
    cases = [
        {
            "name": name,
            "per_second": asdict(Spread.of([one.per_second for one in done])),
            "cpu_ms": asdict(Spread.of([one.cpu_ms for one in done], 3)),
        }
        for name, done in found.items()
    ]
    slower = 1 - cases[0]["per_second"]["median"] / cases[1]["per_second"]["median"]  # type: ignore[index]
    return {"commands": three_calls, "rounds": rounds, "cases": cases, "slower_percent": round(100 * slower, 1)}


def _flower(scene: Scene, redis_url: str) -> Process:
    port = free_port()
    environment = {
        **with_programs(os.environ, sys.executable),
        "REDIS_URL": redis_url,
        "FLOWER_PORT": str(port),
        "FLOWER_DB": str(scene.folder / "flower"),
        "FLOWER_BASIC_AUTH": FLOWER_LOGIN,
    }
    return Process(
        FLOWER,
        ["/bin/sh", "-c", read_procfile()[FLOWER]],
        log=scene.folder / "flower.log",
        ready=lambda: answers(f"http://127.0.0.1:{port}/healthcheck"),
        environment=environment,
        folder=ROOT,
    )


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"Celery's events, {figures['commands']} commands of three calls",
        caption=f"{figures['slower_percent']:g} % slower with events",
    )
    for heading in ("", "/s", "spread", "CPU ms"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for case in figures["cases"]:
        speed = case["per_second"]
        cells = (f"{speed['median']:.0f}", f"{speed['low']:.0f} to {speed['high']:.0f}")
        shown.add_row(case["name"], *cells, f"{case['cpu_ms']['median']:.2f}")
    return shown
