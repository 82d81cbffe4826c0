"""A worker of a release to come: `celery -A tests.releases.newer_worker worker`. It has what that of today has not.

A kind `stock.add_sample`, a field `inspected_by` of `stock.add`, and records of format 2.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tasks import registry
from tasks.stock import AddStock


class AddInspectedStock(AddStock):
    """An addition that says who has looked at it."""

    inspected_by: str = ""


class AddSample(AddStock):
    """An addition of a kind that is not there yet."""

    kind: ClassVar[str] = "stock.add_sample"


def _learn() -> Any:
    tasks: Any = registry._TASKS
    kinds: Any = registry._BY_KIND
    for command in (AddInspectedStock, AddSample):
        kinds[command.kind], tasks[command] = command, tasks[AddStock]
    from workers import main, newer  # noqa: PLC0415  they take what there is when they are loaded

    vars(newer)["FORMAT"] = 2
    return vars(main)["app"]


app = _learn()
