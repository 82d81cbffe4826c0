"""The virtual store is a real server with virtual time, whose calls fail as those over a network do."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import NoScriptError, ResponseError

from tests.simulation.clock import Scheduler
from tests.simulation.idling import NEVER
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import START_MS
from tests.simulation.redis_client import StoreClient
from tests.simulation.store import Store
from tests.simulation.trace import Trace
from workers.recovery import LONGEST_GAP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

ADD_ONE = "return redis.call('INCR', KEYS[1])"
NOW = "local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000)"


class Stage:
    """A store and one process that asks it."""

    def __init__(self, seed: int = 1) -> None:
        self.scheduler = Scheduler()
        self.outside = VirtualLoop(self.scheduler, "world")
        self.loop = VirtualLoop(self.scheduler, "worker")
        self.trace = Trace(self.scheduler)
        self.store = Store(self.scheduler, self.outside, Random(seed), self.trace)
        self.redis = StoreClient(self.store, self.loop)
        self.add_one = self.redis.register_script(ADD_ONE)

    def run(self, *work: Awaitable[Any]) -> list[Any]:
        """Run these together to their end; gives their results, errors among them."""
        task = self.loop.create_task(_all(*work))
        self.scheduler.run(task.done)
        return list(task.result())

    def after(self, seconds: float, step: Callable[..., object], *args: Any) -> None:
        self.outside.call_later(seconds, step, *args)

    def there(self, key: str) -> str | None:
        """Look past everything."""
        found: list[str | None] = self.store.look(("GET", key))
        return found[0]


async def _all(*work: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


async def _until_it_is_there(call: Callable[[], Awaitable[Any]]) -> Any:
    while True:
        try:
            return await call()
        except NoConnectionError:
            await asyncio.sleep(0.1)


async def _later(seconds: float, work: Awaitable[Any]) -> Any:
    await asyncio.sleep(seconds)
    return await work


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for loop in (stage.loop, stage.outside):
        loop.kill()
        loop.dispose()


def test_scripts_and_commands_are_answered_as_redis_answers_them(stage: Stage) -> None:
    async def work() -> list[Any]:
        await stage.redis.hset("h", mapping={"a": 1, "b": "ü"})
        async with stage.redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd("z", {"x": 1.5})
            pipeline.zscore("z", "x")
            piped = await pipeline.execute()
        return [await stage.redis.hgetall("h"), piped, await stage.redis.get("no"), await stage.add_one(keys=["n"])]

    assert stage.run(work()) == [[{"a": "1", "b": "ü"}, [1, 1.5], None, 1]]


def test_an_error_of_the_server_is_raised(stage: Stage) -> None:
    stage.store.look(("HSET", "h", "a", 1))
    (error,) = stage.run(stage.redis.incr("h"))
    assert isinstance(error, ResponseError)


def test_a_call_takes_virtual_time_and_scripts_see_the_servers_clock(stage: Stage) -> None:
    (now,) = stage.run(_later(5.0, stage.redis.register_script(NOW)(keys=["k"])))
    assert START_MS + 5_000 <= now <= START_MS + 5_010
    assert 5.0 < stage.scheduler.now < 5.01


def test_a_step_of_the_servers_clock_is_seen_by_scripts(stage: Stage) -> None:
    stage.store.step_clock(-60_000)
    (now,) = stage.run(stage.redis.register_script(NOW)(keys=["k"]))
    assert START_MS - 60_000 <= now <= START_MS - 59_900


def test_keys_live_by_virtual_time(stage: Stage) -> None:
    async def work() -> list[Any]:
        await stage.redis.set("token", "t", px=60_000)
        async with stage.redis.lock("login", timeout=3.0, thread_local=False) as lock:
            await lock.extend(10.0, replace_ttl=True)
            await asyncio.sleep(9.0)
            before = [await stage.redis.get("token"), "locked" if await stage.redis.get("login") else None]
        await asyncio.sleep(52.0)
        return [*before, await stage.redis.get("token"), await stage.redis.get("login")]

    assert stage.run(work()) == [["t", "locked", None, None]]


def test_a_call_that_is_cut_off_before_its_execution_never_happens(stage: Stage) -> None:
    stage.store.cut("worker", before=True, calls=1)
    first, second = stage.run(stage.redis.incr("n"), _later(1.0, stage.redis.incr("n")))
    assert isinstance(first, NoConnectionError)
    assert second == 1


def test_a_call_whose_answer_is_cut_off_has_happened(stage: Stage) -> None:
    stage.store.cut("worker", before=False, calls=1)
    first, second = stage.run(stage.redis.incr("n"), _later(1.0, stage.redis.incr("n")))
    assert isinstance(first, NoConnectionError)
    assert second == 2


def test_only_the_calls_of_the_named_process_are_cut_off(stage: Stage) -> None:
    stage.store.cut("another", before=True, calls=1)
    assert stage.run(stage.redis.incr("n")) == [1]


def test_a_store_that_is_away_refuses_calls_and_keeps_its_data(stage: Stage) -> None:
    stage.after(1.0, stage.store.go_away, 5.0)
    calls = [_later(moment, stage.redis.incr("n")) for moment in (0.0, 2.0, 5.9)]
    before, *during = stage.run(*calls)
    assert before == 1
    assert all(isinstance(error, NoConnectionError) for error in during)
    assert stage.there("n") == "1"


def test_a_restart_breaks_connections_and_loses_nothing_that_was_answered(stage: Stage) -> None:
    stage.after(1.0, stage.store.restart)

    again = _until_it_is_there(lambda: stage.add_one(keys=["n"]))
    assert stage.run(stage.add_one(keys=["n"]), _later(1.001, again)) == [1, 2]
    assert stage.scheduler.now > 1.05


def test_what_nobody_was_answered_may_be_lost_by_a_restart_and_only_from_the_end() -> None:
    kept, lost = set(), set()
    for seed in range(30):
        stage = Stage(seed)
        stage.after(0.0008, stage.store.restart)
        answers = stage.run(*(stage.redis.rpush("l", number) for number in range(6)))
        answered = [number for number, answer in enumerate(answers) if not isinstance(answer, Exception)]
        (found,) = stage.store.look(("LRANGE", "l", 0, -1))
        assert set(map(str, answered)) <= set(found)
        kept.add(len(found) - len(answered))
        lost |= {line.split("; ")[1] for line in stage.trace.lines if "breaks off" in line}
        stage.loop.kill()
        stage.loop.dispose()
    assert 0 in kept
    assert max(kept) > 1
    assert {"0 that had reached it are lost", "2 that had reached it are lost"} <= lost


def test_a_script_must_be_loaded_again_behind_a_restart(stage: Stage) -> None:
    stage.run(stage.add_one(keys=["n"]))
    stage.after(0.0, stage.store.restart)
    (error,) = stage.run(_later(4.0, _until_it_is_there(lambda: stage.redis.evalsha(stage.add_one.sha, 1, "n"))))
    assert isinstance(error, NoScriptError)
    assert stage.run(stage.add_one(keys=["n"])) == [2]


def test_a_restart_leaves_dead_connections_behind_which_fail_one_by_one() -> None:
    failed = []
    for seed in range(30):
        stage = Stage(seed)
        stage.run(stage.redis.incr("n"))
        stage.store.restart()
        calls = [_later(10.0 + number, stage.redis.incr("n")) for number in range(8)]
        failed.append([isinstance(answer, NoConnectionError) for answer in stage.run(*calls)])
        assert sorted(failed[-1], reverse=True) == failed[-1]
        stage.loop.kill()
        stage.loop.dispose()
    assert {sum(each) for each in failed} == {0, 1, 2, 3}


def test_a_new_process_has_no_dead_connections(stage: Stage) -> None:
    stage.store.restart()
    stage.redis = StoreClient(stage.store, stage.loop)
    assert stage.run(*(_later(10.0 + number, stage.redis.get("n")) for number in range(4))) == [None] * 4


def test_whoever_left_out_looks_looks_again_when_the_clock_was_set(stage: Stage) -> None:
    looked: list[float] = []

    async def poll() -> None:
        await asyncio.sleep(LONGEST_GAP_SECONDS)
        looked.append(stage.scheduler.now)

    stage.loop.create_task(poll(), name="recovery of partium")
    assert stage.scheduler.idling is not None
    stage.scheduler.idling.learn("partium", NEVER, 0)
    stage.after(5.1, stage.store.step_clock, -1_000)
    stage.run(asyncio.sleep(9.0))
    assert looked == [5.25]


def test_who_waits_for_a_hint_is_told_once_there_is_one(stage: Stage) -> None:
    told: list[float] = []
    stage.store.when_hungry(lambda: told.append(round(stage.scheduler.now, 1)))
    stage.run(stage.redis.incr("n"), _later(3.0, stage.redis.lpush("vendor.partium", "hint")))
    assert told == [3.0]


def test_equal_calls_leave_equal_traces() -> None:
    traces = []
    for _ in range(2):
        stage = Stage(5)
        stage.run(*(_later(number / 10, stage.add_one(keys=["n"])) for number in range(5)))
        traces.append(stage.trace.digest)
        stage.loop.kill()
        stage.loop.dispose()
    assert traces[0] == traces[1]
