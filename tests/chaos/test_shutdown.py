"""Workers that stop or freeze with commands in their hands: what is sent is settled, the rest is another worker's."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks import telemetry
from tasks.ledger import prefix_of
from tasks.records import State
from tests.chaos.batch import KINDS, WRITING, Batch
from tests.chaos.books import VENDOR, eventually

if TYPE_CHECKING:
    from tests.chaos.books import Keys
    from tests.chaos.scene import Scene
    from tests.process import Process

pytestmark = pytest.mark.slow


async def _in_hand(scene: Scene) -> set[str]:
    return {str(key) for key in await scene.redis.zrange(f"{prefix_of(VENDOR)}sending", 0, -1)}


async def _writers(scene: Scene, keys: Keys) -> list[str]:
    return [writer for first, _ in keys.values() for writer in await scene.writers(first)]


async def _assert_all_once_in_order(scene: Scene, *submitted: tuple[Batch, Keys]) -> None:
    await scene.until_state(State.APPLIED, *(key for _, keys in submitted for pair in keys.values() for key in pair))
    for batch, keys in submitted:
        await scene.assert_each_once_in_order(batch, keys)


async def test_sigterm_lets_the_running_requests_settle_and_hands_the_waiting_ones_back(scene: Scene) -> None:
    at_vendor, waiting = Batch("term-running", WRITING), Batch("term-waiting")
    scene.fault_writes("gate", at_vendor, gate="term")
    first = scene.worker(STOCKRELAY_PARTSBOX_CONCURRENCY=str(len(WRITING)))
    running = await scene.submit_batch(at_vendor)
    await scene.until_at_gate("term", len(WRITING))
    others = await scene.submit_batch(waiting)  # they find no free slot
    await scene.until_state(State.SENDING, *(key for key, _ in others.values()))

    sent = set(await _writers(scene, running))
    first.terminate()

    async def only_sent_ones_in_hand() -> bool:
        return await _in_hand(scene) == sent

    await eventually(only_sent_ones_in_hand, "the waiting ones are handed back")
    assert first.running
    scene.open_gate("term")
    assert first.wait() == 0
    assert {await scene.state(key) for key in sent} == {State.APPLIED}
    assert not await _in_hand(scene)
    assert State.APPLIED not in {await scene.state(key) for key, _ in others.values()}

    scene.worker()
    await _assert_all_once_in_order(scene, (at_vendor, running), (waiting, others))


async def test_sigterm_while_in_doubt_leaves_the_doubt_to_the_next_worker(scene: Scene) -> None:
    batch = Batch("term-doubt", WRITING)
    scene.fault_writes("late_commit", batch, delay_seconds=0.6)
    first = scene.worker()
    keys = await scene.submit_batch(batch)

    async def in_doubt() -> bool:
        writers = await _writers(scene, keys)
        return {await scene.state(key) for key in writers} == {State.IN_DOUBT}

    await eventually(in_doubt, "each is in doubt")
    assert first.stop() == 0

    scene.worker()
    await scene.assert_each_once_in_order(batch, keys)


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
async def test_sigquit_leaves_what_was_sent_in_doubt_for_the_next_worker(scene: Scene, place: str) -> None:
    batch = Batch(f"quit-{place}", WRITING)
    scene.fault_writes("gate", batch, gate=batch.name, place=place)
    first = scene.worker()
    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(batch.name, len(WRITING))

    os.kill(first.pid, signal.SIGQUIT)
    first.wait()
    assert {await scene.state(key) for key in await _writers(scene, keys)} == {State.IN_DOUBT}
    scene.open_gate(batch.name)

    scene.worker()
    await scene.assert_each_once_in_order(batch, keys)


def _is_frozen(worker: Process) -> bool:
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


#: A freeze while the connection is made is not noticed before the first byte: the permit was checked before.
@pytest.mark.parametrize(
    "boundary",
    ["claimed", "intent written", "connected", "answer read", "before settle"],
)
async def test_a_worker_that_froze_beyond_its_lease_does_nothing_when_it_goes_on(scene: Scene, boundary: str) -> None:
    kinds = KINDS if boundary in ("claimed", "before settle") else WRITING
    batch = Batch(f"frozen-{boundary.replace(' ', '-')}")
    frozen = scene.breaking_worker(boundary, batch, kinds, signal.SIGSTOP)
    keys = await scene.submit_batch(batch)
    await eventually(lambda: _is_frozen(frozen), "the worker is frozen")
    scene.attentive_worker()
    await scene.assert_each_once_in_order(batch, keys)

    frozen.cont()
    assert frozen.stop() == 0

    assert frozen.output().count(telemetry.LEASE_LOST) >= len(kinds)
    await scene.assert_each_once_in_order(batch, keys)


async def test_of_three_workers_one_killed_and_one_frozen_with_requests_at_the_vendor(scene: Scene) -> None:
    batches = [Batch(f"three-{number}") for number in range(3)]
    killed, frozen = scene.worker(), scene.worker()
    for batch in batches:
        scene.fault_writes("gate", batch, gate="three")
    keys = [await scene.submit_batch(batch) for batch in batches]
    await scene.until_at_gate("three", len(batches) * len(WRITING))

    killed.kill()
    frozen.stop_signal()
    scene.attentive_worker()
    scene.open_gate("three")
    submitted = tuple(zip(batches, keys, strict=True))
    await _assert_all_once_in_order(scene, *submitted)

    frozen.cont()
    assert frozen.stop() == 0
    await _assert_all_once_in_order(scene, *submitted)
