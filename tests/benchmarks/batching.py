"""Upserts under a tight limit: requests that many commands share, beside a request for each command."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tasks.catalog import Attribute, AttributeValue, UpsertPart
from tests.benchmarks.crew import Crew
from tests.benchmarks.measure import cpu_seconds
from tests.benchmarks.scene import WORKERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

VENDOR: Final = "partium"
#: What the vendor allows and our workers are told, and how long it takes to answer.
RATE_PER_SECOND: Final = 5
ANSWER_MS: Final = 200
#: A permit may be used for half a second: so many requests may come closer together than they were permitted.
LATE_REQUESTS: Final = 3
SETTINGS: Final = {"STOCKRELAY_PARTIUM_RATES": f"{RATE_PER_SECOND}/1s"}
#: The vendor refuses what is too fast.
SANDBOX_OPTIONS: Final = (
    *("--rate", f"{RATE_PER_SECOND}/s", "--burst", str(1 + LATE_REQUESTS), "--enforce-limits"),
    *("--read-latency-ms", str(ANSWER_MS), "--write-latency-ms", str(ANSWER_MS)),
)
CATALOG: Final = {"languages": ["en", "de"], "attributes": [{"attribute_id": "weight", "type": "text"}]}
#: Our worker with one item a request.
UNBATCHED: Final = "tests.benchmarks.unbatched"
#: Long enough for 5,000 commands at five a second.
PATIENCE_SECONDS: Final = 1500.0
_ticks = itertools.count(int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Sharing:
    """So many commands that waited when the workers were let loose, counted in both books afterwards."""

    name: str
    workers: int
    commands: int
    seconds: float
    commands_per_second: float
    cpu_ms_per_command: float
    requests: int
    items_median: float
    items_max: int
    #: Requests that the vendor found too fast; those of the fullest second; and by how many the fullest window of any
    #: length was above `rate * seconds + 1`.
    violations: int
    fullest_second: int
    worst_excess: float
    #: Commands by the state they ended in, and how many have a receipt.
    outcomes: dict[str, int]
    receipts: int
    #: At the vendor: writes of one item, and parts that have the value that was asked for.
    effects: int
    right: int


def measure(console: Console, folder: Path, *, upserts: int, unbatched: int) -> dict[str, Any]:
    """Measure one worker with a request for each of `unbatched` commands, then one and two workers that share them."""
    cases = [_run(folder / "unbatched", "unbatched", UNBATCHED, 1, unbatched)]
    console.print(_line(cases[0]))
    for workers in (1, 2):
        cases.append(_run(folder / f"batched-{workers}", "batched", WORKERS, workers, upserts))
        console.print(_line(cases[-1]))
    alone, *together = cases
    return {
        "rate_per_second": RATE_PER_SECOND,
        "answer_ms": ANSWER_MS,
        "cases": [asdict(one) for one in cases],
        "ratio_by_workers": {
            str(one.workers): round(one.commands_per_second / alone.commands_per_second, 1) for one in together
        },
    }


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"upserts; {figures['rate_per_second']} requests/s, answers after {figures['answer_ms']} ms",
        caption="items: median and most of a request; over: requests that came too fast",
    )
    for heading in ("", "procs", "commands", "/s", "ratio", "requests", "items", "over"):
        shown.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for case in figures["cases"]:
        shared = case["name"] == "batched"
        shown.add_row(
            case["name"],
            str(case["workers"]),
            str(case["commands"]),
            f"{case['commands_per_second']:g}",
            f"{figures['ratio_by_workers'][str(case['workers'])]:g}" if shared else "1",
            str(case["requests"]),
            f"{case['items_median']:g}, {case['items_max']}",
            str(case["violations"]),
        )
    return shown


def _line(case: Sharing) -> str:
    ends = ", ".join(f"{count} {state}" for state, count in case.outcomes.items())
    return (
        f"{case.name}, {case.workers} worker(s): {case.commands_per_second:g} commands/s; {ends}, "
        f"{case.receipts} receipts; at the vendor {case.effects} writes, {case.right} parts right"
    )


def _run(folder: Path, name: str, module: str, workers: int, commands: int) -> Sharing:
    folder.mkdir()
    upserts = [_upsert(number) for number in range(commands)]
    with Crew(folder, VENDOR, workers, SETTINGS, SANDBOX_OPTIONS, module=module) as crew:
        crew.control("POST", "fixture", CATALOG)
        for worker in crew.workers:
            worker.stop_signal()
        keys = crew.ledger.submit(upserts)
        cpu, began = _cpu_seconds(crew), time.monotonic()
        for worker in crew.workers:
            worker.cont()
        crew.ledger.until_ended(commands, PATIENCE_SECONDS)
        seconds = time.monotonic() - began
        return Sharing(
            name=name,
            workers=workers,
            commands=commands,
            seconds=round(seconds, 3),
            commands_per_second=round(commands / seconds, 1),
            cpu_ms_per_command=round((_cpu_seconds(crew) - cpu) * 1000 / commands, 3),
            **_at_the_vendor(crew, upserts),
            **_in_the_ledger(crew, keys),
        )


def _cpu_seconds(crew: Crew) -> float:
    return sum(cpu_seconds(worker.pid) for worker in crew.workers)


def _upsert(number: int) -> UpsertPart:
    text = {"en": f"Part {number}", "de": f"Teil {number}"}
    value = AttributeValue(value={"en": f"{number} g", "de": f"{number} g"})
    return UpsertPart(
        part_id=f"B-{number}",
        name=text,
        attributes=(Attribute(attribute_id="weight", values=(value,)),),
        stock_timestamp=next(_ticks),
    )


def _in_the_ledger(crew: Crew, keys: Sequence[str]) -> dict[str, Any]:
    found = crew.ledger.fields(keys, "state", "receipt")
    receipts = sum(bool(receipt and json.loads(receipt)["entries"]) for _, receipt in found)
    return {"outcomes": dict(Counter(str(state) for state, _ in found)), "receipts": receipts}


def _at_the_vendor(crew: Crew, upserts: Sequence[UpsertPart]) -> dict[str, Any]:
    journal, state, limits = (crew.control("GET", book) for book in ("journal", "state", "limits"))
    there = {part["part_id"]: part for part in state["parts"]}
    wanted = {one.part_id: one.model_dump(mode="json", include={"part_id", "name", "attributes"}) for one in upserts}
    items = [len(request["effects"]) for request in journal["requests"]]
    return {
        "requests": len(items),
        "items_median": statistics.median(items),
        "items_max": max(items),
        "violations": len(limits["violations"]),
        "fullest_second": limits["max_in_window"]["1"],
        "worst_excess": round(limits["worst_excess_requests"] + LATE_REQUESTS, 2),
        "effects": len(journal["effects"]),
        "right": sum(there.get(part_id) == part for part_id, part in wanted.items()),
    }
