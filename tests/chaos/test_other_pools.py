"""The same commands on Celery's own pools, beside the asyncio pool and stock producers."""

from __future__ import annotations

import asyncio
import subprocess
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from celery import Celery
from redis.asyncio import Redis

from tasks import telemetry
from tasks.envelope import queue_of
from tasks.ledger import prefix_of
from tasks.records import State
from tasks.settings import SettingsError
from tests.backing import ROOT
from tests.chaos.batch import Batch
from tests.chaos.books import VENDOR, eventually
from tests.chaos.scene import Scene
from tests.process import Process, wait_until
from tests.stack import WORKER, Stack, read_procfile
from workers.blocking import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

#: To Celery `-P prefork` means the default of the application, which is ours.
THREADS, PREFORK, SOLO = "-P threads -c 8", "-P processes -c 2", "-P solo"
POOLS: Final = (THREADS, PREFORK, SOLO)
#: One request takes a turn at once, two others wait for theirs: 40 s to the first write, a minute to the second.
SLOW_RATE: Final = {"STOCKRELAY_PARTSBOX_RATES": "1/20s"}
#: Less than that minute, more than Celery's prefork pool takes for a warm stop when it hangs.
STOP_SECONDS: Final = 45.0
#: Each in a lane of its own.
KINDS: Final = ("stock.add", "stock.remove", "stock.move", "stock.correct")


class Pools(Scene):
    """A scene that knows how many commands the workers have in hand."""

    async def in_hand(self) -> int:
        return int(await self.redis.zcard(f"{prefix_of(VENDOR)}sending"))

    async def until_in_hand(self, count: int) -> None:
        async def so_many() -> bool:
            return await self.in_hand() == count

        await eventually(so_many, f"{count} commands are in a worker's hands")


@pytest.fixture
async def pools(stack: Stack, tmp_path: Path) -> AsyncIterator[Pools]:
    redis = Redis.from_url(stack.redis_url, decode_responses=True)
    try:
        await redis.flushall()
        with Pools(stack, redis, tmp_path) as opened:
            yield opened
    finally:
        await redis.aclose()


@pytest.mark.parametrize("pool", POOLS)
async def test_commands_of_every_kind_are_applied_once_and_in_order(pools: Pools, pool: str) -> None:
    batch = Batch(f"kinds-{POOLS.index(pool)}")
    worker = pools.worker(options=pool)

    keys = await pools.submit_batch(batch)

    await pools.assert_each_once_in_order(batch, keys)
    assert worker.stop(STOP_SECONDS) == 0
    assert "Traceback" not in worker.output()


@pytest.mark.parametrize("pool", POOLS)
async def test_what_a_killed_worker_left_is_applied_though_nothing_new_arrives(pools: Pools, pool: str) -> None:
    batch = Batch(f"left-{POOLS.index(pool)}", KINDS)
    at_gate = pools.gate_step("before-image", batch) - 1  # no order is among these
    pools.load(batch.fixture())
    killed = pools.worker()
    keys = [await pools.submit(batch.command(kind)) for kind in KINDS]
    await pools.until_at_gate(batch.name, at_gate)
    killed.kill()
    pools.open_gate(batch.name)
    assert not await pools.redis.llen(queue_of(VENDOR))

    pools.worker(options=pool)

    await pools.until_state(State.APPLIED, *keys)
    assert [len(pools.effects(batch.part(kind))) for kind in KINDS] == [1] * len(KINDS)


def _sigterm(pools: Pools, worker: Process) -> None:
    worker.terminate()


def _remote_control(pools: Pools, worker: Process) -> None:
    with Celery("elsewhere", broker=pools.stack.redis_url, set_as_current=False) as app:
        app.control.shutdown()


@pytest.mark.parametrize(
    ("pool", "at_once", "stop"),
    [(THREADS, 2, _sigterm), (THREADS, 2, _remote_control), (PREFORK, 2, _sigterm), (SOLO, 1, _sigterm)],
)
async def test_a_stop_hands_back_what_waits_for_its_turn_at_the_vendor(
    pools: Pools, pool: str, at_once: int, stop: Callable[[Pools, Process], None]
) -> None:
    batch = Batch(f"waiting-{POOLS.index(pool)}-{stop.__name__}", KINDS[:2])
    first = pools.worker(options=pool, **SLOW_RATE)
    keys = await pools.submit_batch(batch)
    await pools.until_in_hand(at_once)

    await asyncio.to_thread(stop, pools, first)

    assert first.wait(STOP_SECONDS) == 0
    assert not await pools.in_hand()
    assert first.output().count(telemetry.COMMAND_HANDED_BACK) >= at_once
    assert " ERROR " not in first.output()
    assert not [effect for kind in batch.kinds for effect in pools.effects(batch.part(kind))]
    second = pools.worker()
    await pools.assert_each_once_in_order(batch, keys)
    assert not second.printed(telemetry.COMMANDS_RECOVERED), "the first took hints with it"


@pytest.mark.parametrize("pool", ["", THREADS])
async def test_a_stock_producers_message_runs_an_admitted_command_once(pools: Pools, pool: str) -> None:
    batch = Batch(f"stock-producer{POOLS.index(pool) if pool else ''}", ("stock.add",))
    pools.load(batch.fixture())
    key = await pools.submit(batch.command("stock.add"))
    await pools.redis.delete(queue_of(VENDOR))  # our own hint

    def send() -> None:
        with Celery("elsewhere", broker=pools.stack.redis_url, set_as_current=False) as app:
            for _ in range(2):
                app.send_task("stock.add", task_id=key, queue=queue_of(VENDOR))

    await asyncio.to_thread(send)
    worker = pools.worker(options=pool)

    await pools.until_state(State.APPLIED, key)
    assert worker.stop() == 0
    assert not worker.printed(telemetry.COMMANDS_RECOVERED)
    assert len(pools.effects(batch.part("stock.add"))) == 1


async def test_the_asyncio_and_the_threads_pool_share_a_queue(pools: Pools) -> None:
    batches = [Batch(f"shared-{number}") for number in range(4)]
    workers = [pools.worker(), pools.worker(options=THREADS)]

    keys = [await pools.submit_batch(batch) for batch in batches]

    for submitted in keys:
        await pools.until_state(State.APPLIED, *(key for pair in submitted.values() for key in pair))
    for batch, submitted in zip(batches, keys, strict=True):
        await pools.assert_each_once_in_order(batch, submitted)
    assert all(worker.printed(telemetry.COMMAND_SETTLED) for worker in workers)


@pytest.mark.parametrize("pool", POOLS)
def test_wrong_settings_are_told_in_one_line_and_exit_with_2(stack: Stack, pool: str) -> None:
    environment = {**stack.environment, "PYTHONWARNINGS": "ignore", "STOCKRELAY_PARTSBOX_RATES": "fast"}
    command = ["/bin/sh", "-c", f"{read_procfile()[WORKER]} {pool}"]

    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=STOP_SECONDS, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("STOCKRELAY_PARTSBOX_RATES: ")


def test_closing_the_background_loop_ends_what_runs_before_the_lifespan_is_left() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(stopping: asyncio.Event) -> AsyncIterator[None]:
        yield
        seen.append("left, told to stop" if stopping.is_set() else "left")

    async def job() -> str:
        seen.append("begun")
        try:
            return str(await asyncio.Event().wait())
        finally:
            seen.append("ended")

    loop = BackgroundLoop(lifespan)
    loop.start()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(loop.run, job())
        wait_until(lambda: bool(seen), "the job runs")
        loop.close()
        with pytest.raises(CancelledError):
            running.result()

    assert seen == ["begun", "ended", "left, told to stop"]
    loop.close()  # nothing is left to close


def test_a_lifespan_that_cannot_be_entered_is_told_at_the_start() -> None:
    @asynccontextmanager
    async def lifespan(_: asyncio.Event) -> AsyncIterator[None]:
        raise SettingsError("no key")
        yield

    with pytest.raises(SettingsError, match="no key"):
        BackgroundLoop(lifespan).start()
