"""Redis restarted, frozen, or cut off during any step of a command, and Celery's deliveries lost or doubled."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import redis

from tasks.envelope import queue_of
from tasks.records import State
from tasks.submit import Submitter
from tests.chaos.batch import KINDS, WRITING, Batch
from tests.chaos.books import VENDOR, eventually
from tests.chaos.scene import LEASE_SECONDS
from tests.relay import build_executor, settings_of
from workers.vendors.base import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any

    from redis.asyncio import Redis

    from tests.chaos.books import Keys
    from tests.chaos.desk import Desk
    from tests.chaos.scene import Scene
    from tests.process import Process
    from tests.sandbox.partsbox import PartsBoxSandbox
    from workers.executor import Executor
    from workers.limits import Permit

pytestmark = pytest.mark.slow

#: Kinds whose first command writes itself.
PLAIN = tuple(kind for kind in WRITING if not kind.startswith("order."))
STEPS = ("before-image", "write", "proof", "look-up")


def _restart(scene: Scene) -> None:
    scene.stack.restart_valkey()


def _cut(scene: Scene) -> None:
    with redis.Redis.from_url(scene.stack.redis_url) as client:
        assert client.client_kill_filter(_type="normal", skipme=True) > 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("harm", [_restart, _cut])
async def test_redis_going_away_during_a_step_leaves_each_command_applied_once(
    scene: Scene, step: str, harm: Callable[[Scene], None]
) -> None:
    batch = Batch(f"redis-{harm.__name__}-{step}")
    at_gate = scene.gate_step(step, batch)
    worker = scene.worker()
    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(batch.name, at_gate)

    harm(scene)
    scene.open_gate(batch.name)

    await scene.assert_each_once_in_order(batch, keys)
    assert worker.running


@pytest.mark.parametrize("frozen_seconds", [LEASE_SECONDS + 1, 6.5], ids=["beyond the lease", "beyond the timeouts"])
async def test_a_frozen_redis_leaves_each_command_applied_once(scene: Scene, frozen_seconds: float) -> None:
    batch = Batch(f"frozen-{frozen_seconds:g}")
    at_gate = scene.gate_step("write", batch)
    worker = scene.worker()
    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(batch.name, at_gate)

    scene.stack.valkey.stop_signal()
    scene.open_gate(batch.name)
    await asyncio.sleep(frozen_seconds)  # the passing of time is the fault itself
    scene.stack.valkey.cont()

    await scene.assert_each_once_in_order(batch, keys)
    assert worker.running


def _deliveries(key: str, *workers: Process) -> int:
    return sum(worker.output().count(f"[{key}] received") for worker in workers)


def _impatient_worker(scene: Scene) -> Process:
    """Start a worker whose broker restores a delivery that was not acknowledged for a second."""
    settings = {"CHAOS_VISIBILITY_SECONDS": "1", "CHAOS_STALE_HINT_SECONDS": "1"}
    return scene.worker(module="tests.chaos.breaking_worker", **settings)


def _firsts(keys: Keys, kinds: tuple[str, ...]) -> list[str]:
    return [first for kind, (first, _) in keys.items() if kind in kinds]


async def test_deliveries_restored_while_their_commands_run_do_nothing(scene: Scene) -> None:
    batch = Batch("visibility", PLAIN)
    at_gate = scene.gate_step("write", batch)
    workers = [_impatient_worker(scene), _impatient_worker(scene)]
    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(batch.name, at_gate)

    running = _firsts(keys, PLAIN)
    await eventually(lambda: all(_deliveries(key, *workers) > 1 for key in running), "each is delivered again")
    scene.open_gate(batch.name)

    await scene.assert_each_once_in_order(batch, keys)


async def test_deliveries_of_a_killed_worker_restored_after_their_end_do_nothing(scene: Scene) -> None:
    batch = Batch("restored")
    killed = scene.breaking_worker("before ack", batch, KINDS)
    keys = await scene.submit_batch(batch)
    assert killed.wait() == -signal.SIGKILL
    unacked = await scene.redis.hvals("unacked")
    ended = _firsts(keys, PLAIN)
    assert {await scene.state(key) for key in ended} == {State.APPLIED}
    assert all(any(key in message for message in unacked) for key in ended)

    worker = _impatient_worker(scene)

    await eventually(lambda: all(_deliveries(key, worker) for key in ended), "each is delivered again")
    await scene.assert_each_once_in_order(batch, keys)
    await eventually(lambda: _is_empty(scene), "the broker has nothing left")


async def _is_empty(scene: Scene) -> bool:
    return not (await scene.redis.hlen("unacked") or await scene.redis.llen(queue_of(VENDOR)))


async def test_a_confirmed_write_whose_proof_finds_no_redis_is_not_held(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Batch("proof", ["stock.add"])
    desk.load(batch.fixture())
    desk.sandbox.faults.add("comment_stripped", "stock/add")  # a look-up could only hold it
    acquire, slots = desk.relay.limiter.acquire, []

    async def away_after_the_write(slot_id: str, ahead: Any = None) -> Permit:
        slots.append(slot_id)
        if len(slots) == 3:  # before-image, write, proof
            raise redis.ConnectionError("cut")
        return await acquire(slot_id, ahead)

    monkeypatch.setattr(desk.relay.limiter, "acquire", away_after_the_write)
    key = await desk.submit(batch.command("stock.add"))

    await desk.until_state(State.APPLIED, key)
    assert slots[1] == key
    assert len(slots) == 3
    assert not (await desk.record(key)).doubted
    await desk.assert_at_rest()


@asynccontextmanager
async def one_addition(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[tuple[Executor, str]]:
    """Give an executor and the key of a command that waits for it."""
    batch = Batch("intent", ["stock.add"])
    sandbox.load.load(batch.fixture())
    key = (await Submitter(redis_client).submit(batch.command("stock.add"))).key
    async with open_session() as session:
        executor = build_executor(redis_client, session, settings_of(sandbox))
        yield executor, key
        await executor.outcomes.limiter.aclose()


async def test_an_intent_whose_answer_was_lost_sends_nothing_and_is_left_to_the_lease(
    redis_client: Redis, sandbox: PartsBoxSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with one_addition(redis_client, sandbox) as (executor, key):
        limiter, ledger = executor.outcomes.limiter, executor.leases.ledger
        acquire, intent = limiter.acquire, ledger.intent
        monkeypatch.setattr(limiter, "acquire", lambda slot_id, _=None: acquire(slot_id))  # no intent goes ahead

        async def cut_behind(key: str, owner: str, image: dict[str, Any]) -> None:
            await intent(key, owner, image)
            raise redis.ConnectionError("cut")

        monkeypatch.setattr(ledger, "intent", cut_behind)

        with pytest.raises(redis.ConnectionError):
            await executor.deliver(key)
        record = await ledger.find(key)
    assert record is not None
    assert (record.state, record.attempts) == (State.SENDING, 1)
    assert sandbox.journal.effects == []


async def test_an_intent_that_went_ahead_and_whose_answer_was_lost_is_handed_back(
    redis_client: Redis, sandbox: PartsBoxSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = []
    async with one_addition(redis_client, sandbox) as (executor, key):
        ledger = executor.leases.ledger
        intent_if = ledger.intent_if

        def cut_behind(*given: Any) -> Callable[[], Awaitable[bool]]:
            answer = intent_if(*given)

            async def cut() -> bool:
                noted.append(await answer())
                raise redis.ConnectionError("cut")

            return cut

        monkeypatch.setattr(ledger, "intent_if", cut_behind)
        await executor.outcomes.limiter.paused()  # the server knows its script from then on

        with pytest.raises(redis.ConnectionError):
            await executor.deliver(key)
        record = await ledger.find(key)
    assert noted == [True]
    assert record is not None
    assert (record.state, record.attempts, record.image is not None) == (State.READY, 0, True)
    assert sandbox.journal.effects == []


async def test_hints_deleted_from_the_queue_are_published_again(scene: Scene) -> None:
    batch = Batch("hints")
    keys = await scene.submit_batch(batch)
    assert await scene.redis.llen(queue_of(VENDOR)) == len(KINDS)
    await scene.redis.delete(queue_of(VENDOR))

    scene.attentive_worker()

    await scene.assert_each_once_in_order(batch, keys)
