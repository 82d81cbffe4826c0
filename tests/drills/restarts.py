"""Two workers under load, one of them told to end every two seconds and another started: each command once."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.identity import marker_of
from tasks.stock import AddStock
from tests.benchmarks.crew import Crew
from tests.sandbox import partsbox

if TYPE_CHECKING:
    from pathlib import Path

VENDOR: Final = "partsbox"
COMMANDS: Final = 3_000
PARTS: Final = 100
EVERY_SECONDS: Final = 2.0
#: Slow enough that a restart always meets requests under way, quick enough for an end.
ANSWER_MS: Final = 150
RATE_PER_SECOND: Final = 60
PATIENCE_SECONDS: Final = 900.0
_ENDS: Final = ("applied", "rejected", "held")
_ticks = itertools.count(int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it; everything from `lost` on must be 0."""

    commands: int
    restarts: int
    seconds: float
    exit_codes: dict[int, int]
    #: Re-published or recovered by the scan, not by a clean stop.
    attempts_above_one: int
    lost: int
    doubled: int
    unexpected: int
    out_of_order: int
    not_applied: int

    @property
    def is_right(self) -> bool:
        wrong = self.lost, self.doubled, self.unexpected, self.out_of_order, self.not_applied
        return not any(wrong) and set(self.exit_codes) == {0}

    def lines(self) -> list[str]:
        """Tell it to a person."""
        return [
            f"{self.commands} commands, {self.restarts} restarts in {self.seconds:.0f} s, exit codes {self.exit_codes}",
            f"sent more than once after a proof of absence: {self.attempts_above_one}",
            (
                f"lost {self.lost}, doubled {self.doubled}, unexpected {self.unexpected}, "
                f"out of lane order {self.out_of_order}, not applied {self.not_applied}"
            ),
        ]


def run(folder: Path, commands: int = COMMANDS) -> Findings:
    """Play the drill; raises TimeoutError when the commands do not end."""
    settings = {"STOCKRELAY_PARTSBOX_RATES": f"{RATE_PER_SECOND}/1s+10", "STOCKRELAY_PARTSBOX_CONCURRENCY": "20"}
    latency = ("--read-latency-ms", "5", "--write-latency-ms", str(ANSWER_MS))
    with Crew(folder, VENDOR, 2, settings, latency) as crew:
        parts = [f"drill-{number}" for number in range(PARTS)]
        crew.control("POST", "fixture", {"parts": [{"part/name": name} for name in parts], "storages": [_SHELF]})
        keys = crew.ledger.submit([_add(number) for number in range(commands)])
        started, restarts = time.monotonic(), 0
        codes: Counter[int] = Counter()
        while sum(crew.ledger.counts().get(end, 0) for end in _ENDS) < commands:
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise TimeoutError(f"{crew.ledger.counts()} after {PATIENCE_SECONDS:g} s")
            restarts += 1
            time.sleep(max(0.0, started + restarts * EVERY_SECONDS - time.monotonic()))
            oldest = crew.workers.pop(0)
            oldest.terminate()
            crew.hire(1)
            codes[oldest.wait(60)] += 1
        seconds = time.monotonic() - started
        return _judge(crew, keys, Findings(commands, restarts, seconds, dict(codes), 0, 0, 0, 0, 0, 0))


_SHELF: Final = {"storage/name": "drill-shelf"}


def _add(number: int) -> AddStock:
    return AddStock(
        part_id=partsbox.id_for("part", f"drill-{number % PARTS}"),
        storage_id=partsbox.id_for("storage", _SHELF["storage/name"]),
        quantity=1,
        stock_timestamp=next(_ticks),
    )


def _judge(crew: Crew, keys: list[str], found: Findings) -> Findings:
    effects = crew.control("GET", "journal")["effects"]
    marks = Counter(effect["marker"] for effect in effects)
    wanted = [marker_of(key) for key in keys]
    place = {mark: number for number, mark in enumerate(wanted)}
    by_part: dict[str, list[int]] = {}
    for effect in effects:
        by_part.setdefault(effect["part_ids"][0], []).append(place.get(effect["marker"], -1))
    told = crew.ledger.fields(keys, "state", "attempts")
    return Findings(
        found.commands,
        found.restarts,
        found.seconds,
        found.exit_codes,
        attempts_above_one=sum(int(attempts or 0) > 1 for _, attempts in told),
        lost=sum(mark not in marks for mark in wanted),
        doubled=sum(count - 1 for count in marks.values()),
        unexpected=len(marks.keys() - place.keys()),
        out_of_order=sum(order != sorted(order) for order in by_part.values()),
        not_applied=sum(state != "applied" for state, _ in told),
    )
