"""What the project wants to reach, and whether the figures of a run reach it. Ratios are of medians of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of a part and its limit. `figure` gives None where the run did not measure it."""

    part: str
    measure: str
    unit: str
    limit: float
    #: Reached from below (at most the limit) rather than from above.
    at_most: bool
    figure: Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what a run says of it."""

    measure: str
    target: str
    figure: str
    met: bool
    #: In the unit of the figure; None when met.
    missed_by: str | None


def judge(found: Mapping[str, Figures]) -> list[Verdict]:
    """Judge every target that the parts of this run have a figure for."""
    figures = ((target, target.figure(found[target.part])) for target in TARGETS if target.part in found)
    return [verdict(target, figure) for target, figure in figures if figure is not None]


def verdict(target: Target, figure: float) -> Verdict:
    """Judge one figure; a limit counts as reached."""
    met = figure <= target.limit if target.at_most else figure >= target.limit
    sign = "≤" if target.at_most else "≥"
    return Verdict(
        measure=target.measure,
        target=f"{sign} {target.limit:g}{target.unit}",
        figure=f"{figure:.4g}{target.unit}",
        met=met,
        missed_by=None if met else f"{abs(figure - target.limit):.3g}{target.unit}",
    )


def table(verdicts: Sequence[Verdict]) -> Table:
    """Show target, figure and verdict."""
    shown = Table(title="targets of this run")
    for heading in ("measure", "target", "figure", "verdict"):
        shown.add_column(heading, overflow="fold")
    for one in verdicts:
        shown.add_row(one.measure, one.target, one.figure, "met" if one.met else f"missed by {one.missed_by}")
    return shown


def _median(figures: Figures, name: str, calls: int, what: str) -> float | None:
    """Find a worker's median; None for one that is not there or did not do all."""
    for result in figures["results"]:
        if (result["name"], result["calls"]) == (name, calls) and not result["failure"] and result[what]:
            median: float = result[what]["median"]
            return median
    return None


def _ratio(name: str, other: str, calls: int) -> Callable[[Figures], float | None]:
    """Compare the speeds of two workers at tasks of so many calls."""

    def figure(figures: Figures) -> float | None:
        mine, theirs = (_median(figures, one, calls, "per_second") for one in (name, other))
        return None if mine is None or theirs is None else mine / theirs

    return figure


def _peers() -> list[Target]:
    alone = "pool and transport"
    found = [
        Target("peers", f"{alone} ÷ {other}, one call", " x", limit, at_most=False, figure=_ratio(alone, other, 1))
        for other, limit in (("celery prefork", 5.0), ("taskiq stream", 1.2))
    ]
    for whole, calls, words in (
        ("stockrelay, requests shared", 1, "one call, shared"),
        ("stockrelay", 3, "three calls"),
    ):
        found += [
            Target(
                "peers",
                f"whole path ÷ {other}, {words}",
                " x",
                limit,
                at_most=False,
                figure=_ratio(whole, other, calls),
            )
            for other, limit in (("taskiq stream", 1.0), ("celery threads", 2.0))
        ]
        found += [
            Target(
                "peers",
                f"whole path, {what}, {words}",
                unit,
                limit,
                at_most=True,
                figure=lambda figures, whole=whole, calls=calls, name=name: _median(figures, whole, calls, name),  # type: ignore[misc]
            )
            for what, unit, limit, name in (
                ("worker CPU per command", " ms", 0.8, "cpu_ms"),
                ("worker RSS", " MiB", 90.0, "rss_mib"),
            )
        ]
    return found


def _delays() -> list[Target]:
    def delay(calls: int, what: str) -> Callable[[Figures], float | None]:
        return lambda figures: next((one[what] for one in figures["delays"] if one["calls"] == calls), None)

    return [
        Target(
            "latency",
            f"accepted → applied beyond the vendor's time, {percentile}, {calls} call(s)",
            " ms",
            limit,
            at_most=True,
            figure=delay(calls, f"own_{percentile}_ms"),
        )
        for calls in (1, 3)
        for percentile, limit in (("p50", 8.0), ("p99", 25.0))
    ]


def _troubles() -> list[Target]:
    def change(trouble: str) -> Callable[[Figures], float | None]:
        return lambda figures: next(
            (one["p99_percent"] for one in figures["troubles"] if one["trouble"] == trouble), None
        )

    return [
        Target("isolation", f"p99 of another vendor {where}", " %", 10.0, at_most=True, figure=change(trouble))
        for trouble, where in (("stuck", "beside one that is stuck"), ("maintenance", "beside one in maintenance"))
    ]


def _growth_percent(figures: Figures) -> float | None:
    """Compare what a command costs the server at the most and at the fewest waiting, admitted to settled."""
    scales = sorted(figures["scales"], key=lambda one: one["waiting"])
    few, many = scales[0], scales[-1]
    if (few["waiting"], many["waiting"]) != (1_000, 1_000_000):
        return None
    steps = ("admit_us", "claim_us", "intent_us", "settle_us")
    cost, before = (sum(float(one[step]) for step in steps) for one in (many, few))
    return 100 * (cost / before - 1)


def _webhooks_per_second(figures: Figures) -> float | None:
    return next((one["requests_per_second"] for one in figures["rounds"] if one["at_once"] == 32), None)


TARGETS: Final = (
    *_peers(),
    *_delays(),
    Target(
        "scale",
        "admission from one process, batched",
        "/s",
        5000.0,
        at_most=False,
        figure=lambda figures: min(one["admissions_per_second"] for one in figures["scales"]),
    ),
    Target(
        "scale",
        "a command's cost to the server at 1,000,000 waiting, against 1,000",
        " % more",
        25.0,
        at_most=True,
        figure=_growth_percent,
    ),
    Target(
        "webhooks",
        "durable 202 over HTTP, 32 connections",
        "/s",
        2000.0,
        at_most=False,
        figure=_webhooks_per_second,
    ),
    Target(
        "limits",
        "least use of a limit by four processes",
        " %",
        97.0,
        at_most=False,
        figure=lambda figures: min(100 * one["utilisation"] for one in figures["vendors"]),
    ),
    Target(
        "limits",
        "requests that broke a limit",
        "",
        0.0,
        at_most=True,
        figure=lambda figures: float(sum(len(one["violations"]) for one in figures["vendors"])),
    ),
    *_troubles(),
    Target(
        "events", "slower with events and Flower", " %", 20.0, at_most=True, figure=lambda one: one["slower_percent"]
    ),
)
