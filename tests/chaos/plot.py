"""The plot of a chaos run: the commands over time by state, and when which trouble was made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]  # pygal ships no types
from pygal.style import CleanStyle  # type: ignore[import-untyped]  # pygal ships no types

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.run import Outcome

# pygal's hook for maps, which nobody here draws, is of a kind that makes every failing import of a process a warning
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

#: What the lines are, from the states of the ledger.
LINES: Final = {
    "applied": ("applied",),
    "waiting, ready or sending": ("waiting", "ready", "sending"),
    "delayed": ("delayed",),
    "in doubt": ("in_doubt",),
    "held or rejected": ("held", "rejected"),
}
STYLE: Final = CleanStyle(
    background="#ffffff",
    plot_background="#ffffff",
    colors=(
        *("#9e9e9e", "#2e7d32", "#1565c0", "#f9a825", "#c62828", "#000000"),
        *("#6a1b9a", "#8e24aa", "#ab47bc", "#d81b60", "#ec407a", "#ff7043", "#00838f", "#26a69a", "#78909c"),
    ),
    stroke_width="2",
    font_family="sans-serif",
    title_font_size=18,
)
#: Troubles stand in rows above the lines, each row this share of the highest line.
ROW: Final = 0.05


def draw(outcome: Outcome, path: Path) -> None:
    """Write the plot as an SVG that needs nothing else: no script, no network."""
    chart = pygal.XY(
        style=STYLE, width=1200, height=700, explicit_size=True, show_dots=False, legend_at_bottom=True,
        legend_at_bottom_columns=5, truncate_legend=-1, x_title="seconds", y_title="commands", js=(),
    )  # fmt: skip
    chart.title = _title(outcome)
    chart.config.xrange = (0, outcome.took_seconds)
    samples = outcome.record.samples
    chart.add("promised", [(sample.at_seconds, sample.promised) for sample in samples])
    for name, states in LINES.items():
        line = [(each.at_seconds, sum(each.states.get(state, 0) for state in states)) for each in samples]
        chart.add(name, line)
    top = max((sum(sample.states.values()) for sample in samples), default=1)
    for row, (trouble, moments) in enumerate(_troubles(outcome).items(), 1):
        height = top * (1 + row * ROW)
        points = [(moment, height) for moment in moments]
        chart.add(f"{trouble} ({len(moments)})", points, stroke=False, show_dots=True, dots_size=3)
    path.write_bytes(_without_scripts(chart.render_tree()))


def _without_scripts(drawn: Any) -> bytes:
    """Write the drawing without what pygal adds for its tooltips."""
    for parent in list(drawn.iter()):
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return ET.tostring(drawn, encoding="unicode").encode()


def _title(outcome: Outcome) -> str:
    verdict = outcome.verdict
    counts = ", ".join(f"{name} {len(verdict.wrongs()[name])}" for name in ("lost", "doubled", "out_of_order"))
    words = counts.replace("_", " ")
    return f"Chaos, seed {outcome.plan.seed}: {verdict.commands.total()} commands, {words}"


def _troubles(outcome: Outcome) -> dict[str, list[float]]:
    """Give when trouble was made, by class, that of the vendors' requests last."""
    found: dict[str, list[float]] = {}
    for mark in outcome.record.marks:
        found.setdefault(mark.trouble, []).append(mark.at_seconds)
    started_ms = outcome.record.started_ms
    found["fault at a vendor"] = [(moment - started_ms) / 1000 for moment, _ in outcome.faults_ms]
    return found
