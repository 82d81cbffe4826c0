"""Workers on two machines, Redis, producer and vendor on three more: all is done once, in order, within limits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.network.books import Books, books_of
from tests.network.servers import server_on
from tests.network.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.machines import Network

pytestmark = pytest.mark.slow

#: Three requests each, at a rate that either host alone would exceed by far.
COMMANDS: Final = 200
TIGHT_RATE: Final = 40


def test_two_hosts_share_the_work_and_the_vendors_limits(network: Network, tmp_path: Path) -> None:
    redis_host = network["redis-a"]
    url = f"redis://{redis_host.address}:6379/0"
    with server_on(redis_host, tmp_path), Site(network, tmp_path, url, rate_per_second=TIGHT_RATE) as site:
        site.open("worker-a", "worker-b")

        site.submit(COMMANDS)
        site.until_applied()

        assert books_of(site) == Books()
        shares = Counter(site.settled_by(redis_host).values())
        assert shares["worker-a"] + shares["worker-b"] == COMMANDS
        assert min(shares["worker-a"], shares["worker-b"]) >= COMMANDS // 10
