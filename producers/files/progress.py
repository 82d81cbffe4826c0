"""How far a long file is: a bar on a terminal, else a line in the log now and then."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tasks.telemetry import FILE_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.files.ledger import DroppedFile

#: Between two lines about one file.
LINE_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class ProgressDisplay:
    """Shows the files that are being stored; use it as a context. Its callbacks may come from any thread."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} rows"))
            self._bars = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def follow(self, file: DroppedFile) -> Callable[[int], None]:
        """Give what is told the number of rows of a file that are dealt with."""
        return _lines(file) if self._bars is None else self._bar(self._bars, file)

    def _bar(self, bars: Progress, file: DroppedFile) -> Callable[[int], None]:
        """Give each feed one bar, for the file it is at."""
        if file.feed not in self._tasks:
            self._tasks[file.feed] = bars.add_task("", total=None)
        task = self._tasks[file.feed]
        bars.update(task, description=f"{file.feed}: {file.name}", completed=file.checkpoint)
        return lambda rows: bars.update(task, completed=rows)


def _lines(file: DroppedFile) -> Callable[[int], None]:
    told_at = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= LINE_SECONDS:
            told_at = time.monotonic()
            logger.info(FILE_PROGRESS, extra={"feed": file.feed, "file": file.name, "rows": rows})

    return tell
