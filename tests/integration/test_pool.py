"""Real workers with the asyncio pool on a real server: what Celery, Flower and an operator expect of a worker."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.integration.pool_harness import STOCK_CONSUMER, Broker, Events, Worker, open_broker, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeValkey

#: longer than the app's socket_timeout of 10 s, so that commands to the frozen broker fail
FROZEN_SECONDS = 12.0

#: a worker works again so soon after a frozen broker is back
RECOVERY_SECONDS = 15.0


@pytest.fixture
def broker(make_valkey: MakeValkey) -> Iterator[Broker]:
    with open_broker(make_valkey()) as broker:
        yield broker


class Launch(Protocol):
    """Starts one more worker: `launch("-c", "10")`."""

    def __call__(self, *options: str, env: dict[str, str] | None = None) -> Worker: ...


@pytest.fixture
def launch(broker: Broker, tmp_path: Path) -> Iterator[Launch]:
    workers: list[Worker] = []

    def launch(*options: str, env: dict[str, str] | None = None) -> Worker:
        workers.append(Worker(broker, tmp_path, f"worker{len(workers)}", *options, env=env or {}))
        return workers[-1].launch()

    yield launch
    for worker in workers:
        worker.kill()


@pytest.fixture
def worker(launch: Launch) -> Worker:
    worker = launch("-c", "10", "-E")
    worker.wait_ready()
    return worker


def test_flower_sees_a_task_from_received_to_succeeded_with_its_real_runtime(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("call", "a", 0.2, task_id="good")
        ended = events.until("task-succeeded", "good")

        kinds = [event["type"] for event in events.seen if event.get("uuid") == "good"]
        assert kinds == ["task-received", "task-started", "task-succeeded"]
        assert ended["runtime"] >= 0.2
        assert ended["result"] == "'a'"
        assert events.of("task-received", "good")[0]["name"] == "pool.call"


def test_flower_sees_why_a_task_failed(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("fail", "a", task_id="bad")
        failed = events.until("task-failed", "bad")

        assert failed["exception"] == "ValueError('refused a')"
        assert "pool_app.py" in failed["traceback"]
    until(lambda: broker.settled, "the failed task is acked")


def test_inspect_shows_what_runs_and_the_size_of_the_pool(worker: Worker, broker: Broker) -> None:
    for number in range(3):
        broker.send("until_stopping", str(number), task_id=f"job{number}")
    until(lambda: broker.count("started") == 3, "three run")

    inspect = broker.producer.control.inspect([worker.host], timeout=60)
    assert {job["id"] for job in inspect.active()[worker.host]} == {"job0", "job1", "job2"}
    pool = inspect.stats()[worker.host]["pool"]
    assert pool["implementation"] == "workers.pool:AsyncioPool"
    assert (pool["max-concurrency"], pool["running"], pool["waiting"]) == (10, 3, 0)


def test_the_pool_grows_and_shrinks_on_command(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "2")
    for number in range(4):
        broker.send("until_stopping", str(number))
    until(lambda: broker.count("started") == 2, "as many run as the pool allows")
    inspect = broker.producer.control.inspect([worker.host], timeout=60)
    assert len(inspect.active()[worker.host]) == 2

    broker.producer.control.pool_grow(2, destination=[worker.host])
    until(lambda: broker.count("started") == 4, "the pool has grown")

    broker.producer.control.pool_shrink(3, destination=[worker.host])
    until(lambda: inspect.stats()[worker.host]["pool"]["max-concurrency"] == 1, "the pool has shrunk")
    refused = broker.producer.control.pool_shrink(1, destination=[worker.host], reply=True, timeout=60)
    assert "cannot be smaller than 1" in str(refused)


def test_each_coroutine_sees_its_own_request(worker: Worker, broker: Broker) -> None:
    for number in range(10):
        broker.send("request", kwargs={"key": f"k{number}"}, task_id=f"id{number}")
    until(lambda: broker.count("seen") == 10, "all have looked")

    seen = broker.notes("seen")
    assert seen == {f"k{number}": f"id{number},id{number},k{number}" for number in range(10)}


@pytest.mark.parametrize("name", ["exits", "child_exits", "unpicklable_error", "unpicklable_result", "out_of_memory"])
def test_no_outcome_of_a_task_ends_the_loop(name: str, worker: Worker, broker: Broker) -> None:
    broker.send(name, "odd")
    broker.send("call", "good")

    until(lambda: broker.noted("ended", "good"), "the next task runs")
    until(lambda: broker.settled, "both are acked")
    assert worker.stop() == 0


def test_a_plain_task_runs_beside_coroutines(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("plain", "p", task_id="plain")
        assert events.until("task-succeeded", "plain")["result"] == "'p'"
    assert broker.notes("ended") == {"p": "1"}


def test_revoke_with_terminate_cancels_a_running_coroutine(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("cancelled", "a", task_id="unwanted")
        until(lambda: broker.noted("started", "a"), "it runs")
        broker.producer.control.revoke("unwanted", terminate=True)

        events.until("task-revoked", "unwanted")
        until(lambda: broker.notes("error") == {"a": "CancelledError"}, "it is cancelled")
        until(lambda: broker.settled, "it is acked")
        assert not events.of("task-failed", "unwanted")


def test_a_task_revoked_before_it_comes_never_runs(worker: Worker, broker: Broker) -> None:
    broker.producer.control.revoke("unwanted", reply=True, timeout=60, destination=[worker.host])
    with Events(broker.producer) as events:
        broker.send("call", "a", task_id="unwanted")
        events.until("task-revoked", "unwanted")
    until(lambda: broker.settled, "it is acked")
    assert not broker.client.exists("started")


def test_a_soft_time_limit_is_raised_inside_the_coroutine(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("survives_soft_limit", "a", task_id="slow", soft_time_limit=0.3)
        events.until("task-succeeded", "slow")
    assert broker.notes("ended") == {"a": "1"}
    assert "Soft time limit (0.3s) exceeded" in worker.output()


def test_a_hard_time_limit_cancels_the_coroutine_and_fails_the_task(worker: Worker, broker: Broker) -> None:
    with Events(broker.producer) as events:
        broker.send("cancelled", "a", task_id="slow", time_limit=0.3)
        assert "TimeLimitExceeded(0.3,)" in events.until("task-failed", "slow")["traceback"]
        until(lambda: broker.notes("error") == {"a": "CancelledError"}, "it is cancelled")
    until(lambda: broker.settled, "it is acked")


def test_a_coroutine_can_wait_for_the_worker_to_stop(worker: Worker, broker: Broker) -> None:
    broker.send("until_stopping", "a")
    until(lambda: broker.noted("started", "a"), "it runs")

    assert worker.stop() == 0
    assert broker.notes("ended") == {"a": "1"}
    assert broker.settled
    assert broker.client.lrange("lifespan", 0, -1) == ["left"]


def test_a_worker_whose_lifespan_cannot_be_entered_exits_with_status_1(launch: Launch) -> None:
    worker = launch(env={"POOL_TEST_LIFESPAN": "fails"})
    assert worker.wait() == 1
    assert "its lifespan could not be entered" in worker.output()
    assert "no such vendor" in worker.output()


def test_the_pool_can_be_chosen_by_celerys_environment_variable(launch: Launch, broker: Broker) -> None:
    env = {"CELERY_CUSTOM_WORKER_POOL": "workers.pool:AsyncioPool"}
    launch("-P", "custom", env=env)
    broker.send("call", "a")
    until(lambda: broker.noted("ended", "a"), "it runs")


def test_a_stock_worker_serves_plain_tasks_of_the_same_queue(worker: Worker, launch: Launch, broker: Broker) -> None:
    stock = launch("-P", "threads", "-c", "4", env=STOCK_CONSUMER)
    stock.wait_ready()
    keys = [str(number) for number in range(60)]
    for key in keys:
        broker.send("plain", key)

    until(lambda: broker.count("ended") == len(keys) and broker.settled, "all have run")
    assert broker.notes("started") == dict.fromkeys(keys, "1")

    worker.stop()
    broker.send("plain", "last")
    until(lambda: broker.noted("ended", "last") and broker.settled, "the stock worker runs it")


def test_a_cold_shutdown_cancels_what_runs_and_leaves_it_in_the_queue(worker: Worker, broker: Broker) -> None:
    for number in range(5):
        broker.send("cancelled", f"a{number}")
    broker.send("stubborn", "b")
    until(lambda: broker.count("started") == 6, "all run")

    worker.quit()
    worker.wait()
    assert broker.queued == 6
    assert not broker.unacked
    assert broker.notes("error") == {f"a{number}": "CancelledError" for number in range(5)}
    assert broker.client.lrange("lifespan", 0, -1) == ["left"]


def test_a_warm_shutdown_that_takes_too_long_can_be_made_cold(worker: Worker, broker: Broker) -> None:
    broker.send("cancelled", "endless")
    broker.send("call", "short", 0.5)
    until(lambda: broker.count("started") == 2, "both run")

    worker.terminate()
    until(lambda: broker.noted("ended", "short"), "the short one ends")
    until(lambda: broker.unacked == 1, "and is acked although the other runs on")
    assert worker.running

    worker.quit()
    worker.wait()
    assert broker.queued == 1
    assert broker.notes("error") == {"endless": "CancelledError"}


@pytest.mark.slow
def test_a_cold_shutdown_under_load_loses_nothing(launch: Launch, broker: Broker) -> None:
    keys = [str(number) for number in range(300)]
    for key in keys:
        broker.send("call", key, 0.05)
    for round_ in range(3):
        worker = launch("-c", "20")
        until(lambda round_=round_: broker.count("ended") > round_ * 50, "some have run")  # type: ignore[misc]
        worker.quit()
        worker.wait()
    launch("-c", "20")

    until(lambda: broker.count("ended") == len(keys) and broker.settled, "all have run")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_forty_warm_shutdowns_under_load_lose_nothing_and_run_nothing_twice(launch: Launch, broker: Broker) -> None:
    sent = 0
    enough = threading.Event()

    def load() -> None:
        nonlocal sent
        while not enough.wait(0.01):
            broker.send("call", str(sent), 0.1 + sent % 10 * 0.02)
            sent += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        workers = deque(launch("-c", "20") for _ in range(3))
        for _ in range(40):
            worker = workers.popleft()
            worker.wait_ready()
            workers.append(launch("-c", "20"))
            before = broker.count("started")
            until(lambda before=before: broker.count("started") > before, "load goes on")  # type: ignore[misc]
            assert worker.stop() == 0
    finally:
        enough.set()
        thread.join()

    until(lambda: broker.count("ended") == sent and broker.settled, "all have run")
    once = {str(number): "1" for number in range(sent)}
    assert broker.notes("started") == once
    assert broker.notes("ended") == once


@pytest.mark.slow
def test_a_worker_goes_on_after_the_server_was_killed_and_restarted(worker: Worker, broker: Broker) -> None:
    broker.send("call", "before", 3)
    until(lambda: broker.noted("started", "before"), "it runs")

    broker.server.kill()
    until(lambda: "Connection to broker lost" in worker.output(), "the worker notices")
    broker.server.start()

    broker.send("call", "after")
    until(lambda: broker.noted("ended", "after"), "the worker takes new messages")
    until(lambda: broker.noted("ended", "before"), "what ran then has run")
    until(lambda: broker.settled, "all are acked")
    assert worker.stop() == 0


@pytest.mark.slow
def test_a_worker_works_again_soon_after_the_server_was_frozen(worker: Worker, broker: Broker) -> None:
    broker.send("call", "during", 1)
    until(lambda: broker.noted("started", "during"), "it runs")
    broker.server.stop_signal()
    time.sleep(FROZEN_SECONDS)  # the fault itself, not a wait for something
    broker.server.cont()

    broker.send("call", "after")
    until(lambda: broker.noted("ended", "after"), "the worker takes new messages", RECOVERY_SECONDS)
    until(lambda: broker.settled, "all are acked")


@pytest.mark.slow
def test_a_coroutine_runs_on_while_the_broker_is_frozen(worker: Worker, broker: Broker, tmp_path: Path) -> None:
    ticks = tmp_path / "ticks"
    broker.send("ticks", str(ticks))
    until(ticks.exists, "it runs")

    broker.server.stop_signal()
    try:
        # five seconds of ticks: the heartbeat event, every two, has blocked the hub thread by then
        before = ticks.stat().st_size
        until(lambda: ticks.stat().st_size > before + 100, "it goes on")
        assert "Connection to broker lost" not in worker.output()
    finally:
        broker.server.cont()
