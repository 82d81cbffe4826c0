"""Real workers with the asyncio pool on a real server: what Celery, Flower and an operator expect of a worker."""

from __future__ import annotations

import signal
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import pytest
from celery import Celery

from tests.integration.pool_app import QUEUE
from tests.integration.pool_harness import Server, Worker, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: a warm shutdown may take this much longer than the calls that run
SHUTDOWN_SECONDS = 2.0

#: a worker works again so soon after a frozen broker is back
RECOVERY_SECONDS = 15.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.close()


@pytest.fixture
def producer(server: Server) -> Iterator[Celery]:
    """A stock Celery app that knows the names of the tasks and nothing else."""
    app = Celery(broker=server.url, set_as_current=False)
    app.conf.task_default_queue = QUEUE
    yield app
    app.close()


@pytest.fixture
def start(server: Server) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(*options: str, **settings: Any) -> Worker:
        workers.append(Worker(server, f"worker{len(workers)}", *options, **settings))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(start: Callable[..., Worker]) -> Worker:
    return start("-c", "10", "-E").wait_ready()


class Events:
    """What Flower would see: every event since `with`, from a receiver in a thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.seen: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._capture)

    def _capture(self) -> None:
        with self._app.connection_for_read() as connection:
            self._receiver = self._app.events.Receiver(connection, handlers={"*": self.seen.append})
            self._receiver.capture(wakeup=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.of("worker-heartbeat"), "a heartbeat, so that the receiver listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.should_stop = True
        self._thread.join()

    def of(self, kind: str, task_id: str | None = None) -> list[dict[str, Any]]:
        return [event for event in list(self.seen) if event["type"] == kind and event.get("uuid") in {task_id, None}]

    def until(self, kind: str, task_id: str) -> dict[str, Any]:
        return until(lambda: self.of(kind, task_id), f"{kind} of {task_id}")[0]


def settled(server: Server) -> bool:
    """Return whether no message is queued or unacked."""
    return not server.client.llen(QUEUE) and not server.client.hlen("unacked")


def test_flower_sees_a_task_from_received_to_succeeded_with_its_real_runtime(worker: Worker, producer: Celery) -> None:
    with Events(producer) as events:
        producer.send_task("pool.call", args=("a", 0.2), task_id="good")
        ended = events.until("task-succeeded", "good")

        kinds = [event["type"] for event in events.seen if event.get("uuid") == "good"]
        assert kinds == ["task-received", "task-started", "task-succeeded"]
        assert ended["runtime"] >= 0.2
        assert ended["result"] == "'a'"
        assert events.of("task-received", "good")[0]["name"] == "pool.call"


def test_flower_sees_why_a_task_failed(worker: Worker, producer: Celery, server: Server) -> None:
    with Events(producer) as events:
        producer.send_task("pool.fail", args=("a",), task_id="bad")
        failed = events.until("task-failed", "bad")

        assert failed["exception"] == "ValueError('refused a')"
        assert "pool_app.py" in failed["traceback"]
    until(lambda: settled(server), "the failed task is acked")


def test_inspect_shows_what_runs_and_the_size_of_the_pool(worker: Worker, producer: Celery, server: Server) -> None:
    for number in range(3):
        producer.send_task("pool.until_stopping", args=(str(number),), task_id=f"job{number}")
    until(lambda: server.client.hlen("started") == 3, "three run")

    inspect = producer.control.inspect([worker.name], timeout=10)
    assert {job["id"] for job in inspect.active()[worker.name]} == {"job0", "job1", "job2"}
    pool = inspect.stats()[worker.name]["pool"]
    assert pool["implementation"] == "workers.pool:AsyncioPool"
    assert (pool["max-concurrency"], pool["running"], pool["waiting"]) == (10, 3, 0)


def test_the_pool_grows_and_shrinks_on_command(start: Callable[..., Worker], producer: Celery, server: Server) -> None:
    worker = start("-c", "2").wait_ready()
    for number in range(4):
        producer.send_task("pool.until_stopping", args=(str(number),))
    until(lambda: server.client.hlen("started") == 2, "as many run as the pool allows")
    inspect = producer.control.inspect([worker.name], timeout=10)
    assert len(inspect.active()[worker.name]) == 2

    producer.control.pool_grow(2, destination=[worker.name])
    until(lambda: server.client.hlen("started") == 4, "the pool has grown")

    producer.control.pool_shrink(3, destination=[worker.name])
    until(lambda: inspect.stats()[worker.name]["pool"]["max-concurrency"] == 1, "the pool has shrunk")
    refused = producer.control.pool_shrink(1, destination=[worker.name], reply=True, timeout=10)
    assert "cannot be smaller than 1" in str(refused)


def test_each_coroutine_sees_its_own_request(worker: Worker, producer: Celery, server: Server) -> None:
    for number in range(10):
        producer.send_task("pool.request", kwargs={"key": f"k{number}"}, task_id=f"id{number}")
    until(lambda: server.client.hlen("seen") == 10, "all have looked")

    seen = server.client.hgetall("seen")
    assert seen == {f"k{number}": f"id{number},id{number},k{number}" for number in range(10)}


@pytest.mark.parametrize("name", ["exits", "child_exits", "unpicklable_error", "unpicklable_result", "out_of_memory"])
def test_no_outcome_of_a_task_ends_the_loop(name: str, worker: Worker, producer: Celery, server: Server) -> None:
    producer.send_task(f"pool.{name}", args=("odd",))
    producer.send_task("pool.call", args=("good",))

    until(lambda: server.client.hget("ended", "good"), "the next task runs")
    until(lambda: settled(server), "both are acked")
    assert worker.stop() == 0


def test_a_plain_task_runs_beside_coroutines(worker: Worker, producer: Celery, server: Server) -> None:
    with Events(producer) as events:
        producer.send_task("pool.plain", args=("p",), task_id="plain")
        assert events.until("task-succeeded", "plain")["result"] == "'p'"
    assert server.client.hget("ended", "p") == "1"


def test_revoke_with_terminate_cancels_a_running_coroutine(worker: Worker, producer: Celery, server: Server) -> None:
    with Events(producer) as events:
        producer.send_task("pool.cancelled", args=("a",), task_id="unwanted")
        until(lambda: server.client.hget("started", "a"), "it runs")
        producer.control.revoke("unwanted", terminate=True)

        events.until("task-revoked", "unwanted")
        until(lambda: server.client.hget("error", "a") == "CancelledError", "it is cancelled")
        until(lambda: settled(server), "it is acked")
        assert not events.of("task-failed", "unwanted")


def test_a_task_revoked_before_it_comes_never_runs(worker: Worker, producer: Celery, server: Server) -> None:
    producer.control.revoke("unwanted", reply=True, timeout=10, destination=[worker.name])
    with Events(producer) as events:
        producer.send_task("pool.call", args=("a",), task_id="unwanted")
        events.until("task-revoked", "unwanted")
    until(lambda: settled(server), "it is acked")
    assert not server.client.exists("started")


def test_a_soft_time_limit_is_raised_inside_the_coroutine(worker: Worker, producer: Celery, server: Server) -> None:
    with Events(producer) as events:
        producer.send_task("pool.survives_soft_limit", args=("a",), task_id="slow", soft_time_limit=0.3)
        events.until("task-succeeded", "slow")
    assert server.client.hget("ended", "a") == "1"
    assert "Soft time limit (0.3s) exceeded" in worker.text


def test_a_hard_time_limit_cancels_the_coroutine_and_fails_the_task(
    worker: Worker, producer: Celery, server: Server
) -> None:
    with Events(producer) as events:
        producer.send_task("pool.cancelled", args=("a",), task_id="slow", time_limit=0.3)
        assert "TimeLimitExceeded(0.3,)" in events.until("task-failed", "slow")["traceback"]
        until(lambda: server.client.hget("error", "a") == "CancelledError", "it is cancelled")
    until(lambda: settled(server), "it is acked")


def test_a_coroutine_can_wait_for_the_worker_to_stop(worker: Worker, producer: Celery, server: Server) -> None:
    producer.send_task("pool.until_stopping", args=("a",))
    until(lambda: server.client.hget("started", "a"), "it runs")

    assert worker.stop() == 0
    assert server.client.hget("ended", "a") == "1"
    assert settled(server)
    assert server.client.lrange("lifespan", 0, -1) == ["left"]


def test_a_worker_whose_lifespan_cannot_be_entered_exits_with_status_1(start: Callable[..., Worker]) -> None:
    worker = start(env={"POOL_TEST_LIFESPAN": "fails"})
    assert worker.process.wait(30) == 1
    assert "its lifespan could not be entered" in worker.text
    assert "no such vendor" in worker.text


def test_the_pool_can_be_chosen_by_celerys_environment_variable(
    start: Callable[..., Worker], producer: Celery, server: Server
) -> None:
    env = {"CELERY_CUSTOM_WORKER_POOL": "workers.pool:AsyncioPool"}
    start("-P", "custom", env=env).wait_ready()
    producer.send_task("pool.call", args=("a",))
    until(lambda: server.client.hget("ended", "a"), "it runs")


def test_a_stock_worker_serves_plain_tasks_of_the_same_queue(
    worker: Worker, start: Callable[..., Worker], producer: Celery, server: Server
) -> None:
    stock = start("-P", "threads", "-c", "4", env={"POOL_TEST_CONSUMER": "celery.worker.consumer:Consumer"})
    stock.wait_ready()
    keys = [str(number) for number in range(60)]
    for key in keys:
        producer.send_task("pool.plain", args=(key,))

    until(lambda: server.client.hlen("ended") == len(keys) and settled(server), "all have run")
    assert server.client.hgetall("started") == dict.fromkeys(keys, "1")
    assert all("pool.plain" in each.text for each in (worker, stock))


def test_a_cold_shutdown_cancels_what_runs_and_leaves_it_in_the_queue(
    worker: Worker, producer: Celery, server: Server
) -> None:
    for number in range(5):
        producer.send_task("pool.cancelled", args=(f"a{number}",))
    producer.send_task("pool.stubborn", args=("b",))
    until(lambda: server.client.hlen("started") == 6, "all run")

    worker.stop(signal.SIGQUIT)
    assert server.client.llen(QUEUE) == 6
    assert not server.client.hlen("unacked")
    assert server.client.hgetall("error") == {f"a{number}": "CancelledError" for number in range(5)}
    assert server.client.lrange("lifespan", 0, -1) == ["left"]


def test_a_warm_shutdown_that_takes_too_long_can_be_made_cold(worker: Worker, producer: Celery, server: Server) -> None:
    producer.send_task("pool.cancelled", args=("endless",))
    producer.send_task("pool.call", args=("short", 0.5))
    until(lambda: server.client.hlen("started") == 2, "both run")

    worker.process.send_signal(signal.SIGTERM)
    until(lambda: server.client.hget("ended", "short"), "the short one ends")
    until(lambda: server.client.hlen("unacked") == 1, "and is acked although the other runs on")
    assert worker.process.poll() is None

    worker.stop(signal.SIGQUIT)
    assert server.client.llen(QUEUE) == 1
    assert server.client.hget("error", "endless") == "CancelledError"


def test_a_cold_shutdown_under_load_loses_nothing(
    start: Callable[..., Worker], producer: Celery, server: Server
) -> None:
    keys = [str(number) for number in range(300)]
    for key in keys:
        producer.send_task("pool.call", args=(key, 0.05))
    for round_ in range(3):
        worker = start("-c", "20").wait_ready()
        until(lambda round_=round_: server.client.hlen("ended") > round_ * 50, "some have run")  # type: ignore[misc]
        worker.stop(signal.SIGQUIT)
    start("-c", "20").wait_ready()

    until(lambda: server.client.hlen("ended") == len(keys) and settled(server), "all have run")


@pytest.mark.slow
def test_forty_warm_shutdowns_under_load_lose_nothing_and_run_nothing_twice(
    start: Callable[..., Worker], producer: Celery, server: Server
) -> None:
    longest_call_seconds = 0.3
    sent = 0
    enough = threading.Event()

    def load() -> None:
        nonlocal sent
        while not enough.wait(0.01):
            producer.send_task("pool.call", args=(str(sent), 0.1 + sent % 10 * 0.02))
            sent += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        workers = deque(start("-c", "20") for _ in range(3))
        for _ in range(40):
            worker = workers.popleft().wait_ready()
            workers.append(start("-c", "20"))
            before = int(server.client.hlen("started"))
            until(lambda before=before: server.client.hlen("started") > before, "load goes on")  # type: ignore[misc]
            assert worker.stop(seconds=longest_call_seconds + SHUTDOWN_SECONDS) == 0
    finally:
        enough.set()
        thread.join()

    until(lambda: server.client.hlen("ended") == sent and settled(server), "all have run")
    once = {str(number): "1" for number in range(sent)}
    assert server.client.hgetall("started") == once
    assert server.client.hgetall("ended") == once


@pytest.mark.slow
def test_a_worker_goes_on_after_the_server_was_killed_and_restarted(
    worker: Worker, producer: Celery, server: Server
) -> None:
    producer.send_task("pool.call", args=("before", 3))
    until(lambda: server.client.hget("started", "before"), "it runs")

    server.kill()
    until(lambda: "Connection to broker lost" in worker.text, "the worker notices")
    server.start()

    producer.send_task("pool.call", args=("after",))
    until(lambda: server.client.hget("ended", "after"), "the worker takes new messages")
    until(lambda: server.client.hget("ended", "before"), "what ran then has run")
    until(lambda: settled(server), "all are acked")
    assert worker.stop() == 0


@pytest.mark.slow
def test_a_worker_works_again_soon_after_the_server_was_frozen(
    worker: Worker, producer: Celery, server: Server
) -> None:
    server.signal(signal.SIGSTOP)
    until(lambda: "Connection to broker lost" in worker.text, "the worker notices")
    server.signal(signal.SIGCONT)

    until(server.answers, "the server is back")
    producer.send_task("pool.call", args=("after",))
    until(lambda: server.client.hget("ended", "after"), "the worker takes new messages", RECOVERY_SECONDS)


@pytest.mark.slow
def test_a_coroutine_runs_on_while_the_broker_is_frozen(
    worker: Worker, producer: Celery, server: Server, tmp_path: Path
) -> None:
    ticks = tmp_path / "ticks"
    producer.send_task("pool.ticks", args=(str(ticks),))
    until(ticks.exists, "it runs")

    server.signal(signal.SIGSTOP)
    try:
        # five seconds of ticks: the heartbeat event, every two, has blocked the hub thread by then
        before = ticks.stat().st_size
        until(lambda: ticks.stat().st_size > before + 100, "it goes on")
        assert "Connection to broker lost" not in worker.text
    finally:
        server.signal(signal.SIGCONT)
