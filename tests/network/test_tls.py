"""Redis by TLS over a network that is listened to: with the right certificate everything works, with another nothing.

The embedded server is built without TLS, so a TLS server stands in front of it on its machine.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.network.books import Books, books_of
from tests.network.forwarder import AUTHORITY
from tests.network.servers import PORT, client_of, server_on
from tests.network.site import Site
from tests.network.wire import Wire
from tests.process import wait_until
from tests.sandbox.partsbox import API_KEY
from tests.sandbox.partsbox.ids import id_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.machines import Network
    from tests.process import Process

pytestmark = pytest.mark.slow

PASSWORD: Final = "invented-redis-password"
TLS_PORT: Final = 6380


def _url(network: Network) -> str:
    address = f"rediss://:{PASSWORD}@{network['redis-a'].address}:{TLS_PORT}/0"
    return f"{address}?ssl_cert_reqs=required&ssl_ca_certs={AUTHORITY}"


def _secured(network: Network, folder: Path) -> Process:
    return server_on(network["redis-a"], folder, {"requirepass": PASSWORD})


def _status(site: Site) -> subprocess.CompletedProcess[str]:
    with site.network["worker-b"].entered():
        return subprocess.run(
            ["stockrelay", "status"], env=site.environment("worker-b"), capture_output=True, text=True, check=False
        )


def test_everything_goes_through_tls_and_nothing_in_the_clear(network: Network, tmp_path: Path) -> None:
    with _secured(network, tmp_path), Site(network, tmp_path, _url(network)) as site, Wire(network) as wire:
        site.launch_forwarder("redis-a", TLS_PORT, f"127.0.0.1:{PORT}", "redis")
        site.open("worker-a")
        site.submit(40)
        site.until_applied()
        shown = _status(site)
        secrets = (PASSWORD, API_KEY, id_for("part", "site-1"), "EVALSHA", *site.keys)
        heard = [text for text in secrets if wire.carried(text)]
        with client_of(network["redis-a"], seen_from=network["proxy"], password=PASSWORD) as client:
            client.ping()
        wait_until(lambda: wire.carried(PASSWORD), "the wire is listened to")

        assert books_of(site) == Books()
        assert heard == []
        assert (shown.returncode, "partsbox" in shown.stdout) == (0, True)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("another-name", "certificate is not valid for '10.213.0.11'"),
        ("another-authority", "unable to get local issuer certificate"),
    ],
)
def test_a_server_that_is_not_proved_is_told_nothing(
    network: Network, tmp_path: Path, certificate: str, reason: str
) -> None:
    with _secured(network, tmp_path), Site(network, tmp_path, _url(network)) as site, Wire(network) as wire:
        site.launch_forwarder("redis-a", TLS_PORT, f"127.0.0.1:{PORT}", certificate).wait_ready()
        programs = [site.launch_worker("worker-a"), site.launch_producer()]
        shown = _status(site)
        wait_until(lambda: all(program.printed(reason) for program in programs), "both say why")
        ready = site.readiness()

        outputs = [*(program.output() for program in programs), shown.stderr]
        assert all("CERTIFICATE_VERIFY_FAILED" in output and reason in output for output in outputs)
        assert all(PASSWORD not in output for output in outputs)
        assert (shown.returncode, ready) == (75, 503)
        assert not wire.carried(PASSWORD)
