"""The worker pool's loop thread and threads, without Celery's worker around them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded, WorkerShutdown
from celery.worker import state

from workers.pool_job import AbortedTaskError, Job, Outcome, recordable
from workers.pool_loop import LoopThread, stopping
from workers.pool_threads import SyncThreads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

#: long enough for a busy machine; nothing waits this long unless it fails
PATIENCE_SECONDS = 20.0


class Hub:
    """Stands for the hub thread: keeps what the loop posts, in order."""

    def __init__(self) -> None:
        self.timeouts: list[tuple[bool, float]] = []
        self.outcomes: list[Outcome | None] = []
        self._ended = threading.Semaphore(0)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        function(*args)

    def job(self, work: Callable[[], Any], **limits: float) -> Job:
        return Job(
            number=1,
            work=work,
            on_accepted=lambda *_: None,
            on_timeout=lambda soft, seconds: self.timeouts.append((soft, seconds)),
            on_end=self._end,
            stop=lambda _: None,
            soft_seconds=limits.get("soft_seconds"),
            hard_seconds=limits.get("hard_seconds"),
        )

    def _end(self, job: Job, outcome: Outcome | None) -> None:
        del job
        self.outcomes.append(outcome)
        self._ended.release()

    def wait(self) -> Outcome | None:
        assert self._ended.acquire(timeout=PATIENCE_SECONDS)
        return self.outcomes[-1]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def loop(hub: Hub) -> Iterator[LoopThread]:
    loop = LoopThread(nullcontext, hub.post)
    assert loop.start() is None
    yield loop
    loop.close(PATIENCE_SECONDS)
    assert not loop.alive


def stop(loop: LoopThread, job: Job) -> None:
    job.stopped = True
    loop.stop_job(job)


async def forever() -> None:
    await asyncio.Event().wait()


def test_a_coroutines_result_comes_with_the_times_around_it(loop: LoopThread, hub: Hub) -> None:
    async def work() -> str:
        await asyncio.sleep(0.02)
        return "done"

    loop.submit(hub.job(work))
    outcome = hub.wait()
    assert outcome is not None
    assert (outcome.value, outcome.error) == ("done", None)
    assert outcome.ended - outcome.started >= 0.02


def test_arguments_that_do_not_fit_are_the_jobs_failure(loop: LoopThread, hub: Hub) -> None:
    loop.submit(hub.job(lambda: forever(1)))  # type: ignore[call-arg]  # that is the point
    outcome = hub.wait()
    assert outcome is not None
    assert isinstance(outcome.error, TypeError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), MemoryError()])
def test_what_celery_cannot_record_becomes_a_failure_that_names_it(error: BaseException) -> None:
    recorded = recordable(error)
    assert isinstance(recorded, AbortedTaskError)
    assert type(error).__name__ in str(recorded)
    assert recorded.__cause__ is error


def test_a_stopped_job_is_cancelled_and_has_no_outcome(loop: LoopThread, hub: Hub) -> None:
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await forever()

    job = hub.job(work)
    loop.submit(job)
    assert begun.wait(PATIENCE_SECONDS)
    stop(loop, job)
    assert hub.wait() is None


def test_a_job_stopped_before_it_begins_does_not_begin(loop: LoopThread, hub: Hub) -> None:
    began: list[str] = []

    async def work() -> None:
        began.append("began")

    job = hub.job(work)
    job.stopped = True
    loop.submit(job)
    stop(loop, job)
    assert hub.wait() is None
    assert not began


def test_a_job_that_finishes_although_it_is_stopped_has_its_outcome(loop: LoopThread, hub: Hub) -> None:
    begun = threading.Event()

    async def work() -> str:
        begun.set()
        try:
            await forever()
        except asyncio.CancelledError:
            return "settled"
        return "never"

    job = hub.job(work)
    loop.submit(job)
    assert begun.wait(PATIENCE_SECONDS)
    stop(loop, job)
    outcome = hub.wait()
    assert outcome is not None
    assert outcome.value == "settled"


def test_a_job_that_fails_because_it_is_stopped_has_no_outcome(loop: LoopThread, hub: Hub) -> None:
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await forever()
        except asyncio.CancelledError:
            raise ValueError("cut off") from None

    job = hub.job(work)
    loop.submit(job)
    assert begun.wait(PATIENCE_SECONDS)
    stop(loop, job)
    assert hub.wait() is None


def test_a_soft_limit_does_not_look_like_a_cancellation_to_what_runs_inside(loop: LoopThread, hub: Hub) -> None:
    async def work() -> tuple[str, int]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await forever()
        except SoftTimeLimitExceeded as error:
            task = asyncio.current_task()
            assert task is not None
            return str(error), task.cancelling()
        return "never", 0

    loop.submit(hub.job(work, soft_seconds=0.05))
    outcome = hub.wait()
    assert outcome is not None
    assert outcome.value == ("SoftTimeLimitExceeded(0.05,)", 0)
    assert hub.timeouts == [(True, 0.05)]


def test_a_soft_limit_that_is_not_handled_is_the_jobs_failure(loop: LoopThread, hub: Hub) -> None:
    loop.submit(hub.job(forever, soft_seconds=0.05))
    outcome = hub.wait()
    assert outcome is not None
    assert isinstance(outcome.error, SoftTimeLimitExceeded)


def test_a_hard_limit_after_a_soft_one_cancels(loop: LoopThread, hub: Hub) -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await forever()
        except SoftTimeLimitExceeded:
            seen.append("soft")
        try:
            await forever()
        except asyncio.CancelledError:
            seen.append("hard")
            raise

    loop.submit(hub.job(work, soft_seconds=0.05, hard_seconds=0.1))
    assert hub.wait() is None
    assert seen == ["soft", "hard"]
    assert hub.timeouts == [(True, 0.05), (False, 0.1)]


def test_the_result_of_a_job_over_its_hard_limit_is_dropped(loop: LoopThread, hub: Hub) -> None:
    async def work() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "too late"
        return "never"

    loop.submit(hub.job(work, hard_seconds=0.05))
    assert hub.wait() is None


def test_a_job_within_its_limits_is_not_disturbed_later(loop: LoopThread, hub: Hub) -> None:
    async def work() -> str:
        return "quick"

    loop.submit(hub.job(work, soft_seconds=0.01, hard_seconds=0.02))
    assert hub.wait() is not None
    loop.submit(hub.job(lambda: asyncio.sleep(0.05)))
    hub.wait()
    assert not hub.timeouts


def test_the_loop_survives_system_exit_in_a_callback(loop: LoopThread, hub: Hub) -> None:
    def leave() -> None:
        raise SystemExit(3)

    async def work() -> str:
        asyncio.get_running_loop().call_soon(leave)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "still here"

    loop.submit(hub.job(work))
    outcome = hub.wait()
    assert outcome is not None
    assert outcome.value == "still here"


def test_jobs_see_what_the_lifespan_set_and_not_each_others(hub: Hub) -> None:
    shared: ContextVar[str] = ContextVar("shared")
    left = threading.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        shared.set("from the lifespan")
        yield
        left.set()

    async def work() -> str:
        seen = shared.get()
        shared.set("from a job")
        return seen

    loop = LoopThread(lifespan, hub.post)
    assert loop.start() is None
    for _ in range(2):
        loop.submit(hub.job(work))
        outcome = hub.wait()
        assert outcome is not None
        assert outcome.value == "from the lifespan"
    loop.close(PATIENCE_SECONDS)
    assert left.is_set()


def test_start_returns_why_the_lifespan_could_not_be_entered(hub: Hub) -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        raise SystemExit("no settings")
        yield

    failure = LoopThread(lifespan, hub.post).start()
    assert isinstance(failure, SystemExit)


def test_a_worker_told_to_stop_while_its_lifespan_is_entered_stops(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = threading.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        monkeypatch.setattr(state, "should_stop", 0)
        await asyncio.to_thread(entered.wait, PATIENCE_SECONDS)
        yield

    loop = LoopThread(lifespan, hub.post)
    with pytest.raises(WorkerShutdown):
        loop.start()
    monkeypatch.setattr(state, "should_stop", None)
    entered.set()
    assert loop._opened.wait(PATIENCE_SECONDS)
    loop.close(PATIENCE_SECONDS)


def test_a_loop_that_ends_by_itself_stops_the_worker(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)

    async def work() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await forever()

    loop = LoopThread(nullcontext, hub.post)
    assert loop.start() is None
    loop.submit(hub.job(work))
    loop.join(PATIENCE_SECONDS)
    assert not loop.alive
    assert state.should_stop == 1


def test_stopping_is_set_by_the_announcement(loop: LoopThread, hub: Hub) -> None:
    async def work() -> bool:
        return await stopping().wait()

    loop.submit(hub.job(work))
    loop.announce_stop()
    outcome = hub.wait()
    assert outcome is not None
    assert outcome.value is True


def test_stopping_says_where_it_can_be_called() -> None:
    with pytest.raises(RuntimeError, match="outside the worker pool's loop"):
        stopping()


def test_a_thread_survives_what_a_plain_function_raises(hub: Hub) -> None:
    threads = SyncThreads(1, hub.post)
    threads.start()

    def leave() -> None:
        raise SystemExit(3)

    threads.submit(hub.job(leave))
    outcome = hub.wait()
    assert outcome is not None
    assert isinstance(outcome.error, AbortedTaskError)
    threads.submit(hub.job(lambda: "fine"))
    outcome = hub.wait()
    assert outcome is not None
    assert outcome.value == "fine"
