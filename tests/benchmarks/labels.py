"""How long reading a label takes, by format, for intact and for damaged ones."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from producers.scanner.labels import Label, open_doubts, read_label
from tests.unit.labels_harness import ACCEPTED, Sample, directory, one_character_lost

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

#: Of each label; the fastest is taken, as everything else on the machine only adds.
ROUNDS: Final = 5
REPEATS: Final = 50
_NS_PER_US: Final = 1000


def measure(console: Console, folder: Path) -> dict[str, Any]:
    """Read every label of the collection, whole and with each character lost in turn. Nothing is kept in `folder`."""
    formats: dict[str, list[Sample]] = {}
    for sample in ACCEPTED:
        formats.setdefault(sample.format, []).append(sample)
    parts = []
    for name, samples in formats.items():
        scans = [sample.clean.encode() for sample in samples]
        damaged = [text.encode() for sample in samples for text in one_character_lost(sample.clean)]
        whole_us = [_fastest_us((scan,) * REPEATS) for scan in scans]
        parts.append(
            {
                "format": name,
                "labels": len(scans),
                "median_us": round(statistics.median(whole_us), 1),
                "slowest_us": round(max(whole_us), 1),
                "damaged": len(damaged),
                "damaged_mean_us": round(_fastest_us(damaged), 1),
            }
        )
        console.print(f"{name}: {parts[-1]['median_us']} µs")
    return {"formats": parts}


def table(figures: dict[str, Any]) -> Table:
    """Show what `measure` gave."""
    shown = Table(
        title="reading one label, its doubts and the directory's answer included",
        caption="damaged: each label with each of its characters lost in turn",
    )
    for heading in ("format", "labels", "median µs", "slowest µs", "damaged", "mean µs"):
        shown.add_column(heading, justify="left" if heading == "format" else "right", no_wrap=True)
    for one in figures["formats"]:
        shown.add_row(
            one["format"],
            str(one["labels"]),
            f"{one['median_us']:.1f}",
            f"{one['slowest_us']:.1f}",
            str(one["damaged"]),
            f"{one['damaged_mean_us']:.1f}",
        )
    return shown


def _fastest_us(scans: Iterable[bytes]) -> float:
    """Give the microseconds a scan, of the fastest round."""
    scans = tuple(scans)
    parts = directory()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for scan in scans:
            found = read_label(scan)
            if isinstance(found, Label):
                open_doubts(found, parts)
        rounds.append((time.perf_counter_ns() - began) / len(scans) / _NS_PER_US)
    return min(rounds)
