"""What the benchmarks say of given measurements: medians, spread, percentiles, verdicts."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import pytest

from tests.benchmarks.figures import Spread, percentile
from tests.benchmarks.measure import family, family_cpu_seconds, family_rss_mib, rss_mib
from tests.benchmarks.targets import TARGETS, Target, judge, table, verdict


def test_a_spread_has_the_median_the_least_and_the_most() -> None:
    assert Spread.of([3.0, 1.0, 100.0]) == Spread(3.0, 1.0, 100.0)
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)
    assert Spread.of([1.23456], 3) == Spread(1.235, 1.235, 1.235)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(50, 100.0), (99, 198.0), (100, 200.0), (0.5, 1.0), (99.6, 200.0)],
)
def test_a_percentile_is_the_value_of_its_rank(percent: float, expected: float) -> None:
    values = [float(number) for number in range(1, 201)]
    random.Random(1).shuffle(values)

    assert percentile(values, percent) == expected


def test_the_percentiles_of_few_values_are_among_them() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0], 99) == 3.0


def test_no_values_have_neither_median_nor_percentile() -> None:
    with pytest.raises(ValueError, match="values: none"):
        Spread.of([])
    with pytest.raises(ValueError, match="values: none"):
        percentile([], 50)
    with pytest.raises(ValueError, match="percent: 101"):
        percentile([1.0], 101)


def _target(limit: float, *, at_most: bool) -> Target:
    return Target("a part", "a measure", " ms", limit, at_most=at_most, figure=lambda _: None)


@pytest.mark.parametrize(
    ("at_most", "figure", "met", "missed_by"),
    [
        (True, 8.0, True, None),
        (True, 7.9, True, None),
        (True, 10.0, False, "2 ms"),
        (False, 8.0, True, None),
        (False, 9.0, True, None),
        (False, 5.5, False, "2.5 ms"),
    ],
)
def test_a_verdict_says_by_how_much_a_target_was_missed(
    at_most: bool,  # noqa: FBT001
    figure: float,
    met: bool,  # noqa: FBT001
    missed_by: str | None,
) -> None:
    found = verdict(_target(8.0, at_most=at_most), figure)

    assert (found.met, found.missed_by) == (met, missed_by)
    assert found.target == ("≤ 8 ms" if at_most else "≥ 8 ms")


def test_a_limit_of_nothing_is_missed_by_one() -> None:
    assert verdict(_target(0.0, at_most=True), 1.0).missed_by == "1 ms"


def _result(name: str, calls: int, per_second: float, failure: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "calls": calls,
        "failure": failure,
        "per_second": {"median": per_second},
        "cpu_ms": {"median": 0.9},
        "rss_mib": {"median": 89.0},
    }


def test_the_comparison_is_judged_by_ratios_of_one_run() -> None:
    results = [
        _result("pool and transport", 1, 1500.0),
        _result("celery prefork", 1, 250.0),
        _result("taskiq stream", 1, 1500.0),
        _result("stockrelay, requests shared", 1, 1200.0),
        _result("celery threads", 1, 400.0),
        _result("stockrelay", 3, 500.0),
        _result("taskiq stream", 3, 400.0),
    ]

    found = {one.measure: (one.figure, one.met) for one in judge({"peers": {"results": results}})}

    assert found == {
        "pool and transport ÷ celery prefork, one call": ("6 x", True),
        "pool and transport ÷ taskiq stream, one call": ("1 x", False),
        "whole path ÷ taskiq stream, one call, shared": ("0.8 x", False),
        "whole path ÷ celery threads, one call, shared": ("3 x", True),
        "whole path, worker CPU per command, one call, shared": ("0.9 ms", False),
        "whole path, worker RSS, one call, shared": ("89 MiB", True),
        "whole path ÷ taskiq stream, three calls": ("1.25 x", True),
        "whole path, worker CPU per command, three calls": ("0.9 ms", False),
        "whole path, worker RSS, three calls": ("89 MiB", True),
    }


def test_a_worker_that_did_not_do_all_is_no_yardstick() -> None:
    results = [_result("pool and transport", 1, 1500.0), _result("celery prefork", 1, 250.0, "9 of 10 tasks")]

    assert judge({"peers": {"results": results}}) == []


def test_latency_isolation_and_events_have_their_verdicts() -> None:
    figures: dict[str, dict[str, Any]] = {
        "latency": {"delays": [{"calls": 1, "own_p50_ms": 8, "own_p99_ms": 26}]},
        "isolation": {"troubles": [{"trouble": "stuck", "p99_percent": -3.0}]},
        "events": {"slower_percent": 20.1},
    }

    assert [(one.figure, one.met) for one in judge(figures)] == [
        ("8 ms", True),
        ("26 ms", False),
        ("-3 %", True),
        ("20.1 %", False),
    ]


def test_older_parts_are_judged_by_their_figures() -> None:
    figures: dict[str, dict[str, Any]] = {
        "webhooks": {
            "rounds": [{"at_once": 1, "requests_per_second": 9.0}, {"at_once": 32, "requests_per_second": 2e3}]
        },
        "limits": {"vendors": [{"utilisation": 1.0, "violations": []}, {"utilisation": 0.96, "violations": [{}]}]},
    }

    assert [one.missed_by for one in judge(figures)] == [None, "1 %", "1"]


def test_growth_is_judged_by_all_steps_of_a_command_together() -> None:
    steps = {"admit_us": 100.0, "claim_us": 10.0, "intent_us": 10.0, "settle_us": 10.0, "admissions_per_second": 6000}
    scales = [{"waiting": 1_000_000, **steps, "claim_us": 49.0}, {"waiting": 1_000, **steps}]

    assert [(one.figure, one.met) for one in judge({"scale": {"scales": scales}})] == [
        ("6000/s", True),
        ("30 % more", False),
    ]
    assert len(judge({"scale": {"scales": scales[1:]}})) == 1


def test_the_table_shows_each_verdict() -> None:
    verdicts = judge({"events": {"slower_percent": 25.0}})

    assert [list(column.cells) for column in table(verdicts).columns][1:] == [["≤ 20 %"], ["25 %"], ["missed by 5 %"]]


def test_no_two_targets_have_one_name() -> None:
    assert len({target.measure for target in TARGETS}) == len(TARGETS)


def test_a_familys_cost_holds_its_childrens() -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        members = family(parent.pid)

        assert members[0] == parent.pid
        assert len(members) == 2
        assert family_rss_mib(parent.pid) > rss_mib(parent.pid)
        assert family_cpu_seconds(parent.pid) >= 0
        parent.communicate("\n")
    assert os.getpid() not in members
