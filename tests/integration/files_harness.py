"""One feed with its folders, ledger and outbox, worked step by step without Redis."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from producers.files.arrivals import SECOND_LOOK_SECONDS
from producers.files.feeds import Feed
from producers.files.folders import Folders
from producers.files.ledger import SCHEMA, FileLedger, FileState
from producers.files.processing import Processing
from producers.files.watcher import FeedWatcher
from producers.outbox import Outbox
from tests.unit.file_harness import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

    from producers.files.ledger import DroppedFile
    from producers.outbox_records import Stored
    from tasks.directory import Thing

HEADER = "quantity,note\n"
CLOCK_MS = 1_790_000_000_000
#: Longer than any of these tests takes on a busy machine.
PATIENCE_SECONDS = 60.0


class DeathError(BaseException):
    """The process dies here, as far as the code can tell."""


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why files were said to wait."""
    return [vars(record)["reason"] for record in caplog.records if record.message == "file.waits"]


def rows(first: int, last: int) -> str:
    """Rows whose quantity tells which one they are."""
    return "".join(f"{number},row {number}\n" for number in range(first, last))


class FeedDesk:
    """What one process has in hand of a feed; `with FeedDesk(folder) as desk`, again for the next process."""

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30, settle_seconds: float = 0.0, **options: Any) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        path = folder / "drop"
        given = {"name": "goods-in", "path": path, "format": "csv", "kind": "stock.add", "fields": FIELDS}
        self.feed = Feed.model_validate({**given, "settle_seconds": settle_seconds, **options})
        self.stopping = threading.Event()
        self.directory: Mapping[str, Sequence[Thing]] = {}
        self.asked: list[str] = []
        #: Called with every number of rows that is durable.
        self.on_progress: Callable[[int], None] = lambda _: None

    def __enter__(self) -> Self:
        self.folders = Folders(self.feed.name, self.feed.path)
        self.outbox = Outbox(
            self.folder / "files.sqlite3", "files", schema=SCHEMA, max_bytes=self._max_bytes, min_free_bytes=0
        )
        self.ledger = FileLedger(self.outbox)
        self.processing = Processing(
            self.feed,
            self.folders,
            self.outbox,
            self.ledger,
            look_up=self._look_up,
            stopping=self.stopping,
            stored=lambda: None,
            clock_ms=lambda: CLOCK_MS,
        )
        self.watcher = FeedWatcher(
            self.feed,
            self.folders,
            self.ledger,
            self.processing,
            progress=lambda _: self._progressed,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.outbox.close()
        self.folders.close()

    def _progressed(self, rows: int) -> None:
        self.on_progress(rows)

    def _look_up(self, codes: Sequence[str]) -> Mapping[str, Sequence[Thing]]:
        self.asked += codes
        return {code: self.directory.get(code, ()) for code in codes}

    def drop(self, name: str, content: str | bytes) -> Path:
        path = self.folders.incoming / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def work(self) -> None:
        """Look until nothing is left that is still being written."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.watcher.step()
            while self.watcher.pending:
                await asyncio.sleep(SECOND_LOOK_SECONDS)
                await self.watcher.step()

    def files(self) -> list[DroppedFile]:
        return list(reversed(self.ledger.latest(1000)))

    def states(self) -> dict[str, FileState]:
        return {file.name: file.state for file in self.files()}

    def stored(self) -> list[Stored]:
        return list(self.outbox.every_row())

    def quantities(self) -> list[int]:
        """The quantities that were stored, in their order."""
        return [json.loads(entry.body)["quantity"] for entry in self.stored()]

    def left(self) -> list[str]:
        """What lies in `in/` and `work/`."""
        paths = (*self.folders.incoming.iterdir(), *self.folders.work.iterdir())
        return sorted(path.name for path in paths if path.name != ".lock")

    def content(self, file: DroppedFile, suffix: str = "") -> str | None:
        """What lies where the file ended, or a report beside it; None when nothing does."""
        place = Path(f"{file.place}{suffix}")
        return place.read_text() if place.exists() else None

    def report(self, file: DroppedFile) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content(file, ".report.json") or "{}")
        return found
