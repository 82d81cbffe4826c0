"""The plot of the comparison: how many tasks of one call and of three a second each worker does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]  # pygal ships no types
from pygal.style import CleanStyle  # type: ignore[import-untyped]  # pygal ships no types

if TYPE_CHECKING:
    from pathlib import Path

# pygal's hook for maps, which nobody here draws, is of a kind that makes every failing import of a process a warning
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

#: Ours: with all promises, and its pool and transport alone. Everybody else is grey.
COLOURS: Final = {
    "stockrelay": "#1565c0",
    "stockrelay, requests shared": "#1565c0",
    "pool and transport": "#64b5f6",
}
OTHERS: Final = "#78909c"
#: By the calls of a task: how strong its bars are, and what the legend shows.
STRENGTHS: Final = {3: (0.45, "#c2ccd2"), 1: (1.0, OTHERS)}
STYLE: Final = CleanStyle(
    background="#ffffff",
    plot_background="#ffffff",
    colors=tuple(colour for _, colour in STRENGTHS.values()),
    font_family="sans-serif",
    title_font_size=18,
    label_font_size=13,
    major_label_font_size=13,
    value_font_size=12,
)


def draw(figures: dict[str, Any], path: Path) -> None:
    """Write the plot as an SVG that needs nothing else: no script, no network."""
    names, rows = _rows(figures["results"])
    chart = pygal.HorizontalBar(
        style=STYLE, width=1000, height=60 + 52 * len(names), explicit_size=True, print_values=True, js=(),
        legend_at_bottom=True, truncate_legend=-1, truncate_label=-1, x_title="tasks a second (median)",
        value_formatter=lambda value: f"{value:.0f}",
    )  # fmt: skip
    chart.title = f"Tasks of HTTP calls, each answered after {figures['vendor_ms']} ms"
    chart.x_labels = names
    for calls, (opacity, _) in STRENGTHS.items():
        asked = {one["name"] for one in figures["results"] if one["calls"] == calls}
        bars = [_bar(name, rows.get((name, calls)), opacity) if name in asked else None for name in names]
        chart.add(f"{calls} call{'s' if calls > 1 else ''} a task", bars)
    path.write_bytes(_without_scripts(chart.render_tree()))


def _rows(results: list[dict[str, Any]]) -> tuple[list[str], dict[tuple[str, int], float]]:
    """Give the workers, the fastest at tasks of one call last as bars grow from below, and the medians of who did all.

    A worker that did not do all its tasks is drawn without a bar, and so is a kind of task that it has not.
    """
    rows = {
        (one["name"], one["calls"]): one["per_second"]["median"]
        for one in results
        if one["per_second"] is not None and not one["failure"]
    }
    names = sorted({one["name"] for one in results}, key=lambda name: (rows.get((name, 1), 0.0), name))
    return names, rows


def _bar(name: str, value: float | None, opacity: float) -> dict[str, Any]:
    colour = COLOURS.get(name, OTHERS)
    bar: dict[str, Any] = {"value": value or 0, "style": f"fill: {colour}; fill-opacity: {opacity}; stroke: {colour}"}
    return bar if value is not None else {**bar, "formatter": lambda _: "not all done"}


def _without_scripts(drawn: Any) -> bytes:
    """Write the drawing without what pygal adds for its tooltips."""
    for parent in list(drawn.iter()):
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return ET.tostring(drawn, encoding="unicode").encode()
