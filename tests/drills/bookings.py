"""Bookings under trouble: commands for one vendor, and what its journal and the ledger say of them in the end."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tasks.identity import marker_of
from tasks.stock import AddStock
from tests.benchmarks.crew import Crew
from tests.sandbox import partsbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VENDOR: Final = "partsbox"
PARTS: Final = 100
#: Slow enough that trouble always meets requests under way, quick enough for an end.
ANSWER_MS: Final = 150
RATE_PER_SECOND: Final = 60
PATIENCE_SECONDS: Final = 900.0
_SHELF: Final = {"storage/name": "drill-shelf"}
_ticks = itertools.count(int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Books:
    """What became of the commands; everything from `lost` on must be 0."""

    commands: int
    #: Sent again once it was proved that the first send had not landed.
    attempts_above_one: int
    #: Given to another worker because the one that had it was lost.
    recovered: int
    #: Hints beyond the first: a lost one's, and those of commands that waited, were in doubt or handed back.
    hints_above_one: int
    lost: int
    doubled: int
    unexpected: int
    out_of_order: int
    not_applied: int

    @property
    def is_right(self) -> bool:
        return not any((self.lost, self.doubled, self.unexpected, self.out_of_order, self.not_applied))

    def lines(self) -> list[str]:
        """Tell it to a person."""
        return [
            f"sent more than once after a proof of absence: {self.attempts_above_one}",
            f"taken over from lost workers: {self.recovered}, hints beyond the first: {self.hints_above_one}",
            (
                f"lost {self.lost}, doubled {self.doubled}, unexpected {self.unexpected}, "
                f"out of lane order {self.out_of_order}, not applied {self.not_applied}"
            ),
        ]


class Bookings:
    """So many commands that two workers book at a vendor: `with Bookings(...) as bookings`."""

    def __init__(self, folder: Path, commands: int, settings: Mapping[str, str] | None = None) -> None:
        limits = {"STOCKRELAY_PARTSBOX_RATES": f"{RATE_PER_SECOND}/1s+10", "STOCKRELAY_PARTSBOX_CONCURRENCY": "20"}
        latency = ("--read-latency-ms", "5", "--write-latency-ms", str(ANSWER_MS))
        self.commands = commands
        self.crew = Crew(folder, VENDOR, 2, {**limits, **(settings or {})}, latency)
        self._cleanup = ExitStack()
        self._keys: list[str] = []
        self._began = 0.0

    def __enter__(self) -> Self:
        parts = [f"drill-{number}" for number in range(PARTS)]
        with ExitStack() as cleanup:
            crew = cleanup.enter_context(self.crew)
            crew.control("POST", "fixture", {"parts": [{"part/name": name} for name in parts], "storages": [_SHELF]})
            self._keys = crew.ledger.submit([_add(number) for number in range(self.commands)])
            self._cleanup = cleanup.pop_all()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def seconds(self) -> float:
        """Tell how long ago the commands were there."""
        return time.monotonic() - self._began

    def are_done(self) -> bool:
        """Tell whether every command is applied; raises TimeoutError when that takes too long."""
        if self.seconds() > PATIENCE_SECONDS:
            raise TimeoutError(f"{self.crew.ledger.counts()} after {PATIENCE_SECONDS:g} s")
        return self.crew.ledger.counts().get("applied", 0) >= self.commands

    def judge(self) -> Books:
        """Compare the vendor's journal with what was asked for."""
        effects = self.crew.control("GET", "journal")["effects"]
        marks = Counter(effect["marker"] for effect in effects)
        wanted = [marker_of(key) for key in self._keys]
        place = {mark: number for number, mark in enumerate(wanted)}
        by_part: dict[str, list[int]] = {}
        for effect in effects:
            by_part.setdefault(effect["part_ids"][0], []).append(place.get(effect["marker"], -1))
        told = self.crew.ledger.fields(self._keys, "state", "attempts", "crashes", "hints")
        return Books(
            self.commands,
            attempts_above_one=sum(int(attempts or 0) > 1 for _, attempts, _, _ in told),
            recovered=sum(int(crashes or 0) for _, _, crashes, _ in told),
            hints_above_one=sum(int(hints or 1) - 1 for _, _, _, hints in told),
            lost=sum(mark not in marks for mark in wanted),
            doubled=sum(count - 1 for count in marks.values()),
            unexpected=len(marks.keys() - place.keys()),
            out_of_order=sum(order != sorted(order) for order in by_part.values()),
            not_applied=sum(state != "applied" for state, _, _, _ in told),
        )


def _add(number: int) -> AddStock:
    return AddStock(
        part_id=partsbox.id_for("part", f"drill-{number % PARTS}"),
        storage_id=partsbox.id_for("storage", _SHELF["storage/name"]),
        quantity=1,
        stock_timestamp=next(_ticks),
    )
