"""A worker that is SIGKILLed at any boundary of a command's life: the command still lands once, in its order."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.chaos.batch import EXPANDING, KINDS, WRITING, Batch
from tests.chaos.scene import LEASE_SECONDS

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

pytestmark = pytest.mark.slow

#: Boundaries that every kind comes to, and those of a write.
SHARED = ("claimed", "before settle", "before ack")
OF_A_WRITE = ("intent written", "answer read")


@pytest.mark.parametrize("boundary", [*SHARED, *OF_A_WRITE])
async def test_a_worker_killed_at_a_boundary_leaves_each_command_applied_once(scene: Scene, boundary: str) -> None:
    kinds = KINDS if boundary in SHARED else WRITING
    batch = Batch(f"killed-{boundary.replace(' ', '-')}")
    killed = scene.breaking_worker(boundary, batch, kinds)

    keys = await scene.submit_batch(batch)
    assert killed.wait() == -signal.SIGKILL
    scene.attentive_worker()

    await scene.assert_each_once_in_order(batch, keys)


@pytest.mark.parametrize(
    "faults",
    [
        [("gate", {"gate": "late", "place": "before_commit"})],
        [("gate", {"gate": "never", "place": "before_commit"}), ("drop_before", {})],
        [("gate", {"gate": "done", "place": "after_commit"})],
    ],
    ids=["commits late", "never commits", "has committed"],
)
async def test_a_worker_killed_while_the_vendor_has_its_writes_leaves_each_command_applied_once(
    scene: Scene, faults: list[tuple[str, dict[str, str]]]
) -> None:
    gate = faults[0][1]["gate"]
    batch = Batch(f"sent-{gate}", WRITING)
    for kind, options in faults:
        scene.fault_writes(kind, batch, **options)
    killed = scene.worker()

    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(gate, len(WRITING))
    killed.kill()
    scene.open_gate(gate)
    scene.worker()

    await scene.assert_each_once_in_order(batch, keys)


@pytest.mark.parametrize(
    ("boundary", "fault"),
    [
        ("in doubt", "accept_then_drop"),
        ("in doubt", "drop_before"),
        ("before settle", "accept_then_drop"),  # of what the look-up has found
        ("found absent", "drop_before"),
    ],
)
async def test_a_worker_killed_around_a_look_up_leaves_each_command_applied_once(
    scene: Scene, boundary: str, fault: str
) -> None:
    batch = Batch(f"killed-{boundary.replace(' ', '-')}-{fault}", WRITING)
    scene.fault_writes(fault, batch)
    killed = scene.breaking_worker(boundary, batch, WRITING)

    keys = await scene.submit_batch(batch)
    assert killed.wait() == -signal.SIGKILL
    scene.attentive_worker()

    await scene.assert_each_once_in_order(batch, keys)


async def test_another_worker_takes_over_what_a_killed_one_had_not_sent(scene: Scene) -> None:
    batch = Batch("taken-over")
    at_gate = scene.gate_step("before-image", batch)
    killed = scene.worker()
    keys = await scene.submit_batch(batch)
    await scene.until_at_gate(batch.name, at_gate)
    scene.worker()

    killed_ms = await scene.now_ms()
    killed.kill()

    await scene.assert_each_once_in_order(batch, keys)
    ended = [await scene.record(key) for kind, (key, _) in keys.items() if kind != EXPANDING]
    recovery_ms = max(record.updated_ms for record in ended) - killed_ms
    print(f"recovered in {recovery_ms} ms, lease {LEASE_SECONDS * 1000:.0f} ms")
