"""The program behind `stockrelay-files run`: a watcher for each feed, one outbox, one way to the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from producers.delivery import Delivery
from producers.exits import EXIT_FAILURE, EXIT_OK, EXIT_TRY_LATER
from producers.files.arrivals import SECOND_LOOK_SECONDS
from producers.files.feeds import Feed, read_feeds
from producers.files.folders import FolderError, Folders
from producers.files.ledger import SCHEMA, FileLedger, Refusal
from producers.files.processing import Processing
from producers.files.progress import ProgressDisplay
from producers.files.relaying import PartNumbers, why_not_durable
from producers.files.watcher import FeedWatcher
from producers.metrics import serving_outbox
from producers.outbox import Outbox, OutboxError
from producers.outbox_records import OutboxState, Stored, now_ms
from producers.relays import LEDGER_SECONDS, LedgerRelay
from producers.settings import FILES_PREFIX, FilesSettings
from tasks import tracing
from tasks.presence import present
from tasks.redis_client import open_redis
from tasks.settings import LedgerSettings, SettingsError, read_environment, redis_url, routes_from
from tasks.submit import Submitter
from tasks.telemetry import (
    FEEDS_READ,
    FILE_WAITS,
    LEDGER_UNREACHABLE,
    OUTBOX_DAMAGED,
    REDIS_NOT_DURABLE,
    ROW_REFUSED,
    ROWS_WAIT,
    SERVER_STOPPED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis.asyncio import Redis

#: The name that the outbox carries, and the client that the ledger knows these commands by.
PRODUCER: Final = "files"
#: `--once` gives up when Redis has taken no row for so long.
DRAIN_SECONDS: Final = 60.0
#: `--once` waits so much longer than the settle time for files that are still written.
ONCE_SECONDS: Final = 5.0
#: Before each batch is handed over; what is stored meanwhile goes with the next one.
GATHER_SECONDS: Final = 0.05
#: Between two looks for notes that are old enough to go.
_FORGET_SECONDS: Final = 86_400.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What the settings say, read and checked; nothing is asked of Redis or the disk yet."""

    settings: FilesSettings
    feeds: tuple[Feed, ...]
    redis: Redis
    submitter: Submitter
    allow_weak: bool

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Opened:
        """Raise SettingsError or FeedsError, naming what is wrong."""
        settings = read_environment(FilesSettings, FILES_PREFIX, environ)
        tracing.is_wanted(environ)
        ledger = read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", environ)
        redis = open_redis(redis_url(environ))
        submitter = Submitter(redis, routes=routes_from(environ), retention_days=ledger.retention_days)
        feeds = () if settings.config is None else read_feeds(settings.config)
        return cls(settings, feeds, redis, submitter, ledger.allow_weak_redis)


def serve(opened: Opened, *, once: bool) -> int:
    """Run until SIGTERM or SIGINT, or `once`; gives the exit code. Raises whatever keeps it from beginning."""
    with contextlib.ExitStack() as stack:
        if len({(feed.path / "in").resolve() for feed in opened.feeds}) < len(opened.feeds):
            raise FolderError("feeds: two have the same path; give each its own")
        folders = [stack.enter_context(contextlib.closing(Folders(feed.name, feed.path))) for feed in opened.feeds]
        outbox = stack.enter_context(Outbox(opened.settings.outbox, PRODUCER, schema=SCHEMA))
        if outbox.damaged is not None:
            logger.error(OUTBOX_DAMAGED, extra={"notice": str(outbox.damaged)})
        stack.enter_context(serving_outbox(outbox, PRODUCER, os.environ))
        stack.enter_context(tracing.opened("stockrelay-files", os.environ))
        progress = stack.enter_context(ProgressDisplay())
        return asyncio.run(_Program(opened, folders, outbox, progress).run(once=once))


class _Program:
    def __init__(self, opened: Opened, folders: list[Folders], outbox: Outbox, progress: ProgressDisplay) -> None:
        self._opened = opened
        self._outbox = outbox
        self._ledger = FileLedger(outbox)
        self._folders = folders
        self._progress = progress
        self._stopping = threading.Event()
        self._watchers: dict[str, FeedWatcher] = {}

    async def run(self, *, once: bool) -> int:
        """Work until it is done, or until a signal comes; gives the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await self._refuse_weak()
            work = asyncio.create_task(self._work(once=once))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if work.done():
                return work.result()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            logger.info(SERVER_STOPPED)
            return EXIT_TRY_LATER if once else EXIT_OK
        finally:
            # whatever reads a file leaves it as it is, and goes on at the next start
            self._stopping.set()
            await self._opened.redis.aclose()

    async def _work(self, *, once: bool) -> int:
        relay = LedgerRelay(self._opened.submitter, client=PRODUCER, is_ready=self._why_not, capture="file row")
        delivery = Delivery(self._outbox, relay, self._announce)
        self._watchers = dict(self._make_watchers(delivery))
        for stored in self._outbox.every_row(OutboxState.REFUSED):
            # the process may have died between the refusal and its note
            self._note_refusal(stored, stored.result or "")
        logger.info(FEEDS_READ, extra={"feeds": list(self._watchers)})
        await asyncio.to_thread(self._tell_homeless)
        async with present(self._opened.redis, "files", tuple(self._watchers)), asyncio.TaskGroup() as group:
            tasks = [group.create_task(delivery.deliver()), group.create_task(self._forget())]
            if not once:
                for watcher in self._watchers.values():
                    group.create_task(watcher.run())
                await tasks[0]
            good = await asyncio.gather(*(_settled(watcher) for watcher in self._watchers.values()))
            await self._drain(delivery)
            for task in tasks:
                task.cancel()
        left = any(self._ledger.unfinished(feed) for feed in self._watchers)
        if left or not all(good) or self._outbox.count_undelivered():
            return EXIT_TRY_LATER
        failed = delivery.refused + sum(watcher.failed for watcher in self._watchers.values())
        return EXIT_FAILURE if failed else EXIT_OK

    async def _drain(self, delivery: Delivery) -> None:
        """Wait until everything is handed over, as long as it gets less."""
        before, waiting = -1, 0
        while waiting != before:
            before = waiting
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await delivery.finish()
            waiting = self._outbox.count_undelivered()

    async def _forget(self) -> None:
        while True:
            with contextlib.suppress(OutboxError):  # a full disk is told by those who have to write
                await asyncio.to_thread(self._ledger.forget_old, now_ms())
            await asyncio.sleep(_FORGET_SECONDS)

    def _tell_homeless(self) -> None:
        """Say which files wait in the folders of feeds that are not configured any more."""
        files = self._ledger.unfinished_elsewhere(list(self._watchers))
        for feed, group in itertools.groupby(sorted(files, key=lambda file: file.feed), key=lambda file: file.feed):
            count = len(list(group))
            reason = f"{count} begun files are in its work/, and no such feed is configured; add it again to end them"
            logger.warning(FILE_WAITS, extra={"feed": feed, "reason": reason})

    def _make_watchers(self, delivery: Delivery) -> Iterator[tuple[str, FeedWatcher]]:
        loop = asyncio.get_running_loop()
        numbers = PartNumbers(self._opened.redis, loop)

        def stored() -> None:
            loop.call_soon_threadsafe(delivery.wake)

        for feed, folders in zip(self._opened.feeds, self._folders, strict=True):
            processing = Processing(
                feed,
                folders,
                self._outbox,
                self._ledger,
                look_up=numbers.look_up,
                stopping=self._stopping,
                stored=stored,
                clock_ms=now_ms,
            )
            progress = self._progress.follow
            yield feed.name, FeedWatcher(feed, folders, self._ledger, processing, progress=progress)

    def _announce(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        if state is OutboxState.REFUSED:
            logger.warning(ROW_REFUSED, extra={"key": stored.key, "summary": stored.summary, "reason": reason})
            self._note_refusal(stored, reason)
        elif state is None:
            logger.warning(ROWS_WAIT, extra={"reason": reason})

    def _note_refusal(self, stored: Stored, reason: str) -> None:
        origin = json.loads(stored.origin)
        refusal = Refusal(origin["row"], origin["line"], "", "", reason, stored.summary)
        watcher = self._watchers.get(origin["feed"])
        if self._ledger.refuse_late(origin["file"], refusal, now_ms=now_ms()) and watcher is not None:
            watcher.refused_late(origin["file"])

    async def _why_not(self) -> str:
        # many small files store a row now and then: handed over one by one they cost more than being read
        await asyncio.sleep(GATHER_SECONDS)
        return "" if self._opened.allow_weak else await why_not_durable(self._opened.redis)

    async def _refuse_weak(self) -> None:
        """End the start on a Redis that would lose commands; while it is away, say so and go on."""
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                weakness = await why_not_durable(self._opened.redis)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
            return
        if weakness and not self._opened.allow_weak:
            raise SettingsError(f"REDIS_URL: {weakness}; STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1 starts all the same")
        if weakness:
            logger.warning(REDIS_NOT_DURABLE, extra={"found": weakness})


async def _settled(watcher: FeedWatcher) -> bool:
    """Process what lies there, and what is complete within its settle time; false when something is left."""
    good = await watcher.step()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(watcher.settle_seconds + ONCE_SECONDS):
            while good and watcher.is_settling:
                await asyncio.sleep(SECOND_LOOK_SECONDS)
                good = await watcher.step()
    return good and not watcher.is_settling
