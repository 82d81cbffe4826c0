"""A primary with two replicas and three sentinels on three machines, and what a fail-over costs.

Replication is asynchronous: what only the old primary knew is gone. These tests show that the rest goes on by itself,
that nothing the new primary knows is lost or doubled, and what becomes of a write whose intent no replica had.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
import redis

from tests.network.books import Books, books_of, sends_of
from tests.network.servers import (
    PORT,
    REPLICATED,
    SENTINEL_PORT,
    SERVICE,
    client_of,
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


def _until_known_are_applied(site: Site) -> list[str]:
    """Wait until everything that the ledger knows is applied; gives the keys of what it does not know any more."""
    known = site.states(site.keys)
    site.until_applied(list(known))
    return [key for key in site.keys if key not in known]


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_a_primary_that_falls_silent_is_replaced_and_the_work_goes_on(site: Site, trouble: str) -> None:
    old = site.processes["redis-a"]
    site.submit(120)
    site.control("GET", "journal?effects=20")

    old.kill() if trouble == "killed" else old.stop_signal()
    _until_another_is_primary(site)
    forgotten = _until_known_are_applied(site)
    old.start() if trouble == "killed" else old.cont()
    site.submit(40)  # while the old one, who thinks that nothing has happened, is told
    site.until_applied([key for key in site.keys if key not in forgotten])

    books = books_of(site, [key for key in site.keys if key not in forgotten])
    assert books == Books()
    assert len(forgotten) < 60  # else it shows nothing


def _cut_off_primary(site: Site) -> None:
    """Take the primary from replicas and sentinels; programs still reach it, until the proxy has turned."""
    for name in DATA_HOSTS[1:]:
        site.network.cut("redis-a", name)


def _refuses_writes(site: Site) -> bool:
    with client_of(site.network["redis-a"]) as client:
        try:
            client.set("sr:test", "1", ex=1)
        except redis.ResponseError as error:
            return str(error).startswith("NOREPLICAS")
    return False


def test_a_primary_without_its_replicas_takes_nothing_soon_and_what_it_took_until_then_is_gone(site: Site) -> None:
    site.submit(40)
    site.until_applied()

    _cut_off_primary(site)
    taken = site.submit(40)
    wait_until(lambda: _refuses_writes(site), "the old primary takes nothing any more")
    _until_another_is_primary(site)
    forgotten = _until_known_are_applied(site)
    site.submit(40)
    site.until_applied([key for key in site.keys if key not in forgotten])

    books = books_of(site, [key for key in site.keys if key not in forgotten])
    assert books == Books()
    assert forgotten
    assert set(forgotten) <= set(taken)


@pytest.mark.parametrize("site", [LONG_SETTLE], indirect=True, ids=["long settle time"])
@pytest.mark.parametrize("place", ["after_commit", "before_commit"], ids=["carried out", "under way"])
def test_a_write_whose_intent_died_with_the_primary(site: Site, place: str) -> None:
    """One that was carried out is found and not repeated. One still under way is doubled, and `reconcile` names it."""
    site.fault("gate", operation="part/get", gate="read")
    site.fault("gate", gate="write", place=place)
    (key,) = site.submit(1)
    site.until_at_gate("read", 1)
    until_replicated(site.network["redis-a"], 2)

    _cut_off_primary(site)
    site.open_gate("read")
    site.until_at_gate("write", 1)
    site.processes[_owner_of(site, key)].kill()
    _until_another_is_primary(site)
    site.until_applied()
    site.open_gate("write")
    site.control("GET", "in-flight?quiet=1")

    told = _reconcile(site)
    is_doubled = place == "before_commit"
    assert books_of(site) == Books(doubled=[key] if is_doubled else [])
    assert sends_of(site) == {key: 1 + is_doubled}
    assert (told.returncode, "DOUBLE" in told.stdout) == (int(is_doubled), is_doubled)


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
