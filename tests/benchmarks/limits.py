"""The limits of each vendor under four worker processes that always have work, by the vendor's own books."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from tasks.boms import SetCatalogProperty
from tasks.cad import ImportPart
from tasks.catalog import UpsertPart
from tasks.stock import AddStock
from tests.benchmarks.crew import Crew
from tests.process import wait_until
from tests.sandbox import openbom, partbolt, partsbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from tasks.commands import Command

PROCESSES: Final = 4
RATE_PER_SECOND: Final = 10
BURST: Final = 2
#: A permit may be used for half a second (`workers.limits.PERMIT_SECONDS`), so that the vendor sees in any window of
#: w seconds at most `rate * (w + 0.5) + burst` requests: this much more than was permitted in the same window.
LATE_REQUESTS: Final = math.ceil(RATE_PER_SECOND * 0.5)
#: In the calm part the rate is what holds requests up, in the rough part the number in flight.
CALM_MS, SLOW_MS = (60, 100), (500, 700)
#: A lost request is worked on for so long behind its connection; the vendor's settle time is well above it.
LATE_COMMIT_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 3
TIMEOUT_SECONDS: Final = 5
#: Few commands a process at once: with many, each waits long for its second request, and a request that commands share
#: takes everybody along, so that nobody waits for the next one.
MOST_SHARED: Final = 4
OPTIONS: Final = f"-c {MOST_SHARED}"
#: Requests that come beside those that are waited for: while a process starts, while answers are lost.
SPARE_REQUESTS: Final = 100
#: The slowest first request, behind the start of four processes on a busy machine.
PATIENCE_SECONDS: Final = 60.0
_ticks = itertools.count(int(time.time() * 1000))


@dataclass(frozen=True)
class Work:
    """What a vendor's workers are given: `command` makes the nth command, of which any number can run at once."""

    vendor: str
    concurrency: int
    command: Callable[[int], Command]
    fixture: Mapping[str, Any]
    #: The operation that is carried out and loses its answer.
    losing: str
    #: A routes file for the workers, where they need one.
    routes: str = ""


@dataclass(frozen=True)
class Books:
    """What the vendor saw."""

    vendor: str
    processes: int
    rate_per_second: int
    burst: int
    concurrency: int
    #: Of the calm part: its requests, and their share of what the rate permits in the same time.
    calm_requests: int
    utilisation: float
    #: In both parts: by how many the fullest window was above `rate * seconds + burst`, and what broke a rule.
    requests: int
    worst_excess: float
    violations: list[dict[str, Any]]
    max_in_flight: int
    lost_answers: int
    #: Processes that had commands in hand, the killed one and its replacement too.
    took_part: int
    #: Where the vendor has a login: before its token was ended, and since then.
    logins: tuple[int, int] = field(default=(0, 0))


PARTS: Final = 200
CATALOG: Final = openbom.id_for("catalog", "limits")
ROUTES: Final = '[imports.partbolt]\nname = { en = "name" }\n'
_columns: Final = {"Part Number": "T", "Bin": "T"}

#: Tight enough that four processes of a small machine always have work, and one of them is never needed.
WORK: Final = {
    one.vendor: one
    for one in (
        Work(
            "partsbox",
            3,
            lambda number: AddStock(
                part_id=partsbox.id_for("part", f"limits-{number % PARTS}"),
                storage_id=partsbox.id_for("storage", "limits-shelf"),
                quantity=1,
                stock_timestamp=next(_ticks),
            ),
            {
                "parts": [{"part/name": f"limits-{number}"} for number in range(PARTS)],
                "storages": [{"storage/name": "limits-shelf"}],
            },
            "stock/add",
        ),
        Work(
            "partium",
            3,
            lambda number: UpsertPart(
                part_id=f"L-{number}", name={"en": f"Part {number}"}, stock_timestamp=next(_ticks)
            ),
            {"languages": ["en"]},
            "parts/upsert",
        ),
        Work(
            "openbom",
            5,
            lambda number: SetCatalogProperty(
                catalog_id=CATALOG,
                part_number=f"L-{number % PARTS}",
                property="Bin",
                value=f"B-{number}",
                stock_timestamp=next(_ticks),
            ),
            {
                "catalogs": [
                    {
                        "name": "limits",
                        "columns": _columns,
                        "rows": [{"Part Number": f"L-{number}"} for number in range(PARTS)],
                    }
                ]
            },
            "catalog/propertyvalue",
        ),
        Work(
            "partbolt",
            3,
            lambda number: ImportPart(
                item_id=partbolt.id_for("part", f"limits-{number % PARTS}"), stock_timestamp=next(_ticks)
            ),
            {"parts": [{"name": f"limits-{number}"} for number in range(PARTS)]},
            "parts/get",
            routes=ROUTES,
        ),
    )
}


def run(folder: Path, work: Work, *, calm: int, rough: int) -> Books:
    """Let four processes send `calm` requests in peace; then, slowly and with answers lost, `rough` and as many again.

    Between the two one process is SIGKILLed and replaced.
    """
    with Crew(folder, work.vendor, 0, _settings(folder, work), _sandbox_options(), options=OPTIONS) as crew:
        crew.control("POST", "fixture", work.fixture)
        keys = crew.ledger.submit(
            [work.command(number) for number in range(MOST_SHARED * (calm + 2 * rough + SPARE_REQUESTS))]
        )
        crew.hire(PROCESSES)
        began = _until_requests(crew, RATE_PER_SECOND)  # all are at work by then, and the burst is used up
        ended = _until_requests(crew, began + calm)
        logins = _logins(crew)
        owners = _rough(crew, work, rough, keys)
        assert crew.ledger.counts().get("ready", 0) > 0, "work ran out: the figures say nothing"
        limits = crew.control("GET", "limits")
        calm_seconds = limits["arrivals_seconds"][ended - 1] - limits["arrivals_seconds"][began - 1]
        return Books(
            vendor=work.vendor,
            processes=PROCESSES,
            rate_per_second=RATE_PER_SECOND,
            burst=BURST,
            concurrency=work.concurrency,
            calm_requests=ended - began,
            utilisation=round((ended - began) / (calm_seconds * RATE_PER_SECOND), 4),
            requests=limits["requests"],
            worst_excess=round(limits["worst_excess_requests"] + LATE_REQUESTS, 2),
            violations=limits["violations"],
            max_in_flight=limits["max_in_flight"],
            lost_answers=sum(fault["fired"] for fault in crew.control("GET", "faults")),
            took_part=len(owners),
            logins=(logins, _logins(crew) - logins),
        )


def measure(console: Console, folder: Path, *, requests: int) -> dict[str, Any]:
    """Measure every vendor over so many requests in peace, and a tenth of them twice in the rough part."""
    found = []
    for work in WORK.values():
        (folder / work.vendor).mkdir()
        found.append(run(folder / work.vendor, work, calm=requests, rough=requests // 10))
        console.print(f"{work.vendor}: {found[-1].utilisation:.1%} of the rate used")
    return {"vendors": [asdict(one) for one in found]}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title=f"limits under {PROCESSES} processes, one killed and replaced, answers lost",
        caption=f"used: of {RATE_PER_SECOND}/s; window: the fullest, against rate * seconds + burst",
    )
    for heading in ("vendor", "used", "window", "in flight", "broken rules", "lost", "logins"):
        shown.add_column(heading, justify="left" if heading == "vendor" else "right", no_wrap=True)
    for one in figures["vendors"]:
        shown.add_row(
            one["vendor"],
            f"{one['utilisation']:.1%}",
            f"{one['worst_excess']:+.2f}",
            f"{one['max_in_flight']} of {one['concurrency']}",
            str(len(one["violations"])),
            str(one["lost_answers"]),
            " + ".join(map(str, one["logins"])) if any(one["logins"]) else "-",
        )
    return shown


def _settings(folder: Path, work: Work) -> dict[str, str]:
    prefix = f"STOCKRELAY_{work.vendor.upper()}_"
    settings = {
        f"{prefix}RATES": f"{RATE_PER_SECOND}/1s+{BURST}",
        f"{prefix}CONCURRENCY": str(work.concurrency),
        f"{prefix}SETTLE_SECONDS": str(SETTLE_SECONDS),
        f"{prefix}TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "STOCKRELAY_WORKER_LEASE_SECONDS": "3",
    }
    if work.routes:
        routes = folder / "routes.toml"
        routes.write_text(work.routes)
        settings["STOCKRELAY_ROUTING_CONFIG"] = str(routes)
    return settings


def _sandbox_options() -> list[str]:
    rate = ["--rate", f"{RATE_PER_SECOND}/s", "--burst", str(BURST + LATE_REQUESTS)]
    low, high = CALM_MS
    return [*rate, "--read-latency-ms", f"{low}-{high}", "--write-latency-ms", f"{low}-{high}"]


def _rough(crew: Crew, work: Work, requests: int, keys: Sequence[str]) -> set[tuple[str, ...]]:
    """Make it rough; returns the processes that took part."""
    low, high = SLOW_MS
    latency = [low / 1000, high / 1000]
    slow = {"read_latency_seconds": latency, "write_latency_seconds": latency, "concurrency": work.concurrency}
    crew.control("POST", "settings", slow)
    if work.vendor == "openbom":
        _end_token(crew)
    # the next requests, whatever they are, are worked on behind their lost connections; then a write, where there are
    # writes, is carried out without an answer
    late = {"kind": "late_commit", "count": work.concurrency - 1, "delay_seconds": LATE_COMMIT_SECONDS}
    faults = crew.control("POST", "faults", [late, {"kind": "accept_then_drop", "operation": work.losing}])
    wait_until(lambda: _fired(crew) == len(faults), "answers are lost", PATIENCE_SECONDS)
    _until_requests(crew, _requests(crew) + requests)
    old = _owners(crew, keys)  # now: of a process that is killed before it ended anything no trace is left
    crew.workers[0].kill()
    crew.hire(1)
    wait_until(lambda: bool(_owners(crew, keys) - old), "the new process takes part", PATIENCE_SECONDS)
    _until_requests(crew, _requests(crew) + requests)
    return old | _owners(crew, keys)


def _end_token(crew: Crew) -> None:
    """End the token in the middle of the work; return when somebody has logged in again."""
    before = _logins(crew, "ok")
    crew.control("POST", "tokens/expire")
    wait_until(lambda: _logins(crew, "ok") > before, "a login", PATIENCE_SECONDS)


def _fired(crew: Crew) -> int:
    """Count the faults that have hit as often as they shall."""
    return sum(fault["fired"] == fault["count"] for fault in crew.control("GET", "faults"))


def _requests(crew: Crew) -> int:
    return int(crew.control("GET", "limits")["requests"])


def _until_requests(crew: Crew, count: int) -> int:
    """Return when the vendor has seen at least so many requests, with their number."""
    wait_until(lambda: _requests(crew) >= count, f"{count} requests", PATIENCE_SECONDS + count / RATE_PER_SECOND)
    return _requests(crew)


def _logins(crew: Crew, outcome: str | None = None) -> int:
    logins = [one for one in crew.control("GET", "journal")["requests"] if one["operation"] == "login"]
    return sum(outcome in (None, login["outcome"]) for login in logins)


def _owners(crew: Crew, keys: Sequence[str]) -> set[tuple[str, ...]]:
    """List the processes that have a command in hand, or were the last to give one up."""
    owners = [owner for found in crew.ledger.fields(keys, "owner", "released_by") for owner in found if owner]
    return {tuple(owner.split(":")[:2]) for owner in owners}
