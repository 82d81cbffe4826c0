"""Real workers on our Redis transport, beside stock ones, stopped and killed at bad moments."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tasks.envelope import PARKED_STREAM
from tests.integration.pool_app import QUEUE
from tests.integration.pool_harness import ROOT, STOCK_CONSUMER, Broker, Worker, open_broker, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeValkey

OURS = {"POOL_TEST_CONSUMER": "workers.transport:BatchConsumer"}


@pytest.fixture
def broker(make_valkey: MakeValkey) -> Iterator[Broker]:
    with open_broker(make_valkey()) as broker:
        yield broker


class Launch(Protocol):
    """Starts one more worker, on our transport unless told otherwise: `launch("-c", "10", env=STOCK_CONSUMER)`."""

    def __call__(self, *options: str, env: dict[str, str] = OURS) -> Worker: ...


@pytest.fixture
def launch(broker: Broker, tmp_path: Path) -> Iterator[Launch]:
    workers: list[Worker] = []

    def launch(*options: str, env: dict[str, str] = OURS) -> Worker:
        workers.append(Worker(broker, tmp_path, f"worker{len(workers)}", *options, env=env))
        return workers[-1].launch()

    yield launch
    for worker in workers:
        worker.kill()


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def let_visibility_run_out(broker: Broker) -> None:
    """Make every unacked message one that was taken long ago."""
    for tag in broker.client.zrange("unacked_index", 0, -1):
        broker.client.zadd("unacked_index", {tag: 1})


def looks(broker: Broker) -> int:
    """Count the calls of the script that takes messages."""
    return int(broker.client.info("commandstats")["cmdstat_eval"]["calls"])


def active(broker: Broker, *workers: Worker) -> dict[str, int]:
    found = broker.producer.control.inspect([worker.host for worker in workers], timeout=60).active()
    return {host: len(jobs) for host, jobs in (found or {}).items()}


def test_the_worker_of_the_procfile_is_on_it() -> None:
    program = "from workers.main import app; print(app.conf.worker_consumer)"
    printed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == OURS["POOL_TEST_CONSUMER"]


# -- upgrade and downgrade


@pytest.mark.parametrize(("before", "after"), [(STOCK_CONSUMER, OURS), (OURS, STOCK_CONSUMER)], ids=["up", "down"])
def test_another_kind_of_worker_takes_over_what_a_killed_one_had_in_hand(
    launch: Launch, broker: Broker, before: dict[str, str], after: dict[str, str]
) -> None:
    for key in numbered(12):
        broker.send("call", key, 0.5 if int(key) >= 5 else 600)
    killed = launch("-c", "5", env=before)
    until(lambda: broker.count("started") == 5, "the window is full")
    killed.kill()
    assert (broker.unacked, broker.queued) == (5, 7)

    let_visibility_run_out(broker)
    heir = launch("-c", "20", env=after)
    once_or_twice = {key: "2" if int(key) < 5 else "1" for key in numbered(12)}
    until(lambda: broker.notes("started") == once_or_twice, "the heir has them all")
    until(lambda: broker.count("ended") == 7 and broker.unacked == 5, "the others end, and are acked")
    heir.quit()
    heir.wait()
    assert (broker.unacked, broker.queued) == (0, 5)


@pytest.mark.parametrize(("before", "after"), [(STOCK_CONSUMER, OURS), (OURS, STOCK_CONSUMER)], ids=["up", "down"])
def test_another_kind_of_worker_goes_on_where_one_was_stopped(
    launch: Launch, broker: Broker, before: dict[str, str], after: dict[str, str]
) -> None:
    for key in numbered(60):
        broker.send("call", key, 0.2)
    first = launch("-c", "5", env=before)
    until(lambda: broker.count("ended") >= 10, "some have run")
    second = launch("-c", "5", env=after)
    second.wait_ready()
    assert first.stop() == 0

    until(lambda: broker.count("ended") == 60 and broker.settled, "all have run")
    assert broker.notes("started") == dict.fromkeys(numbered(60), "1")


def test_two_workers_of_ours_and_a_stock_one_share_a_queue(launch: Launch, broker: Broker) -> None:
    workers = [launch("-c", "4"), launch("-c", "4"), launch("-c", "4", env=STOCK_CONSUMER)]
    for worker in workers:
        worker.wait_ready()
    for key in numbered(20):
        broker.send("until_stopping", key)

    until(lambda: broker.count("started") == 12, "each has its window full")
    assert active(broker, *workers) == {worker.host: 4 for worker in workers}
    assert (broker.unacked, broker.queued) == (12, 8)


# -- the window


def test_a_worker_takes_no_more_than_it_can_begin(launch: Launch, broker: Broker) -> None:
    launch("-c", "7")
    for key in numbered(40):
        broker.send("until_stopping", key)

    until(lambda: broker.count("started") == 7, "as many run as the pool allows")
    worker = launch("-c", "3")
    until(lambda: broker.count("started") == 10, "as many as both allow")
    assert active(broker, worker) == {worker.host: 3}  # a turn or more of both loops later
    assert (broker.unacked, broker.queued) == (10, 30)


# -- ends


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_warm_shutdowns_at_any_moment_lose_nothing_and_run_nothing_twice(launch: Launch, broker: Broker) -> None:
    choose = random.Random(20)
    sent = 0
    enough = threading.Event()

    def load() -> None:
        nonlocal sent
        while not enough.wait(0.002):
            broker.send("call", str(sent), sent % 7 * 0.02)
            sent += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        workers = deque(launch("-c", "20") for _ in range(2))
        for _ in range(15):
            worker = workers.popleft()
            worker.wait_ready()
            workers.append(launch("-c", "20"))
            goal = broker.count("started") + choose.randrange(1, 60)
            until(lambda goal=goal: broker.count("started") >= goal, "load goes on")  # type: ignore[misc]
            assert worker.stop() == 0
    finally:
        enough.set()
        thread.join()

    until(lambda: broker.count("ended") == sent and broker.settled, "all have run")
    once = dict.fromkeys(numbered(sent), "1")
    assert broker.notes("started") == once
    assert broker.notes("ended") == once


@pytest.mark.slow
def test_killed_workers_lose_nothing(launch: Launch, broker: Broker) -> None:
    choose = random.Random(9)
    for key in numbered(900):
        broker.send("call", key, 0.01)
    for _ in range(6):
        worker = launch("-c", "10")
        goal = broker.count("started") + choose.randrange(1, 100)
        until(lambda goal=goal: broker.count("started") >= goal, "some have begun")  # type: ignore[misc]
        worker.kill()
        let_visibility_run_out(broker)
    launch("-c", "20")

    until(lambda: broker.count("ended") == 900 and broker.settled, "all have run")


def test_an_idle_worker_that_freezes_and_dies_takes_nothing_along(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "10")
    worker.wait_ready()
    broker.send("call", "before")
    until(lambda: broker.noted("ended", "before") and broker.settled, "it is idle again")

    worker.stop_signal()
    for key in numbered(10):
        broker.send("call", key)
    worker.kill()

    let_visibility_run_out(broker)
    launch("-c", "10")
    until(lambda: broker.count("ended") == 11 and broker.settled, "all have run")


def test_a_stopping_worker_acks_what_ends_although_something_runs_on(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "10")
    broker.send("cancelled", "endless")
    for key in numbered(5):
        broker.send("call", key, 1.0)
    for key in numbered(30):
        broker.send("cancelled", f"behind{key}")
    until(lambda: broker.count("started") == 10, "the window is full")

    broker.producer.control.shutdown(destination=[worker.host])
    until(lambda: broker.count("ended") == 5, "the short ones end")
    until(lambda: broker.unacked == 5, "they are acked, and nothing else is taken")
    assert broker.queued == 26
    assert worker.running
    worker.quit()
    worker.wait()
    assert (broker.unacked, broker.queued) == (0, 31)


@pytest.mark.slow
def test_a_worker_without_memory_in_the_server_lives_and_goes_on(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "5")
    worker.wait_ready()
    broker.client.config_set("maxmemory", "1mb")
    before = looks(broker)
    until(lambda: looks(broker) > before + 3, "it looks for messages all the same")
    broker.client.config_set("maxmemory", 0)

    broker.send("call", "after")
    until(lambda: broker.noted("ended", "after") and broker.settled, "it goes on")
    assert "Connection to broker lost" not in worker.output()


# -- messages that are none


def test_garbage_in_the_middle_of_a_batch_is_parked_and_the_rest_runs(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "40")
    worker.wait_ready()
    worker.stop_signal()
    for key in numbered(10):
        broker.send("call", key)
    broker.client.lpush(QUEUE, b"\xff\xfe", "{", json.dumps({"properties": {}}), "5")
    for key in numbered(20)[10:]:
        broker.send("call", key)
    broker.producer.send_task("nobody.knows", queue=QUEUE)
    broker.send("call", "last")
    worker.cont()

    until(lambda: broker.count("ended") == 21 and broker.settled, "the good ones run")
    assert broker.client.xlen(PARKED_STREAM) == 5
    assert worker.stop() == 0


# -- what an operator does


def test_inspect_and_control_work(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "3")
    worker.wait_ready()
    broker.send("until_stopping", "a", task_id="job")
    until(lambda: broker.noted("started", "a"), "it runs")

    inspect = broker.producer.control.inspect([worker.host], timeout=60)
    assert inspect.ping() == {worker.host: {"ok": "pong"}}
    assert [job["id"] for job in inspect.active()[worker.host]] == ["job"]
    assert [queue["name"] for queue in inspect.active_queues()[worker.host]] == [QUEUE]
    assert inspect.stats()[worker.host]["broker"]["transport"] == "redis"
    assert inspect.stats()[worker.host]["prefetch_count"] == 3


def test_a_queue_can_be_cancelled_and_added_again(launch: Launch, broker: Broker) -> None:
    worker = launch("-c", "3")
    worker.wait_ready()
    control: Any = broker.producer.control
    control.cancel_consumer(QUEUE, destination=[worker.host], reply=True, timeout=60)
    for key in numbered(8):
        broker.send("call", key)
    control.add_consumer("another", destination=[worker.host], reply=True, timeout=60)
    broker.producer.send_task("pool.call", args=["elsewhere"], queue="another")
    until(lambda: broker.noted("ended", "elsewhere"), "the other queue is served")
    assert (broker.count("started"), broker.queued) == (1, 8)

    control.add_consumer(QUEUE, destination=[worker.host], reply=True, timeout=60)
    until(lambda: broker.count("ended") == 9 and broker.settled, "all have run")


def test_workers_greet_each_other_and_leave_nothing_unacked(launch: Launch, broker: Broker, tmp_path: Path) -> None:
    launch("-c", "2").wait_ready()
    newcomer = Worker(broker, tmp_path, "newcomer", "-c", "2", env=OURS)
    newcomer.command.remove("--without-mingle")

    with newcomer:
        assert "sync with 1 nodes" in newcomer.output()
        assert not broker.unacked  # the answers are read without acks, and like tasks


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_celerys_own_pools_work_on_it(launch: Launch, broker: Broker, pool: str) -> None:
    worker = launch("-P", pool, "-c", "4")
    worker.wait_ready()
    for key in numbered(50):
        broker.send("plain", key)
    until(lambda: broker.count("ended") == 50 and broker.settled, "all have run")
    assert broker.notes("started") == dict.fromkeys(numbered(50), "1")
    assert worker.stop() == 0


def test_a_server_that_only_refuses_writes_was_asked_hundreds_of_times_a_second(launch: Launch, broker: Broker) -> None:
    """As a primary does that has lost its replicas; Celery itself wrote a traceback for each five."""
    worker = launch("-c", "2")
    worker.wait_ready()
    broker.client.config_set("min-replicas-to-write", 1)
    until(lambda: worker.output().count("Cannot connect") >= 6, "it has tried six times")
    broker.client.config_set("min-replicas-to-write", 0)

    broker.send("call", "1")
    until(lambda: broker.count("ended") == 1 and broker.settled, "it goes on")
    assert "Frequent restarts" not in worker.output()
