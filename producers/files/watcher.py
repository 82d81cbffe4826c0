"""One feed's folder: what lies there is found by listing it; events only make the next listing come sooner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import awatch

from producers.files.arrivals import Arrivals
from producers.files.folders import given_name, is_remote
from producers.files.ledger import OVER
from producers.files.processing import LookupAwayError, StoppedError
from producers.files.readiness import MARKER_SUFFIX
from producers.outbox import OutboxError
from producers.plain_text import plain
from tasks.telemetry import FILE_WAITS, FOLDER_NOT_READ, FOLDER_POLLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.files.feeds import Feed
    from producers.files.folders import Folders
    from producers.files.ledger import DroppedFile, FileLedger
    from producers.files.processing import Processing

#: Without events of other machines a network folder is listed at this gap, since listing it costs the network.
REMOTE_POLL_SECONDS: Final = 10.0
#: After trouble with the disk or the directory.
TROUBLE_SECONDS: Final = 5.0
#: One wake-up for a burst of events (milliseconds).
_EVENT_STEP_MS: Final = 50
_EVENT_DEBOUNCE_MS: Final = 200
_MOUNTS: Final = Path("/proc/self/mountinfo")

logger = logging.getLogger(__name__)


class FeedWatcher:
    """Watches one feed and has its files processed, oldest first; `run` ends only when cancelled."""

    def __init__(
        self,
        feed: Feed,
        folders: Folders,
        ledger: FileLedger,
        processing: Processing,
        *,
        progress: Callable[[DroppedFile], Callable[[int], None]],
    ) -> None:
        self._feed = feed
        self._folders = folders
        self._ledger = ledger
        self._processing = processing
        self._progress = progress
        self._is_remote = is_remote(folders.incoming, _mounts())
        # a lease of a network file system speaks of this machine alone, or is always refused (NFSv4)
        self._arrivals = Arrivals(feed, folders.incoming, sees_writers=not self._is_remote)
        self._wake = asyncio.Event()
        #: Files whose reports are older than what the relay has said since.
        self._stale: set[str] = set()
        #: What was said last about waiting, so that it is said once.
        self._trouble = ""
        #: Names that may not be moved out of `in/`.
        self._stuck: set[str] = set()
        self._failed = 0

    @property
    def feed_name(self) -> str:
        return self._feed.name

    @property
    def settle_seconds(self) -> float:
        return self._feed.settle_seconds

    @property
    def pending(self) -> int:
        """Count the files that are there and not complete yet."""
        return self._arrivals.pending

    @property
    def is_settling(self) -> bool:
        """Tell whether a file may be complete in a moment; one without its marker is not dropped yet."""
        return self.pending > 0 and not self._feed.done_marker

    @property
    def failed(self) -> int:
        """Count the files that failed since the start, or cannot be taken."""
        return self._failed + len(self._stuck)

    def refused_late(self, file_id: str) -> None:
        """Have the reports of a file written again."""
        self._stale.add(file_id)
        self._wake.set()

    async def run(self) -> None:
        """Process what an earlier process left, then whatever comes."""
        async with asyncio.TaskGroup() as group:
            poll_seconds = self._feed.poll_seconds
            if self._is_remote:
                poll_seconds = max(poll_seconds, REMOTE_POLL_SECONDS)
                logger.info(FOLDER_POLLED, extra={"feed": self._feed.name, "seconds": poll_seconds})
            else:
                group.create_task(self._listen())
            while True:
                if not await self.step():
                    await asyncio.sleep(TROUBLE_SECONDS)
                await self._rest(poll_seconds)

    async def step(self) -> bool:
        """Look once, and process what is complete; false when something has to be waited for, which is logged once."""
        self._wake.clear()
        try:
            await self._finish_left()
            names = await asyncio.to_thread(self._arrivals.complete_names)
            self._stuck &= set(names)
            for name in names:
                await asyncio.to_thread(self._take, name)
        except (OutboxError, LookupAwayError) as error:
            self._say(FILE_WAITS, str(error))
            return False
        except OSError as error:
            self._say(FOLDER_NOT_READ, f"{error.filename}: {error.strerror}" if error.filename else str(error))
            return False
        except StoppedError:
            await asyncio.get_running_loop().create_future()  # the one who stops us cancels this
        self._trouble = ""
        return True

    def _say(self, event: str, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            logger.warning(event, extra={"feed": self._feed.name, "reason": reason})

    async def _finish_left(self) -> None:
        """Go on with what lies in `work/`, and write the reports that are out of date."""
        unfinished: tuple[DroppedFile, ...] = await asyncio.to_thread(self._ledger.unfinished, self._feed.name)
        for file in unfinished:
            path = self._folders.at_work().get(file.id, self._folders.work / f"{file.id}__{file.name}")
            await asyncio.to_thread(self._process, file, path)
        for file_id, path in (await asyncio.to_thread(self._folders.at_work)).items():
            await asyncio.to_thread(self._go_on, file_id, path)
        for file_id in tuple(self._stale):
            await asyncio.to_thread(self._report_again, file_id)

    def _report_again(self, file_id: str) -> None:
        self._stale.discard(file_id)
        file = self._ledger.find(file_id)
        if file is None:
            return
        try:
            self._processing.report(file)
        except OSError:
            self._stale.add(file_id)
            raise

    async def _listen(self) -> None:
        while True:
            # the folder is gone, or the system watches too much already: listing it finds all the same
            with contextlib.suppress(OSError, RuntimeError):
                async for _ in awatch(
                    self._folders.incoming, recursive=False, step=_EVENT_STEP_MS, debounce=_EVENT_DEBOUNCE_MS
                ):
                    self._wake.set()
            await asyncio.sleep(self._feed.poll_seconds)

    async def _rest(self, poll_seconds: float) -> None:
        """Wait for an event, or the next look: soon while something changes, then less often."""
        if self.pending:
            await asyncio.sleep(self._arrivals.rest_seconds())
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll_seconds):
                await self._wake.wait()

    def _take(self, name: str) -> None:
        try:
            file_id, path = self._folders.claim(name)
        except FileNotFoundError:  # taken back by its sender
            return
        except PermissionError as error:
            # a folder with the sticky bit lets only the owner move a file; the others need not wait for it
            if name not in self._stuck:
                self._stuck.add(name)
                reason = f"cannot be moved out of {self._folders.incoming}: {error.strerror}"
                fields = {"feed": self._feed.name, "file": plain(name), "reason": reason}
                logger.error(FILE_WAITS, extra=fields)  # noqa: TRY400  says it all
            return
        self._arrivals.forget(name)
        self._remove_marker(name)
        self._process(self._processing.begin(file_id, path), path)

    def _remove_marker(self, name: str) -> None:
        if self._feed.done_marker:
            with contextlib.suppress(FileNotFoundError):
                (self._folders.incoming / f"{name}{MARKER_SUFFIX}").unlink()

    def _go_on(self, file_id: str, path: Path) -> None:
        """Process what lies in `work/` and was not processed with the files that are known to be unfinished."""
        file = self._ledger.find(file_id)
        if file is not None and file.state in OVER:
            # somebody put it there; its rows are judged by its content, as of any other file
            file_id, path = self._folders.claim_again(path)
            file = None
        if file is None:
            name = given_name(path)
            if not (self._folders.incoming / name).exists():
                # the process died between the claim and this; it must not vouch for the next file of the name
                self._remove_marker(name)
            file = self._processing.begin(file_id, path)
        self._process(file, path)

    def _process(self, file: DroppedFile, path: Path) -> None:
        ended = self._processing.process(file, path, self._progress(file))
        self._failed += ended.state == "failed"


def _mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
