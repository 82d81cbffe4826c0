"""A worker's machine that loses Redis, the vendor or everybody in the middle of its sends.

Another one takes its commands over and looks at the vendor before it sends anything again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.network.books import Books, books_of, sends_of
from tests.network.machines import NOBODY
from tests.network.servers import server_on
from tests.network.site import CONCURRENCY, PATIENCE_SECONDS, Site
from tests.network.wire import Wire
from tests.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.network.machines import Network

pytestmark = pytest.mark.slow

#: Writes of worker-a under way when it is cut off: carried out and not answered, and not yet carried out.
CARRIED_OUT, UNDER_WAY = 8, 4
#: Frames of a handshake or an acknowledgement alone are smaller than a write, by far.
LEAST_WRITE_BYTES = 300


@pytest.fixture
def site(network: Network, tmp_path: Path) -> Iterator[Site]:
    redis_host = network["redis-a"]
    address = f"redis://{redis_host.address}:6379/0"
    with server_on(redis_host, tmp_path), Site(network, tmp_path, address) as opened:
        yield opened


def _stop_in_the_middle(site: Site) -> None:
    """Let worker-a, alone so far, stand in the middle of writes."""
    site.open("worker-a")
    site.fault("gate", gate="answer", place="after_commit", count=CARRIED_OUT, skip=10)
    site.fault("gate", gate="commit", place="before_commit", count=UNDER_WAY, skip=10)
    site.submit(80)
    site.until_at_gate("answer", CARRIED_OUT)
    site.until_at_gate("commit", UNDER_WAY)


def _until_settling(site: Site, worker: str) -> None:
    """Submit until the worker has settled something new."""
    redis_host, known = site.network["redis-a"], set(site.keys)

    def is_working() -> bool:
        site.submit(20)
        site.until_applied()
        return any(name == worker for key, name in site.settled_by(redis_host).items() if key not in known)

    wait_until(is_working, f"{worker} settles commands again")


def test_a_host_without_redis_loses_its_commands_and_comes_back(site: Site) -> None:
    _stop_in_the_middle(site)

    site.network.cut("worker-a", "redis-a")
    site.launch_worker("worker-b").wait_ready()
    for gate in ("answer", "commit"):
        site.open_gate(gate)
    site.until_applied()
    taken_over = site.fields(site.network["redis-a"], "crashes", "attempts")
    settled_by = site.settled_by(site.network["redis-a"])
    assert site.processes["worker-a"].running

    site.network.join("worker-a", "redis-a")
    _until_settling(site, "worker-a")

    assert sum(int(crashes or 0) for crashes, _ in taken_over.values()) >= CARRIED_OUT + UNDER_WAY
    assert "worker-b" in settled_by.values()
    assert set(sends_of(site).values()) == {1}
    assert books_of(site) == Books()


def test_a_host_without_the_vendor_stops_nobody_else_loses_nothing_and_comes_back(site: Site) -> None:
    """Each of its failed connections paused the vendor for everybody: 95 of 120 commands in a minute."""
    site.open("worker-a", "worker-b")
    worker = site.processes["worker-a"]
    site.submit(80)
    site.control("GET", "journal?effects=15")

    site.network.cut("worker-a", "vendor")
    wait_until(lambda: worker.printed("vendor.not_reached"), "worker-a cannot reach the vendor")
    site.submit(80)
    site.until_applied(seconds=2 * PATIENCE_SECONDS)
    assert site.control("GET", "limits")["in_flight"] <= CONCURRENCY
    site.network.join("worker-a", "vendor")
    _until_settling(site, "worker-a")

    assert set(sends_of(site).values()) == {1}
    assert books_of(site) == Books()


def test_a_host_that_is_gone_leaves_its_commands_to_the_others(site: Site) -> None:
    _stop_in_the_middle(site)

    site.network.unplug("worker-a")
    site.processes["worker-a"].kill()
    site.launch_worker("worker-b").wait_ready()
    for gate in ("answer", "commit"):
        site.open_gate(gate)
    site.until_applied()
    assert set(sends_of(site).values()) == {1}

    assert books_of(site) == Books()


@pytest.mark.parametrize("is_killed", [False, True], ids=["given up", "killed"])
def test_a_write_that_a_partition_swallowed_does_not_come_out_of_it_later(site: Site, *, is_killed: bool) -> None:
    network, worker = site.network, site.network["worker-a"]
    site.open("worker-a")
    site.fault("gate", operation="part/get", gate="read", place="after_commit")
    with Wire(network) as wire:
        site.submit(1)
        site.until_at_gate("read", 1)
        network.silence("worker-a", "vendor")
        site.open_gate("read")
        wait_until(lambda: wire.bytes_to(NOBODY) > LEAST_WRITE_BYTES, "the write is lost on the wire")

    if is_killed:
        site.processes["worker-a"].kill()
    else:
        wait_until(lambda: "in_doubt" in site.states(site.keys).values(), "worker-a gives the write up")
    left = worker.unheard(network["vendor"])
    site.processes["worker-a"].kill()
    site.launch_worker("worker-b").wait_ready()
    site.until_applied()
    network.join("worker-a", "vendor")
    wait_until(lambda: not worker.unheard(network["vendor"]), "no byte of worker-a is left on its way")
    site.submit(40)  # behind whatever still comes
    site.until_applied()
    site.control("GET", "in-flight?quiet=1")

    assert books_of(site) == Books()
    assert left == 0
