"""The plot of the comparison: an SVG that needs nothing else and shows every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from defusedxml import ElementTree

from tests.benchmarks import plot

if TYPE_CHECKING:
    from pathlib import Path


def _result(name: str, calls: int, per_second: float | None, failure: str | None = None) -> dict[str, Any]:
    median = None if per_second is None else {"median": per_second}
    return {"name": name, "calls": calls, "per_second": median, "failure": failure}


FIGURES: dict[str, Any] = {
    "vendor_ms": 20,
    "results": [
        _result("stockrelay", 1, 1234.4),
        _result("stockrelay", 3, 777.0),
        _result("arq", 1, 543.0),
        _result("arq", 3, 222.0),
        _result("celery-aio-pool", 1, 35.0, "1900 of 2000 tasks in 60 s"),
        _result("broken", 1, None, "did not warm up"),
    ],
}


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    path = tmp_path / "peers.svg"
    plot.draw(FIGURES, path)
    return path.read_text()


def test_the_plot_is_valid_and_holds_no_script_and_no_link(drawn: str) -> None:
    tree = ElementTree.fromstring(drawn)

    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert [node.tag for node in tree.iter() if str(node.tag).endswith("script")] == []
    assert [
        name for node in tree.iter() for name in node.attrib if name.endswith("href") or name.startswith("on")
    ] == []
    assert "@import" not in drawn


def _heights(drawn: str) -> dict[str, float]:
    """Return each text of the drawing with how far from the top it stands."""
    nodes = [node for node in ElementTree.fromstring(drawn).iter() if str(node.tag).endswith("text")]
    return {"".join(node.itertext()).strip(): float(node.attrib.get("y", 0)) for node in nodes}


def test_the_plot_names_every_worker_and_the_figures_of_those_that_did_all(drawn: str) -> None:
    texts = set(_heights(drawn))

    assert {"stockrelay", "arq", "celery-aio-pool", "broken"} <= texts
    assert {"1234", "777", "543", "222"} <= texts
    assert "35" not in texts
    assert "not all done" in texts


def test_a_kind_of_task_that_a_worker_has_not_is_not_called_undone(tmp_path: Path) -> None:
    plot.draw({**FIGURES, "results": [_result("stockrelay, requests shared", 1, 9.0)]}, tmp_path / "one.svg")

    assert "not all done" not in (tmp_path / "one.svg").read_text()


def test_the_fastest_worker_stands_on_top(drawn: str) -> None:
    height = _heights(drawn)

    assert height["stockrelay"] < height["arq"] < height["celery-aio-pool"]
