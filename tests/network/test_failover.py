"""A primary with two replicas and three sentinels on three machines: a fail-over loses and doubles nothing.

Replication is asynchronous: what only the old primary knew is gone, so nothing counts that only it knows.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.network.books import Books, books_of, sends_of
from tests.network.servers import (
    PORT,
    REPLICATED,
    SENTINEL_PORT,
    SERVICE,
    sentinel_on,
    server_on,
    until_replicated,
    until_watched,
)
from tests.network.site import LEASE_SECONDS, Site
from tests.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.network.machines import Network
    from tests.process import Process

pytestmark = pytest.mark.slow

DATA_HOSTS: Final = ("redis-a", "redis-b", "redis-c")
#: Well above a lease: who knows of the first send waits longer than anybody who does not.
LONG_SETTLE: Final = {"STOCKRELAY_PARTSBOX_SETTLE_SECONDS": str(10 * LEASE_SECONDS)}


@pytest.fixture
def site(network: Network, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    primary, *replicas = [network[name] for name in DATA_HOSTS]
    url = f"redis://{network['proxy'].address}:{PORT}/0"
    follows = {**REPLICATED, "replicaof": f"{primary.address} {PORT}"}
    with Site(network, tmp_path, url, settings=getattr(request, "param", None)) as opened:
        opened.launch(primary.name, server_on(primary, tmp_path, REPLICATED))
        for host in replicas:
            opened.launch(host.name, server_on(host, tmp_path, follows))
        for name in DATA_HOSTS:
            opened.processes[name].wait_ready()
        until_replicated(primary, len(replicas))
        for name in DATA_HOSTS:
            opened.launch(f"{name} sentinel", sentinel_on(network[name], tmp_path, primary)).wait_ready()
        until_watched([network[name] for name in DATA_HOSTS])
        _launch_proxy(opened, tmp_path)
        opened.open("worker-a", "worker-b")
        yield opened


def _launch_proxy(site: Site, folder: Path) -> None:
    host = site.network["proxy"]
    sentinels = [f"{site.network[name].address}:{SENTINEL_PORT}" for name in DATA_HOSTS]
    words = [sys.executable, "-m", "tests.network.primary_proxy", f"{host.address}:{PORT}", SERVICE, *sentinels]
    site.launch("proxy", host.process("proxy", words, folder, ready=lambda proxy: proxy.printed("turned to")))
    site.processes["proxy"].wait_ready()


def _until_another_is_primary(site: Site) -> None:
    """Wait until the proxy has turned to another machine, and the webhooks server to that."""
    turns = [f"turned to {site.network[name].address}" for name in DATA_HOSTS[1:]]
    wait_until(lambda: any(map(site.processes["proxy"].printed, turns)), "another server is primary")
    wait_until(lambda: site.readiness() == 200, "the webhooks server takes commands")


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_a_primary_that_falls_silent_is_replaced_and_the_work_goes_on(site: Site, trouble: str) -> None:
    old = site.processes["redis-a"]
    site.submit(120)
    site.control("GET", "journal?effects=20")

    old.kill() if trouble == "killed" else old.stop_signal()
    _until_another_is_primary(site)
    site.until_applied()
    old.start() if trouble == "killed" else old.cont()
    site.submit(40)  # while the old one, who thinks that nothing has happened, is told
    site.until_applied()

    assert books_of(site) == Books()


def _cut_off_primary(site: Site) -> None:
    """Take the primary from replicas and sentinels; programs still reach it, until the proxy has turned."""
    for name in DATA_HOSTS[1:]:
        site.network.cut("redis-a", name)


def test_what_a_primary_took_that_was_cut_from_its_replicas_is_applied_by_the_next_one(site: Site) -> None:
    """It acknowledged forty commands until it noticed, and the new one knew none of them."""
    site.submit(40)
    site.until_applied()

    _cut_off_primary(site)
    site.submit(40)
    _until_another_is_primary(site)
    site.submit(40)
    site.until_applied()

    assert books_of(site) == Books()


@pytest.mark.parametrize("site", [LONG_SETTLE], indirect=True, ids=["long settle time"])
def test_a_write_is_not_sent_while_no_replica_knows_of_it(site: Site) -> None:
    """It was sent, stood at the vendor when the primary was replaced, and was sent again: doubled."""
    site.fault("gate", operation="part/get", gate="read")
    site.fault("gate", gate="write", place="before_commit")
    (key,) = site.submit(1)
    site.until_at_gate("read", 1)
    until_replicated(site.network["redis-a"], 2)
    sender = site.processes[_owner_of(site, key)]

    _cut_off_primary(site)
    site.open_gate("read")
    _until_another_is_primary(site)
    sender.kill()
    _until_taken_over(site, key, sender)
    site.open_gate("write")
    site.until_applied()

    assert books_of(site) == Books()
    assert sends_of(site) == {key: 1}


@pytest.mark.parametrize("site", [LONG_SETTLE], indirect=True, ids=["long settle time"])
@pytest.mark.parametrize("place", ["after_commit", "before_commit"], ids=["carried out", "under way"])
def test_a_write_that_stands_at_the_vendor_while_the_primary_is_replaced_is_not_repeated(
    site: Site, place: str
) -> None:
    site.fault("gate", gate="write", place=place)
    (key,) = site.submit(1)
    site.until_at_gate("write", 1)

    _cut_off_primary(site)
    site.processes[_owner_of(site, key)].kill()
    _until_another_is_primary(site)
    site.open_gate("write")
    site.until_applied()

    assert books_of(site) == Books()
    assert sends_of(site) == {key: 1}
    assert _reconcile(site).returncode == 0


def _until_taken_over(site: Site, key: str, lost: Process) -> None:
    """Wait until another worker is about to send the command, or knows that this one may have."""

    def is_taken_over(name: str) -> bool:
        state, intent, owner = site.fields(site.network[name], "state", "intent_ms", "owner")[key]
        return state == "in_doubt" or bool(intent and f":{lost.pid}:" not in str(owner))

    wait_until(lambda: any(map(is_taken_over, DATA_HOSTS[1:])), "another worker has it")


def _owner_of(site: Site, key: str) -> str:
    """Name the machine whose worker has the command."""
    ((owner,),) = (site.fields(site.network["redis-a"], "owner")[key],)
    return next(name for name in ("worker-a", "worker-b") if f":{site.processes[name].pid}:" in str(owner))


def _reconcile(site: Site) -> subprocess.CompletedProcess[str]:
    """Compare the ledger with the vendor, as a person on a worker's machine does."""
    with site.network["worker-b"].entered():
        return subprocess.run(
            ["stockrelay", "reconcile"], env=site.environment("worker-b"), capture_output=True, text=True, check=False
        )
